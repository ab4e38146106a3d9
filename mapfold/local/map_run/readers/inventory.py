"""ManifestType S3_INVENTORY (or InputType MANIFEST, as it was called first): a report of S3 Inventory.

The Key names the report's manifest.json. It names the report's parts, gzipped CSV without a header, and their columns:

    {"destinationBucket": "arn:aws:s3:::bucket", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size",
     "files": [{"key": "…/data/1.csv.gz", "size": 2147, "MD5checksum": "…"}], …}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mapfold.local.map_run.encoding import decode
from mapfold.local.map_run.model import Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.csv_reader import read_csv
from mapfold.local.map_run.readers.objects import OBJECT_LIMIT_BYTES, Opening, S3Object, read_object
from mapfold.local.map_run.readers.parts import owned_by, read_part
from mapfold.states.effects import Json, ReaderSpec

MANIFEST_LIMIT_BYTES = 64 * 1024**2
"""Our own limit: a manifest is held in memory. 64 MiB name some 300,000 parts."""

_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::([^/:]+)")


def read_inventory(s3: S3Client, spec: ReaderSpec, *, part_limit_bytes: int = OBJECT_LIMIT_BYTES) -> Chunks:
    """The rows of all parts in the manifest's order, as objects of column -> text. Raises `ItemReaderError`.

    Values are as they are in the parts. There the keys of objects are URL-encoded; that Distributed Map hands them on so
    is unconfirmed. `part_limit_bytes` (10 GB) is the most that a part may hold when it is unpacked.
    """
    opening = Opening(unpacked_limit=part_limit_bytes)
    manifest = _manifest(s3, S3Object.from_arguments(spec.arguments))
    config = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": manifest.columns}
    for number, key in enumerate(manifest.keys):
        arguments = {"Bucket": manifest.bucket, "Key": key, **owned_by(spec.arguments)}
        place = f"{manifest.place}, files[{number}]"
        yield from read_part(s3, read_csv, config, arguments, named_by=place, opening=opening)


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What is used of a manifest.json. `place` is what causes call it."""

    place: str
    bucket: str
    columns: list[str]
    keys: list[str]


def _manifest(s3: S3Client, source: S3Object) -> _Manifest:
    place = str(source)
    fields = _fields(place, _text(s3, source))
    file_format = fields.get("fileFormat")
    if file_format != "CSV":
        raise ItemReaderError(
            f"{place}: fileFormat is {file_format!r}; expected 'CSV', the only format of S3 Inventory that a Distributed "
            "Map reads. Choose it in the inventory's configuration."
        )
    return _Manifest(place, _bucket(place, fields), _columns(place, fields), list(_keys(place, fields)))


def _text(s3: S3Client, source: S3Object) -> bytes:
    text = bytearray()
    for block in read_object(s3, source):
        text += block
        if len(text) > MANIFEST_LIMIT_BYTES:
            raise ItemReaderError(f"{source} has more than {MANIFEST_LIMIT_BYTES} bytes, too many for a manifest.")
    return bytes(text)


def _fields(place: str, text: bytes) -> dict[str, Json]:
    try:
        fields = decode(text)
    except ValueError as error:
        hint = " Give the manifest.json beside it as the Key." if place.endswith("manifest.checksum") else ""
        raise ItemReaderError(
            f"{place} is not JSON ({error}); expected the manifest.json of an S3 Inventory report.{hint}"
        ) from error
    if not isinstance(fields, dict):
        raise ItemReaderError(f"{place} is no JSON object; expected the manifest.json of an S3 Inventory report.")
    return fields


def _bucket(place: str, fields: dict[str, Json]) -> str:
    arn = fields.get("destinationBucket")
    found = _BUCKET_ARN.fullmatch(arn) if isinstance(arn, str) else None
    if found is None:
        raise ItemReaderError(
            f"{place}: destinationBucket is {arn!r}; expected the ARN of a bucket, such as arn:aws:s3:::reports."
        )
    return found.group(1)


def _columns(place: str, fields: dict[str, Json]) -> list[str]:
    schema = fields.get("fileSchema")
    columns = [name.strip() for name in schema.split(",")] if isinstance(schema, str) else []
    if not columns or not all(columns) or len(set(columns)) != len(columns):
        raise ItemReaderError(
            f"{place}: fileSchema is {schema!r}; expected the names of the columns, each once, such as 'Bucket, Key, Size'."
        )
    return columns


def _keys(place: str, fields: dict[str, Json]) -> Iterator[str]:
    files = fields.get("files")
    if not isinstance(files, list):
        raise ItemReaderError(f"{place}: files is {files!r}; expected an array of objects with a key.")
    for number, file in enumerate(files):
        key = file.get("key") if isinstance(file, dict) else None
        if not isinstance(key, str) or not key:
            raise ItemReaderError(f"{place}: files[{number}].key is {key!r}; expected the key of a part of the report.")
        size = file.get("size")
        if isinstance(size, int) and size > OBJECT_LIMIT_BYTES:
            raise ItemReaderError(
                f"{place}: files[{number}].size is {size}; a single part may have {OBJECT_LIMIT_BYTES} bytes (10 GB)."
            )
        yield key
