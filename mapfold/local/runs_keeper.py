"""Results outlive moto, which keeps everything in memory: the runs' bucket and table are mirrored to disk.

At the end of a session, and whenever executions have ended, the bucket `mapfold-runs` is copied to `<data>/s3/mapfold-runs/`, new and changed objects only,
and the items of the table `mapfold-runs` to `<data>/dynamodb/mapfold-runs.jsonl`; at the start of the next one both are
put back. `<data>/s3/mapfold-runs.jsonl` says which file holds which key. Where the user's own endpoint serves S3 or
DynamoDB, that part is skipped.

Blocking boto3 throughout: call it in a thread.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
import time
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

RUNS = "mapfold-runs"
AT_ONCE = 8
CHUNK = 1 << 20
INDEX_EVERY_SECONDS = 1.0
"""Thousands of objects take seconds (200 to 500 a second): who is killed meanwhile has kept what was copied so far."""

_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_=+@,-][A-Za-z0-9._=+@,-]{0,127}")


@dataclass(frozen=True, slots=True)
class KeptObject:
    """One line of the index. `etag` is the one that moto had when it was kept."""

    key: str
    file: str
    etag: str
    size: int
    content_type: str


class RunsKeeper:
    """Mirrors between moto and a data directory. A client that is None: that part is not ours to keep."""

    def __init__(self, data: Path, *, s3: S3Client | None, dynamodb: DynamoDBClient | None) -> None:
        self._s3, self._dynamodb = s3, dynamodb
        self._objects = data / "s3" / RUNS
        self._index = data / "s3" / f"{RUNS}.jsonl"
        self._items = data / "dynamodb" / f"{RUNS}.jsonl"
        self._kept: dict[str, KeptObject] = {}
        self._saving = threading.Lock()

    def restore(self) -> tuple[int, int]:
        """Put everything back into a fresh moto; (objects, items)."""
        objects = 0 if self._s3 is None else self._restore_objects(self._s3)
        items = 0 if self._dynamodb is None else self._restore_items(self._dynamodb)
        return objects, items

    def save(self) -> tuple[int, int]:
        """Bring the mirror up to date; (objects, items) that it now has. One save waits for another."""
        with self._saving:
            objects = 0 if self._s3 is None else self._save_objects(self._s3)
            items = 0 if self._dynamodb is None else self._save_items(self._dynamodb)
        return objects, items

    # --- the bucket ---------------------------------------------------------------------------------------

    def _restore_objects(self, s3: S3Client) -> int:
        if not self._index.exists():
            return 0
        # us-east-1 is the one region that must not be named (S3 API Reference, CreateBucket).
        region: Any = s3.meta.region_name
        place: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        _ignore("BucketAlreadyOwnedByYou", lambda: s3.create_bucket(Bucket=RUNS, **place))
        known = [KeptObject(**line) for line in _lines(self._index)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            restored = threads.map(lambda kept: self._restore_object(s3, kept), known)
            self._kept = {kept.key: kept for kept in restored if kept is not None}
        return len(self._kept)

    def _restore_object(self, s3: S3Client, kept: KeptObject) -> KeptObject | None:
        try:
            body = (self._objects / kept.file).open("rb")
        except FileNotFoundError:  # the user has tidied up
            return None
        with body:
            answer = s3.put_object(Bucket=RUNS, Key=kept.key, Body=body, ContentType=kept.content_type)
        return KeptObject(kept.key, kept.file, answer["ETag"], kept.size, kept.content_type)

    def _save_objects(self, s3: S3Client) -> int:
        listing = _objects_of(s3)
        if listing is None:
            return 0
        folders = {str(parent) for key, _, _ in listing for parent in PurePosixPath(key).parents}
        before, now = self._kept, {}
        changed = []
        for key, etag, size in listing:
            old = before.get(key)
            if old is not None and old.etag == etag:
                now[key] = old
            else:
                changed.append((key, etag, size))
        written = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for kept in threads.map(lambda found: self._save_object(s3, folders, *found), changed):
                now[kept.key] = kept
                if time.monotonic() - written > INDEX_EVERY_SECONDS:
                    self._write_index({**before, **now})
                    written = time.monotonic()
        self._write_index(now)
        for key in before.keys() - now.keys():
            (self._objects / before[key].file).unlink(missing_ok=True)
        self._kept = now
        return len(now)

    def _write_index(self, kept: dict[str, KeptObject]) -> None:
        _write_lines(self._index, (asdict(kept[key]) for key in sorted(kept)))

    def _save_object(self, s3: S3Client, folders: Container[str], key: str, etag: str, size: int) -> KeptObject:
        name = _hashed(key) if key in folders else file_name(key)  # keys `a` and `a/b`: one file name for two
        path = self._objects / name
        answer = s3.get_object(Bucket=RUNS, Key=key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(path)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):  # an earlier session had the other of the two
            name = _hashed(key)
            path = self._objects / name
            path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{hashlib.sha256(key.encode()).hexdigest()[:16]}.partial")
        with partial.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(CHUNK):
                file.write(chunk)
        partial.replace(path)
        return KeptObject(key, name, etag, size, answer.get("ContentType", "binary/octet-stream"))

    # --- the table ----------------------------------------------------------------------------------------

    def _restore_items(self, dynamodb: DynamoDBClient) -> int:
        if not self._items.exists():
            return 0
        lines = _lines(self._items)
        table: dict[str, Any] = next(lines)
        _ignore("ResourceInUseException", lambda: dynamodb.create_table(**table))
        count = 0
        for line in lines:
            dynamodb.put_item(TableName=RUNS, Item=_with_bytes(line))
            count += 1
        return count

    def _save_items(self, dynamodb: DynamoDBClient) -> int:
        try:
            table = dynamodb.describe_table(TableName=RUNS)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return 0
            raise
        head = {
            "TableName": RUNS,
            "KeySchema": table["KeySchema"],
            "AttributeDefinitions": table["AttributeDefinitions"],
            "BillingMode": "PAY_PER_REQUEST",
        }
        count = 0

        def lines() -> Iterator[Any]:
            nonlocal count
            yield head
            for page in dynamodb.get_paginator("scan").paginate(TableName=RUNS):
                for item in page["Items"]:
                    count += 1
                    yield item

        _write_lines(self._items, lines())
        return count


def file_name(key: str) -> str:
    """A relative file name for an object's key: the key itself where that is safe on any file system."""
    segments = key.split("/")
    if len(key) <= 512 and all(_PLAIN_SEGMENT.fullmatch(segment) for segment in segments):
        return key
    return _hashed(key)


