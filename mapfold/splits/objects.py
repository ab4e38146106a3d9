"""The objects that SOURCE names, one after the other, with what S3 says of each. Memory does not grow with their number."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_plus

from mapfold.splits.errors import SplitError
from mapfold.splits.reading import ObjectReader, refused
from mapfold.splits.records import line_blocks

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


def find_objects(s3: S3Client, of: str, source: Mapping[str, str]) -> Iterator[Found]:
    """What SOURCE names, if it is "one" object, a "manifest" of them or a "prefix". SplitError names what is missing."""
    if of == "prefix":
        return _listed(s3, source["bucket"], source["key"])
    if of == "manifest":
        return _of_manifest(s3, look(s3, source["bucket"], source["key"]))
    return iter([look(s3, source["bucket"], source["key"])])


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


def _listed(s3: S3Client, bucket: str, prefix: str) -> Iterator[Found]:
    from botocore.exceptions import ClientError

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


def _of_manifest(s3: S3Client, manifest: Found) -> Iterator[Found]:
    def look_at(line: tuple[int, str, str]) -> Found:
        number, bucket, key = line
        try:
            return look(s3, bucket, key)
        except SplitError as error:
            at = f"{error.at} (line {number:,} of {manifest.uri})"
            raise SplitError(error.problem, at=at, fix=error.fix) from error

    return in_order(look_at, _manifest_lines(s3, manifest), threads=threads_of(s3))


def _manifest_lines(s3: S3Client, manifest: Found) -> Iterator[tuple[int, str, str]]:
    """(line, bucket, key) of each line that is not blank; keys are URL-encoded, and what follows them is not looked at."""
    number = 0
    for block in line_blocks(manifest.reader(s3), 0, manifest.size):
        for row in csv.reader(io.StringIO(block.data.decode("utf-8-sig"), newline="\n")):
            number += 1
            if not row:
                continue
            if len(row) < 2 or not row[0] or not row[1]:
                problem = f"line {number:,} of the manifest names no object: {','.join(row)[:100]!r}"
                raise SplitError(problem, at=manifest.uri, fix="Write bucket,key")
            yield number, row[0], unquote_plus(row[1])
