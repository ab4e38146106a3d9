"""Resource s3:listObjectsV2: one object of metadata for every key under a prefix, however many pages that takes."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.objects import failure_cause
from mapfold.states.effects import Json, ReaderSpec


def list_objects(s3: S3Client, spec: ReaderSpec) -> Chunks:
    """The keys in S3's order, a chunk a page (1,000 keys). Raises `ItemReaderError`."""
    request = _request(dict(spec.arguments))
    place = f"s3://{request['Bucket']}/{request.get('Prefix', '')}"
    while True:
        try:
            page = s3.list_objects_v2(**request)
        except (ClientError, BotoCoreError) as error:
            raise ItemReaderError(failure_cause(f"Cannot list {place}", error)) from error
        if found := page.get("Contents"):
            yield Chunk([_item(entry) for entry in found])
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


def _request(arguments: dict[str, Json]) -> dict[str, Any]:
    bucket = arguments.get("Bucket")
    if not isinstance(bucket, str) or not bucket:
        raise ItemReaderError(f"The ItemReader's Bucket is {bucket!r}; expected a text that is not empty.")
    known = {"Bucket", "Prefix", "ExpectedBucketOwner", "StartAfter", "Delimiter", "MaxKeys", "RequestPayer"}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise ItemReaderError(
            f"The ItemReader's parameters name {', '.join(unknown)}; s3:listObjectsV2 takes {', '.join(sorted(known))}."
        )
    return {name: value for name, value in arguments.items() if value is not None}


def _item(entry: dict[str, Any]) -> dict[str, Json]:
    """The metadata as AWS hands it to a child: `Etag` is spelled so, and keeps the quotes inside its value."""
    return {
        "Etag": entry.get("ETag", ""),
        "Key": entry["Key"],
        "LastModified": int(entry["LastModified"].timestamp()),
        "Size": entry["Size"],
        "StorageClass": entry.get("StorageClass", "STANDARD"),
    }