def _hashed(key: str) -> str:
    return f".keys/{hashlib.sha256(key.encode()).hexdigest()}"


def _objects_of(s3: S3Client) -> list[tuple[str, str, int]] | None:
    """(key, ETag, size) of all objects; None if there is no bucket."""
    found = []
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=RUNS):
            found += [(item["Key"], item["ETag"], item["Size"]) for item in page.get("Contents", ())]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise
    return found


def _ignore(code: str, call: Any) -> None:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def _write_lines(path: Path, lines: Iterable[Any]) -> None:
    """Replace a JSON Lines file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as file:
        for line in lines:
            file.write(orjson.dumps(line, default=_bytes_as_text) + b"\n")
    partial.replace(path)


def _bytes_as_text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)


def _with_bytes(attribute: Any) -> Any:
    """DynamoDB's JSON with B and BS turned back into bytes."""
    if isinstance(attribute, list):
        return [_with_bytes(member) for member in attribute]
    if not isinstance(attribute, dict):
        return attribute
    if len(attribute) == 1:
        ((kind, value),) = attribute.items()
        if kind == "B" and isinstance(value, str):
            return {"B": base64.b64decode(value)}
        if kind == "BS" and isinstance(value, list) and all(isinstance(member, str) for member in value):
            return {"BS": [base64.b64decode(member) for member in value]}
    return {name: _with_bytes(value) for name, value in attribute.items()}
