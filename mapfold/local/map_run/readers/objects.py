"""Bytes of an S3 object, as a stream that survives a broken connection and is unpacked on the way.

Botocore retries a request, but not a body that breaks off half-way: here the rest is asked for again, from the byte
after the last one, of the same version of the object (If-Match).
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.map_run.model import ItemReaderError, S3Client
from mapfold.states.effects import Json

BLOCK_BYTES = 1 << 18
OBJECT_LIMIT_BYTES = 10 * 1024**3
"""The most that a single CSV, JSON or JSON Lines object may hold (ItemReader, Map: quotas)."""
ATTEMPTS = 5
"""How often the rest of a broken body is asked for without one new byte in between."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object to read. `str()` of it is what causes call it: `s3://bucket/key`."""

    bucket: str
    key: str
    version: str | None = None
    expected_bucket_owner: str | None = None

    @classmethod
    def from_arguments(cls, arguments: dict[str, Json]) -> S3Object:
        """The object that an ItemReader's evaluated Parameters name. Raises `ItemReaderError` for a missing field."""
        for field in ("Bucket", "Key"):
            if not isinstance(arguments.get(field), str) or not arguments[field]:
                raise ItemReaderError(
                    f"The ItemReader's {field} is {arguments.get(field)!r}; expected a text that is not empty."
                )
        return cls(
            arguments["Bucket"], arguments["Key"], arguments.get("VersionId"), arguments.get("ExpectedBucketOwner")
        )

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def read_object(s3: S3Client, source: S3Object) -> Iterator[bytes]:
    """The object's bytes in blocks of about 256 KiB, unpacked where the key ends with .gz, .gzip, .zst or .zstd.

    A UTF-8 byte order mark is left out. Raises `ItemReaderError`.
    """
    blocks = _unpack(source, _resuming(s3, source))
    first = next(blocks, b"")
    while 0 < len(first) < 3:
        more = next(blocks, b"")
        if not more:
            break
        first += more
    yield first.removeprefix(b"\xef\xbb\xbf")
    yield from blocks


def failure_cause(action: str, error: Exception) -> str:
    """What S3's refusal, or its silence, reads like in a cause."""
    if isinstance(error, ClientError):
        detail = error.response.get("Error", {})
        return f"{action}: S3 answered {detail.get('Code', 'Unknown')}: {detail.get('Message', '')}".rstrip(": ")
    return f"{action}: {error}"


def _resuming(s3: S3Client, source: S3Object) -> Iterator[bytes]:
    position, etag, size, broken = 0, None, None, 0
    while size is None or position < size:
        try:
            answer = s3.get_object(**_request(source, position, etag))
            if size is None:
                size, etag = _checked_size(source, answer), answer.get("ETag")
            body = answer["Body"]
            try:
                while block := body.read(BLOCK_BYTES):
                    position += len(block)
                    broken = 0
                    yield block
            finally:
                body.close()
        except ClientError as error:
            raise ItemReaderError(failure_cause(f"Cannot read {source}", error)) from error
        except (BotoCoreError, OSError, EOFError) as error:
            broken += 1
            if broken >= ATTEMPTS:
                raise ItemReaderError(
                    failure_cause(f"Cannot read {source} from byte {position} on, tried {broken} times", error)
                ) from error
        else:
            if position < size:
                broken += 1
                if broken >= ATTEMPTS:
                    raise ItemReaderError(f"Cannot read {source}: it ends after {position} of {size} bytes.")


def _request(source: S3Object, position: int, etag: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {"Bucket": source.bucket, "Key": source.key}
    if source.version:
        request["VersionId"] = source.version
    if source.expected_bucket_owner:
        request["ExpectedBucketOwner"] = source.expected_bucket_owner
    if position:
        request["Range"] = f"bytes={position}-"
        if etag:
            request["IfMatch"] = etag
    return request


def _checked_size(source: S3Object, answer: dict[str, Any]) -> int:
    size = int(answer["ContentLength"])
    if size > OBJECT_LIMIT_BYTES:
        raise ItemReaderError(f"{source} has {size} bytes; a single object may have {OBJECT_LIMIT_BYTES} (10 GB).")
    return size


def _unpack(source: S3Object, blocks: Iterator[bytes]) -> Iterator[bytes]:
    ending = source.key.rpartition(".")[2].lower()
    if ending in ("gz", "gzip"):
        return _gunzip(source, blocks)
    if ending in ("zst", "zstd"):
        return _unzstd(source, blocks)
    return blocks


def _gunzip(source: S3Object, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpacked a block at a time, so that a small object cannot fill the memory. Members may follow one another."""
    unpacker, started = zlib.decompressobj(wbits=31), False
    for block in blocks:
        rest = block
        while rest:
            if unpacker.eof:
                if not rest.strip(b"\x00"):
                    break  # padding after the last member
                unpacker = zlib.decompressobj(wbits=31)
            started = True
            try:
                text = unpacker.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise ItemReaderError(f"{source} is named like a gzip file but cannot be unpacked: {error}") from error
            if text:
                yield text
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    # A full block may have left output inside the unpacker after its last input byte.
    if tail := unpacker.flush() if started and not unpacker.eof else b"":
        yield tail
    if started and not unpacker.eof:
        raise ItemReaderError(f"{source} is named like a gzip file but ends in the middle; expected its whole content.")


def _unzstd(source: S3Object, blocks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        zstd: Any = importlib.import_module("compression.zstd")  # in the standard library from Python 3.14 on
    except ImportError:
        raise ItemReaderError(
            f"{source} is packed with Zstandard, which this Python cannot unpack. "
            "Run the embedded AWS with Python 3.14 or later, or pack the object with gzip."
        ) from None
    unpacker: Any = zstd.ZstdDecompressor()
    for block in blocks:
        rest = block
        while rest or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                unpacker = zstd.ZstdDecompressor()
            try:
                text = unpacker.decompress(rest, BLOCK_BYTES)
            except zstd.ZstdError as error:
                raise ItemReaderError(f"{source} is named like a Zstandard file but is none: {error}") from error
            if text:
                yield text
            rest = unpacker.unused_data if unpacker.eof else b""
