"""S3 in memory, as far as splits read it, and a source's splits over it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from mapfold.runs.split_entries import find_objects
from mapfold.splits import Splits
from mapfold.splits.cutting import Piece, cut
from mapfold.splits.rows import read_rows

BUCKET = "data"
KEY = "rows"
LARGEST = 35 * 1024 * 1024


class Body(io.BytesIO):
    """An answer's body; `breaks_after` bytes the connection is lost."""

    def __init__(self, data: bytes, breaks_after: int | None = None) -> None:
        super().__init__(data)
        self.breaks_after = breaks_after

    def read(self, size: int | None = -1) -> bytes:
        if self.breaks_after is None:
            return super().read(size)
        if self.tell() >= self.breaks_after:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return super().read(min(size or 0, self.breaks_after - self.tell()))


class FakeS3:
    """Objects by key, in one bucket. `ranges` are the byte ranges that were asked for."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.ranges: list[tuple[str, str]] = []
        self.bodies: list[Body] = []
        self.breaks_after: list[int] = []
        self.meta = SimpleNamespace(config=SimpleNamespace(max_pool_connections=4))

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> dict[str, Any]:
        if Bucket != BUCKET or Key not in self.objects:
            raise refusal("NoSuchKey")
        data = self.objects[Key]
        if IfMatch and IfMatch != etag(data):
            raise refusal("PreconditionFailed")
        self.ranges.append((Key, Range))
        answer: dict[str, Any] = {"ETag": etag(data), "ContentLength": len(data)}
        if not Range:
            return {**answer, "Body": Body(data)}
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        if first >= len(data):
            raise refusal("InvalidRange")
        breaks_after = self.breaks_after.pop(0) if self.breaks_after else None
        body = Body(data[first : last + 1], breaks_after)
        self.bodies.append(body)
        return {**answer, "ContentRange": f"bytes {first}-{last}/{len(data)}", "Body": body}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        for key, data in sorted(self.objects.items()):
            if key.startswith(Prefix):
                yield {"Contents": [{"Key": key, "ETag": etag(data), "Size": len(data)}]}
        yield {}


@cache
def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")


def pieces(s3: Any, source: Splits, key: str = KEY, *, largest: int = LARGEST) -> list[Piece]:
    """All pieces of what the source names."""
    found = find_objects(s3, source, {"uri": f"s3://{BUCKET}/{key}", "bucket": BUCKET, "key": key})
    return [piece for each in found for piece in cut(s3, each, source, largest=largest)]


def rows_of(data: bytes, source: Splits) -> list[Any]:
    """The rows of all splits of one object, in order."""
    s3: Any = FakeS3({KEY: data})
    return [row for piece in pieces(s3, source) for row in read_rows(s3, piece.split)]
