"""A look at a report of S3 Inventory: its manifest.json, and whether all the parts are there that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.looks.errors import SourceError, refusal, unreadable
from mapfold.runs.looks.head import read_head
from mapfold.runs.looks.look import Look

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST_BYTES = 64 * 1024 * 1024
"""The embedded Step Functions reads no larger one: it names some 300,000 parts."""

_AT_ONCE = 16
_WANTED = "the manifest.json of an S3 Inventory report"
_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::([^/:]+)")


@dataclass(frozen=True, slots=True)
class Report:
    """What is used of a manifest.json. `parts` are keys in `bucket` with their sizes."""

    uri: str
    bucket: str
    columns: tuple[str, ...]
    parts: tuple[tuple[str, int | None], ...]
    etag: str
    version: str

    def part(self, key: str) -> dict[str, str]:
        """A part as a source."""
        return {"uri": f"s3://{self.bucket}/{key}", "bucket": self.bucket, "key": key}


def read_report(s3: S3Client, source: Mapping[str, str], *, versions: bool) -> Report:
    """The report that `source` names. SourceError says what of it is none, or is another than the job declares."""
    from botocore.exceptions import ClientError

    uri = source["uri"]
    try:
        answer = s3.get_object(Bucket=source["bucket"], Key=source["key"])
        size = answer["ContentLength"]
        text = answer["Body"].read() if size <= MANIFEST_BYTES else b""
    except ClientError as error:
        hint = f"The job's source wants {_WANTED}" if source["key"].endswith("/") else ""
        raise unreadable(uri, error, hint=hint) from error
    if size > MANIFEST_BYTES:
        raise SourceError(f"{uri} has {size:,} bytes, too many for {_WANTED}, of which {MANIFEST_BYTES:,} are read.")
    fields = _fields(uri, text)
    if fields.get("fileFormat") != "CSV":
        raise SourceError(
            f"{uri}: its fileFormat is {fields.get('fileFormat')!r}, and Step Functions reads CSV alone. Choose CSV in the "
            "inventory's configuration, and wait for its next report."
        )
    bucket = _BUCKET_ARN.fullmatch(str(fields.get("destinationBucket")))
    if bucket is None:
        found = fields.get("destinationBucket")
        raise SourceError(
            f"{uri}: its destinationBucket is {found!r}, and not the ARN of a bucket. It is not {_WANTED}."
        )
    columns = _columns(uri, fields, versions=versions)
    etag, version = answer["ETag"].strip('"'), answer.get("VersionId", "null")
    return Report(uri, bucket.group(1), columns, tuple(_parts(uri, fields)), etag, version)


def look_at_report(s3: S3Client, report: Report) -> Look:
    """About how many rows the parts have. SourceError for a part that is missing, or of another size than it says.

    Each part's head is asked for, 16 at a time: a thousand parts take a second or two.
    """
    if not report.parts:
        raise SourceError(
            f"{report.uri} names no part, so that the report is empty. Give the manifest.json of another."
        )
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        sizes = list(threads.map(lambda numbered: _check_part(s3, report, *numbered), enumerate(report.parts)))
    first = read_head(s3, report.part(report.parts[0][0]), declared=_WANTED)
    rows = (first.text or b"").count(b"\n")
    stored = first.size if first.is_whole else (len(first.text or b"") / first.ratio)
    return Look(round(rows * sum(sizes) / max(1.0, stored)), report.etag, report.version)


def _check_part(s3: S3Client, report: Report, number: int, part: tuple[str, int | None]) -> int:
    from botocore.exceptions import ClientError

    key, said = part
    uri = f"s3://{report.bucket}/{key}"
    try:
        size = s3.head_object(Bucket=report.bucket, Key=key)["ContentLength"]
    except ClientError as error:
        raise SourceError(
            f"{report.uri}, files[{number}]: the part {uri} cannot be read: {refusal(error)}. Reports may be deleted in "
            "parts by a lifecycle rule: take a newer one."
        ) from error
    if said is not None and size != said:
        raise SourceError(
            f"{report.uri}, files[{number}]: the part {uri} has {size:,} bytes, and the report says {said:,}. It was "
            "written anew or cut off: take a newer report."
        )
    return size


def _fields(uri: str, text: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{uri} is not JSON ({error}). The job's source wants {_WANTED}.") from error
    if not isinstance(fields, dict) or "files" not in fields or "fileSchema" not in fields:
        raise SourceError(f"{uri} has no files and no fileSchema: it is JSON, but not {_WANTED}. Give that one.")
    return fields


def _columns(uri: str, fields: Mapping[str, Any], *, versions: bool) -> tuple[str, ...]:
    schema = fields["fileSchema"]
    columns = tuple(name.strip() for name in schema.split(",")) if isinstance(schema, str) else ()
    if not {"Bucket", "Key"} <= set(columns) or len(set(columns)) != len(columns):
        raise SourceError(f"{uri}: its fileSchema is {schema!r}; it has to name each column once, and Bucket and Key.")
    if versions and "VersionId" not in columns:
        raise SourceError(f"{uri} lists current versions alone (it has no VersionId). Declare Inventory().")
    if not versions and "VersionId" in columns:
        raise SourceError(
            f"{uri} lists all versions of its objects, each of which would be an item. Declare Inventory(versions=True), and "
            "the job reads those versions; or configure the inventory for current versions only."
        )
    return columns


def _parts(uri: str, fields: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    files = fields["files"]
    found = []
    for number, file in enumerate(files if isinstance(files, list) else [files]):
        key = file.get("key") if isinstance(file, dict) else None
        if not isinstance(key, str) or not key:
            raise SourceError(f"{uri}, files[{number}]: its key is {key!r}, and not that of a part of the report.")
        size = file.get("size")
        found.append((key, size if isinstance(size, int) else None))
    return found
