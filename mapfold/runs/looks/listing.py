"""Looks at prefixes: what is listed, and whether the first of the objects is what the job's source reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.runs.looks.errors import SourceError, unreadable
from mapfold.runs.looks.look import Look

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LISTED_PAGES = 10
SAMPLES = 3
"""Objects that are looked into: enough to see that a format is wrong, and about how many rows an object has."""

LookAtObject = Callable[[Mapping[str, str]], Look]


def look_at_listing(s3: S3Client, source: Mapping[str, str]) -> Look:
    """The objects under a prefix, counted on the first pages. SourceError if there are none."""
    entries, more = _listed(s3, source)
    return Look(len(entries) * 10 if more else len(entries))  # unknown, but many


def look_at_listed_rows(s3: S3Client, source: Mapping[str, str], look_at_object: LookAtObject) -> Look:
    """The rows of all objects under a prefix, estimated from the sizes and the first few objects that are not empty."""
    entries, more = _listed(s3, source)
    sizes = sum(entry["Size"] for entry in entries)
    samples = [entry for entry in entries if entry["Size"]][:SAMPLES]
    rows = sum(look_at_object(_object(source, entry["Key"])).items for entry in samples)
    seen = sum(entry["Size"] for entry in samples)
    items = rows * sizes // max(1, seen) if samples else 0
    return Look(items * 10 if more else items)


def _object(source: Mapping[str, str], key: str) -> dict[str, str]:
    return {"uri": f"s3://{source['bucket']}/{key}", "bucket": source["bucket"], "key": key}


def _listed(s3: S3Client, source: Mapping[str, str]) -> tuple[list[Any], bool]:
    """What the first pages list, and whether there are more pages."""
    from botocore.exceptions import ClientError

    entries: list[Any] = []
    token = None
    try:
        for _ in range(LISTED_PAGES):
            more: Any = {"ContinuationToken": token} if token else {}
            page = s3.list_objects_v2(Bucket=source["bucket"], Prefix=source["key"], **more)
            entries += page.get("Contents", ())
            token = page.get("NextContinuationToken")
            if not token:
                break
    except ClientError as error:
        raise unreadable(source["uri"], error) from error
    _check(source, entries)
    return entries, bool(token)


def _check(source: Mapping[str, str], entries: list[Any]) -> None:
    uri, key = source["uri"], source["key"]
    if not entries:
        raise SourceError(f"the source {uri} lists no object. Check the prefix.")
    if len(entries) == 1 and entries[0]["Key"] == key and not key.endswith("/"):
        raise SourceError(
            f"the source {uri} is one object, and the job's source lists the objects under a prefix. Give the prefix, with "
            "a slash at its end; for what is in one object, declare another source, such as Manifest() or CsvRows()."
        )
