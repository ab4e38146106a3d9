"""Byte ranges of one S3 object in one state: that of the ETag which Plan saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mapfold.splits.errors import SplitError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 256 * 1024
_TAIL_BYTES = 8 * 1024
"""Asked for behind a range, for the end of the record that the range ends in. Little, for most of it is of no use."""
_STEP_BYTES = 1024 * 1024
"""Asked for at once where that was not enough."""
_DRAINED_BYTES = 64 * 1024
"""What is left of an answer and smaller than this is read: a connection that is closed costs more to open again."""
_TRIES = 4
"""For a connection that breaks without having brought a byte."""


class ObjectReader:
    """Reads ranges of an object; memory is that of a chunk. SplitError if it has been overwritten or cannot be read."""

    def __init__(self, s3: S3Client, *, bucket: str, key: str, etag: str, size: int) -> None:
        self._s3, self._bucket, self._key, self._etag = s3, bucket, key, etag
        self.size = size
        self.uri = f"s3://{bucket}/{key}"

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, or to the object's end."""
        return b"".join(self.chunks(start, stop))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The same as it arrives. A connection that breaks is opened again where it broke."""
        from botocore.exceptions import BotoCoreError

        stop, tries = min(stop, self.size), _TRIES
        while start < stop:
            body = self._open(start, stop)
            try:
                while start < stop:
                    try:
                        chunk = body.read(CHUNK_BYTES)
                    except BotoCoreError as error:
                        tries -= 1
                        if not tries:
                            problem = f"reading broke off at byte {start:,}, {_TRIES} times: {error}"
                            raise SplitError(problem, at=self.uri, fix="Run it again") from error
                        break
                    if not chunk:
                        problem = f"S3 gave no more than {start:,} of {self.size:,} bytes"
                        raise SplitError(problem, at=self.uri, fix="Run it again")
                    tries = _TRIES
                    start += len(chunk)
                    yield chunk
            finally:
                if 0 < stop - start <= _DRAINED_BYTES and tries == _TRIES:
                    _drain(body)
                body.close()

    def chunks_beyond(self, start: int, end: int) -> Iterator[bytes]:
        """From `start` on, to the object's end if need be; asked for up to a little behind `end`, then in steps."""
        stop = min(self.size, end + _TAIL_BYTES)
        while start < self.size:
            yield from self.chunks(start, stop)
            start, stop = stop, min(self.size, stop + _STEP_BYTES)

    def _open(self, start: int, stop: int) -> Any:
        from botocore.exceptions import ClientError

        where: Any = {"Bucket": self._bucket, "Key": self._key, "IfMatch": f'"{self._etag}"'}
        try:
            return self._s3.get_object(**where, Range=f"bytes={start}-{stop - 1}")["Body"]
        except ClientError as error:
            raise refused(error, self.uri) from error


def overwritten(uri: str, code: str = "") -> SplitError:
    """That an object is not the one that Plan saw."""
    problem = f"it has been overwritten since the run was planned{code}"
    return SplitError(problem, at=uri, fix="Start a new run: that reads the object as it is now")


def refused(error: Any, uri: str) -> SplitError:
    """What S3 says of an object that it does not give, with what helps."""
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("PreconditionFailed", "412", "InvalidRange", "416"):
        return overwritten(uri, f" ({code})")
    if code in ("NoSuchKey", "NoSuchBucket", "404"):
        return SplitError(f"there is no such object ({code})", at=uri, fix="Check bucket and key")
    if code in ("AccessDenied", "403"):
        problem = f"it may not be read, or does not exist ({code})"
        return SplitError(problem, at=uri, fix="Check the key, and name the prefix in the job's `reads`")
    if code == "InvalidObjectState":
        return SplitError(f"it is archived ({code})", at=uri, fix="Restore it first, or leave it out")
    return SplitError(f"it cannot be read: {error}", at=uri, fix="Run it again")


def _drain(body: Any) -> None:
    from botocore.exceptions import BotoCoreError

    try:
        body.read()
    except BotoCoreError:
        return  # nobody waits for these bytes
