"""S3 objects as streams of lines, in both directions, with memory that does not depend on their size."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mapfold.storage import BodyFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READ_BYTES = 256 * 1024
_PART_BYTES = 8 * 1024 * 1024
"""A part of a multipart upload: at least 5 MiB, and 10,000 of them reach 80 GB (S3 quotas)."""


def read_lines(s3: S3Client, bucket: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The lines of an object that begin at byte `start` or later and before `end`, without their ends.

    Ranges that touch share no line and lose none: a line belongs to the range in which it begins.
    """
    return (line for _, line in read_lines_and_ends(s3, bucket, key, start=start, end=end))


def read_lines_and_ends(
    s3: S3Client, bucket: str, key: str, *, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """What `read_lines` gives, each with the byte behind it: the range from there on has the lines that are left."""
    skip = start > 0  # from the byte before: the line that `start` is inside of belongs to the range before
    position = start - 1 if skip else 0
    ranged: Any = {"Range": f"bytes={position}-"} if skip else {}
    body = s3.get_object(Bucket=bucket, Key=key, **ranged)["Body"]
    try:
        file = io.BufferedReader(BodyFile(body), _READ_BYTES)
        if skip:
            position += len(file.readline())
        for line in file:
            if end is not None and position >= end:
                return
            position += len(line)
            if text := line.strip():
                yield position, text
    finally:
        body.close()


def open_range(s3: S3Client, bucket: str, key: str, *, start: int, end: int, at_once: int) -> io.BufferedReader[Any]:
    """Bytes `start` to before `end` of an object as a file that holds `at_once` bytes of it.

    Each refill is a request of its own. So a merge may have hundreds open and read from each when its turn comes: there
    is no connection that waits meanwhile, and that S3 would close.
    """
    raw: Any = _Range(s3, bucket, key, start, end)
    return io.BufferedReader(raw, at_once)


class _Range(io.RawIOBase):
    """The bytes of a range, as many at a time as are asked for."""

    def __init__(self, s3: S3Client, bucket: str, key: str, start: int, end: int) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._position, self._end = start, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        last = min(self._position + len(buffer), self._end) - 1
        if last < self._position:
            return 0
        found = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={self._position}-{last}")
        data = found["Body"].read()
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def exists(s3: S3Client, bucket: str, key: str) -> bool:
    """Whether there is such an object.

    It is looked for in a listing: without a right to list the whole bucket, HeadObject says 403 of what is not there.
    """
    page = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(item["Key"] == key for item in page.get("Contents", ()))


class LineWriter:
    """Writes lines to one S3 object: at once when they are few, in parts when they are many.

    Leaving the block with an error leaves no object. `lines` counts, as `bytes` does; without any, no object is written.
    """

    def __init__(self, s3: S3Client, bucket: str, key: str) -> None:
        self._s3, self._bucket, self._key = s3, bucket, key
        self._buffer = bytearray()
        self._upload: str | None = None
        self._parts: list[Any] = []
        self.lines = 0
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            self._abort()
        elif self.lines:
            self._complete()

    def write(self, line: bytes) -> None:
        """Add a line; `line` has no newline."""
        self._buffer += line
        self._buffer += b"\n"
        self.lines += 1
        self.bytes += len(line) + 1
        if len(self._buffer) >= _PART_BYTES:
            self._send_part()

    def _send_part(self) -> None:
        where: Any = {"Bucket": self._bucket, "Key": self._key}
        if self._upload is None:
            self._upload = self._s3.create_multipart_upload(**where)["UploadId"]
        number = len(self._parts) + 1
        body = bytes(self._buffer)
        part = self._s3.upload_part(**where, UploadId=self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self._buffer.clear()

    def _complete(self) -> None:
        where: Any = {"Bucket": self._bucket, "Key": self._key}
        if self._upload is None:
            self._s3.put_object(**where, Body=bytes(self._buffer))
            return
        if self._buffer:
            self._send_part()
        self._s3.complete_multipart_upload(**where, UploadId=self._upload, MultipartUpload={"Parts": self._parts})

    def _abort(self) -> None:
        if self._upload is not None:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload)
