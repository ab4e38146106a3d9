"""Bytes of an S3 object, as a stream that survives a broken connection and is unpacked on the way.

Botocore retries a request, but not a body that breaks off half-way: here the rest is asked for again, from the byte
after the last one, of the same version of the object (If-Match). In the same way a map run that goes on after a crash
reads the bytes that it began with: it is told their `ObjectIdentity` when it opens the object, and demands it later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.map_run.model import ItemReaderError, S3Client
from mapfold.local.sdk.causes import refused_by_s3
from mapfold.states.effects import Json
from mapfold.unpacking import BLOCK_BYTES, BrokenPacking, unpacked

OBJECT_LIMIT_BYTES = 10 * 1024**3
"""The most that a single CSV, JSON or JSON Lines object may hold (ItemReader, Map: quotas)."""
ATTEMPTS = 5
"""How often the rest of a broken body is asked for without one new byte in between."""


@dataclass(frozen=True, slots=True)
class ObjectIdentity:
    """Which bytes a key stood for: its ETag, quotes included, and its version where the bucket keeps versions."""

    etag: str
    version: str | None = None


OnOpened = Callable[[ObjectIdentity], None]


@dataclass(frozen=True, slots=True)
class Opening:
    """How a reader opens the object that its Parameters name.

    With `pinned` it reads those bytes or fails. `on_opened` is called once, in the reader's thread and before the first
    chunk, with the identity that S3 answered with; not for a listing, nor by a server that answers without an ETag.
    `unpacked_limit` is that of `read_object`; CSV heeds it.
    """

    pinned: ObjectIdentity | None = None
    on_opened: OnOpened | None = None
    unpacked_limit: int | None = None


PARAMETERS = {"Bucket": True, "Key": True, "VersionId": False, "ExpectedBucketOwner": False}
"""What the Parameters of s3:getObject may name, and whether they have to."""

ANY_BYTES = Opening()
"""Read what is there now, and tell nobody."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object to read. `str()` of it is what causes call it: `s3://bucket/key`. `etag`, if set, is demanded."""

    bucket: str
    key: str
    version: str | None = None
    expected_bucket_owner: str | None = None
    etag: str | None = None

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Json], pinned: ObjectIdentity | None = None) -> S3Object:
        """The object that an ItemReader's evaluated Parameters name. Raises `ItemReaderError` for a wrong field.

        A pinned version is read even when the key stands for a newer one by now.
        """
        if unknown := sorted(set(arguments) - set(PARAMETERS)):
            raise ItemReaderError(
                f"The ItemReader's parameters name {', '.join(unknown)}; s3:getObject takes {', '.join(PARAMETERS)}."
            )
        for field, needed in PARAMETERS.items():
            value = arguments.get(field)
            if (needed or value is not None) and (not isinstance(value, str) or not value):
                raise ItemReaderError(f"The ItemReader's {field} is {value!r}; expected a text that is not empty.")
        return cls(
            arguments["Bucket"],
            arguments["Key"],
            arguments.get("VersionId") or (pinned.version if pinned else None),
            arguments.get("ExpectedBucketOwner"),
            pinned.etag if pinned else None,
        )

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def read_object(
    s3: S3Client, source: S3Object, on_opened: OnOpened | None = None, *, unpacked_limit: int | None = None
) -> Iterator[bytes]:
    """The object's bytes in blocks of about 256 KiB, unpacked where the key ends with .gz, .gzip, .zst or .zstd.

    A UTF-8 byte order mark is left out. `on_opened` is called before the first block. The object may have 10 GB as it
    is stored; with `unpacked_limit` (bytes; for files of an inventory) there is one after unpacking, too.
    Raises `ItemReaderError`.
    """

    def opened(answer: dict[str, Any]) -> S3Object:
        _check_size(source, int(answer["ContentLength"]))
        return pinned_by(source, answer, on_opened)

    blocks = _unpack(source, _resuming(s3, source, 0, opened))
    if unpacked_limit is not None:
        blocks = _limited(source, blocks, unpacked_limit)
    first = next(blocks, b"")
    while 0 < len(first) < 3:
        more = next(blocks, b"")
        if not more:
            break
        first += more
    yield first.removeprefix(b"\xef\xbb\xbf")
    yield from blocks


def read_from(s3: S3Client, source: S3Object, position: int) -> Iterator[bytes]:
    """The object's bytes from `position` on as they are stored, in blocks of about 256 KiB. Raises `ItemReaderError`."""
    return _resuming(s3, source, position, lambda _: source)


def read_tail(
    s3: S3Client, source: S3Object, count: int, on_opened: OnOpened | None = None
) -> tuple[S3Object, int, bytes]:
    """The object's last bytes, `count` or all that there are, and its size; with it pinned to what was read.

    Raises `ItemReaderError`.
    """
    for _ in range(ATTEMPTS):
        try:
            answer = get_object(s3, source, f"bytes=-{count}")
            body = answer["Body"]
            try:
                tail = body.read()
            finally:
                body.close()
        except (BotoCoreError, OSError, EOFError) as error:
            failure: Exception = error
            continue
        size = int(answer.get("ContentRange", f"/{len(tail)}").rpartition("/")[2])
        return pinned_by(source, answer, on_opened), size, tail
    raise _gave_up(source, 0, ATTEMPTS, failure) from failure


