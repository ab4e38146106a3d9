"""The objects that SOURCE names, one after the other, with what S3 says of each. Memory does not grow with their number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mapfold.splits.errors import SplitError
from mapfold.splits.reading import ObjectReader, overwritten, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEAD_BYTES = 64
"""Enough to see what kind of file it is."""
_AHEAD = 8
"""Requests that wait for each that is made: answers are taken in order."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Found:
    """An object in the state that S3 has it in now. head: its first bytes, None where nobody asked for them."""

    bucket: str
    key: str
    etag: str
    size: int
    head: bytes | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"

    def reader(self, s3: S3Client) -> ObjectReader:
        """Reads it in this state only."""
        return ObjectReader(s3, bucket=self.bucket, key=self.key, etag=self.etag, size=self.size)


def one_object(s3: S3Client, source: Mapping[str, str]) -> Found:
    """The object that SOURCE is. SplitError if it is not there, or another than its "etag" says, where it has one."""
    found = look(s3, source["bucket"], source["key"])
    if source.get("etag", found.etag).strip('"') != found.etag:
        raise overwritten(found.uri)
    return found


def named_objects(s3: S3Client, named: Iterable[tuple[int, Mapping[str, str]]], *, manifest: str) -> Iterator[Found]:
    """Each {"bucket", "key"} of a manifest, with its place there. SplitError names the first that is missing."""

    def look_at(entry: tuple[int, Mapping[str, str]]) -> Found:
        place, item = entry
        try:
            return look(s3, item["bucket"], item["key"])
        except SplitError as error:
            at = f"{error.at} (item {place:,} of {manifest}, counted from 0)"
            raise SplitError(error.problem, at=at, fix=error.fix) from error

    return in_order(look_at, named, threads=threads_of(s3))


def listed_objects(s3: S3Client, source: Mapping[str, str]) -> Iterator[Found]:
    """What lies under a prefix, without heads. SplitError if that is nothing."""
    from botocore.exceptions import ClientError

    bucket, prefix = source["bucket"], source["key"]
    count = 0
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Contents", ()):
                count += 1
                yield Found(bucket, each["Key"], each["ETag"].strip('"'), each["Size"])
    except ClientError as error:
        raise refused(error, f"s3://{bucket}/{prefix}") from error
    if not count:
        raise SplitError("the prefix lists no object", at=f"s3://{bucket}/{prefix}", fix="Check the prefix")


def look(s3: S3Client, bucket: str, key: str) -> Found:
    """One object, with its head: one ranged GET says all of it, and needs no other right than reading does."""
    from botocore.exceptions import ClientError

    uri = f"s3://{bucket}/{key}"
    where: Any = {"Bucket": bucket, "Key": key}
    try:
        answer = s3.get_object(**where, Range=f"bytes=0-{HEAD_BYTES - 1}")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("InvalidRange", "416"):
            raise refused(error, uri) from error
        return _empty(s3, bucket, key)
    size = int(answer["ContentRange"].rpartition("/")[2])
    return Found(bucket, key, answer["ETag"].strip('"'), size, answer["Body"].read())


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """`work` of each, side by side and in order, with a bounded number of them begun."""
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) >= threads * _AHEAD:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def threads_of(s3: S3Client) -> int:
    """As many as the client has connections: more would open new ones for each request."""
    return int(getattr(s3.meta.config, "max_pool_connections", 10))


def _empty(s3: S3Client, bucket: str, key: str) -> Found:
    """An object without a byte has no range to ask for."""
    answer = s3.get_object(Bucket=bucket, Key=key)
    answer["Body"].close()
    return Found(bucket, key, answer["ETag"].strip('"'), int(answer["ContentLength"]), b"")
