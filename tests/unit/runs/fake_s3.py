"""An S3 in memory, as far as Plan asks one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError


class FakeS3:
    """Objects of the bucket `b` by their keys. `broken`: after how many bytes of the first answers the connection ends."""

    def __init__(self, objects: Mapping[str, str | bytes] | None = None, *, broken: Sequence[int] = ()) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = list(broken)
        self.bodies = 0
        for key, body in (objects or {}).items():
            self.put(key, body)

    def put(self, key: str, body: str | bytes) -> str:
        """Put an object; gives its URI."""
        self.objects[key] = body.encode() if isinstance(body, str) else body
        return f"s3://b/{key}"

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        body = self._found(Bucket, Key, "HeadObject", "404")
        return {"ContentLength": len(body), "ETag": _etag(body)}

    def get_object(
        self, *, Bucket: str, Key: str, Range: str = "bytes=0-", IfMatch: str | None = None
    ) -> dict[str, Any]:
        body = self._found(Bucket, Key, "GetObject", "NoSuchKey")
        if IfMatch not in (None, _etag(body)):
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "changed"}}, "GetObject")
        first, _, last = Range.removeprefix("bytes=").partition("-")
        part = body[-int(last) :] if not first else body[int(first) : int(last) + 1 if last else None]
        self.bodies += 1
        stop = self.broken.pop(0) if self.broken else None
        return {"ContentLength": len(part), "ETag": _etag(body), "Body": _Body(part, stop)}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **more: Any) -> dict[str, Any]:
        if Bucket != "b":
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": ""}}, "ListObjectsV2")
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        return {"Contents": [{"Key": key, "Size": len(self.objects[key])} for key in keys]}

    def _found(self, bucket: str, key: str, operation: str, code: str) -> bytes:
        if bucket != "b" or key not in self.objects:
            raise ClientError({"Error": {"Code": code, "Message": "not there"}}, operation)
        return self.objects[key]


def fake_s3(objects: Mapping[str, str | bytes] | None = None, *, broken: Sequence[int] = ()) -> Any:
    """One of them, in the place of a client of boto3."""
    return FakeS3(objects, broken=broken)


class _Body(io.BytesIO):
    """Breaks off before byte `stop`."""

    def __init__(self, data: bytes, stop: int | None) -> None:
        super().__init__(data if stop is None else data[:stop])
        self._breaks = stop is not None

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and self._breaks:
            raise ConnectionResetError("connection reset")
        return data


def source(uri: str) -> dict[str, str]:
    """The `source` of a run's input."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"uri": uri, "bucket": bucket, "key": key}


def put_report(s3: FakeS3, parts: Sequence[str], *, schema: str = "Bucket, Key, Size", **fields: Any) -> str:
    """An S3 Inventory report, of parts that are given as text; gives the URI of its manifest.json."""
    files = []
    for number, text in enumerate(parts):
        key, body = f"inv/data/{number}.csv.gz", gzip.compress(text.encode())
        s3.put(key, body)
        files.append({"key": key, "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
    manifest = {
        "sourceBucket": "b",
        "destinationBucket": "arn:aws:s3:::b",
        "version": "2016-11-30",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": files,
    }
    return s3.put("inv/2026-01-01T01-00Z/manifest.json", json.dumps({**manifest, **fields}))


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