def failure_cause(action: str, error: Exception) -> str:
    """What S3's refusal, or its silence, reads like in a cause.

    A refusal is in the words of the SDK that the service itself calls S3 with, as causes of its S3 tasks are. That those
    of map runs are so, too, is unconfirmed. An outage is told with what was to be done, as nothing is known of AWS's words.
    """
    if not isinstance(error, ClientError):
        return f"{action}: {error}"
    detail, answer = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    if int(answer.get("HTTPStatusCode", 400)) >= 500:
        return f"{action}: S3 answered {detail.get('Code', 'Unknown')}: {detail.get('Message', '')}".rstrip(": ")
    return refused_by_s3(
        detail.get("Message") or detail.get("Code", "Unknown"),
        status=answer.get("HTTPStatusCode", 400),
        request_id=answer.get("RequestId", ""),
        extended_id=answer.get("HostId"),
    )


def get_object(s3: S3Client, source: S3Object, byte_range: str | None = None) -> dict[str, Any]:
    """S3's answer: all of the object's bytes, or those of `byte_range` ("bytes=0-9"). Raises `ItemReaderError`.

    A `BotoCoreError`, which stands for a connection that failed, is left to the caller.
    """
    request: dict[str, Any] = {"Bucket": source.bucket, "Key": source.key}
    for name, value in (
        ("VersionId", source.version),
        ("ExpectedBucketOwner", source.expected_bucket_owner),
        ("IfMatch", source.etag),
        ("Range", byte_range),
    ):
        if value:
            request[name] = value
    try:
        return cast(dict[str, Any], s3.get_object(**request))
    except ClientError as error:
        if source.etag and error.response.get("Error", {}).get("Code") == "PreconditionFailed":
            raise _changed(s3, source) from error
        raise ItemReaderError(failure_cause(f"Cannot read {source}", error)) from error


def pinned_by(source: S3Object, answer: Mapping[str, Any], on_opened: OnOpened | None) -> S3Object:
    """`source`, from now on as the very object that S3's first `answer` was about, which `on_opened` is told."""
    identity = ObjectIdentity(answer.get("ETag") or "", answer.get("VersionId"))
    if not identity.etag:
        return source
    if on_opened:
        on_opened(identity)
    return replace(source, etag=identity.etag, version=source.version or identity.version)


def _changed(s3: S3Client, source: S3Object) -> ItemReaderError:
    answer = get_object(s3, replace(source, etag=None))
    answer["Body"].close()
    return ItemReaderError(
        f"{source} has changed since the run began (its ETag was {source.etag}, it is {answer.get('ETag')} now). "
        "Start a new execution."
    )


def _resuming(
    s3: S3Client, source: S3Object, position: int, opened: Callable[[dict[str, Any]], S3Object]
) -> Iterator[bytes]:
    """The bytes from `position` on. `opened` is given the first answer, and gives the object to go on with."""
    size, broken = None, 0
    while size is None or position < size:
        try:
            answer = get_object(s3, source, f"bytes={position}-" if position else None)
            body = answer["Body"]
            try:
                if size is None:
                    size = position + int(answer["ContentLength"])
                    source = opened(answer)
                while block := body.read(BLOCK_BYTES):
                    position += len(block)
                    broken = 0
                    yield block
            finally:
                body.close()
        except (BotoCoreError, OSError, EOFError) as error:
            broken += 1
            if broken >= ATTEMPTS:
                raise _gave_up(source, position, broken, error) from error
        else:
            if position < size:
                broken += 1
                if broken >= ATTEMPTS:
                    raise ItemReaderError(f"Cannot read {source}: it ends after {position} of {size} bytes.")


def _gave_up(source: S3Object, position: int, broken: int, error: Exception) -> ItemReaderError:
    return ItemReaderError(failure_cause(f"Cannot read {source} from byte {position} on, tried {broken} times", error))


def _check_size(source: S3Object, size: int) -> None:
    if size > OBJECT_LIMIT_BYTES:
        raise ItemReaderError(f"{source} has {size} bytes; a single object may have {OBJECT_LIMIT_BYTES} (10 GB).")


def _limited(source: S3Object, blocks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise ItemReaderError(f"{source} has more than {limit} bytes after unpacking, the most that it may have.")
        yield block


def _unpack(source: S3Object, blocks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from unpacked(source.key, blocks)
    except BrokenPacking as error:
        named = f"{source} is named like a {error.kind} file but"
        if error.reason is None:
            raise ItemReaderError(f"{named} ends in the middle; expected its whole content.") from error
        raise ItemReaderError(f"{named} cannot be unpacked: {error.reason}") from error
