"""An S3 in memory that keeps a record, and children that answer from a function."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from mapfold.local.map_run import Child, ChildResult, MapRunIdentity, name_uuid
from mapfold.states.effects import BatcherSpec, Json, ReaderSpec, RunMap, WriterSpec

NO_PROCESSOR: Any = None
"""The engine runs the processor; a map run only carries it."""
RUN_UUID = name_uuid("a map run")
IDENTITY = MapRunIdentity(
    map_run_arn=f"arn:aws:states:us-east-1:123456789012:mapRun:flights/Days:{RUN_UUID}",
    machine_name="flights",
    label="Days",
    execution_arn="arn:aws:states:us-east-1:123456789012:execution:flights:one",
)


_STATUSES = {"NoSuchKey": 404, "NoSuchBucket": 404, "AccessDenied": 403, "PreconditionFailed": 412}


def refusal(code: str, message: str) -> ClientError:
    """An answer of S3 that is an error, with the ids R and H."""
    metadata: Any = {"HTTPStatusCode": _STATUSES.get(code, 400), "RequestId": "R", "HostId": "H"}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "Operation")


class _Body(io.BytesIO):
    """A body that breaks off after `limit` bytes, as a lost connection does, and gives at most `block` at once."""

    def __init__(self, data: bytes, limit: int | None, block: int | None) -> None:
        super().__init__(data)
        self._limit = limit
        self._block = block

    def read(self, size: int | None = -1, /) -> bytes:
        if self._block is not None and size is not None and size > 0:
            size = min(size, self._block)
        if self._limit is not None and self.tell() >= self._limit:
            raise ReadTimeoutError(endpoint_url="http://s3")
        if self._limit is not None and size is not None:
            size = min(size, self._limit - self.tell())
        return super().read(size)


@dataclass
class FakeS3:
    """Objects by (bucket, key). `requests` is every call with its arguments, but for bodies.

    An object's ETag is "e" unless `etags` has another. `version` is the newest version's id in buckets that have any.
    """

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    page_size: int = 1000
    break_after: int | None = None
    refuse_writes: ClientError | None = None
    etags: dict[tuple[str, str], str] = field(default_factory=dict)
    version: str | None = None
    block_bytes: int | None = None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    upload_keys: dict[str, str] = field(default_factory=dict)

    def get_object(self, **kwargs: Any) -> Any:
        self.requests.append(("get_object", kwargs))
        data = self._find(kwargs["Bucket"], kwargs["Key"])
        etag = self.etags.get((kwargs["Bucket"], kwargs["Key"]), '"e"')
        if kwargs.get("IfMatch", etag) != etag:
            raise refusal("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        first, _, last = kwargs.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start = int(first) if first else max(len(data) - int(last), 0)
        rest = data[start : int(last) + 1 if first and last else None]
        answer = {"Body": _Body(rest, self.break_after, self.block_bytes), "ContentLength": len(rest), "ETag": etag}
        if "Range" in kwargs:
            answer["ContentRange"] = f"bytes {start}-{start + len(rest) - 1}/{len(data)}"
        if self.version is not None:
            answer["VersionId"] = kwargs.get("VersionId", self.version)
        return answer

    def list_objects_v2(self, **kwargs: Any) -> Any:
        self.requests.append(("list_objects_v2", dict(kwargs)))
        bucket, prefix = kwargs["Bucket"], kwargs.get("Prefix", "")
        after = kwargs.get("StartAfter", "")
        keys = sorted(key for (b, key) in self.objects if b == bucket and key.startswith(prefix) and key > after)
        start = int(kwargs.get("ContinuationToken", "0"))
        page = keys[start : start + min(self.page_size, kwargs.get("MaxKeys", 1000))]
        answer: dict[str, Any] = {
            "Contents": [
                {
                    "ETag": '"e"',
                    "Key": key,
                    "LastModified": datetime(2026, 1, 2, tzinfo=UTC),
                    "Size": len(self.objects[bucket, key]),
                    "StorageClass": "STANDARD",
                }
                for key in page
            ],
            "IsTruncated": start + len(page) < len(keys),
        }
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = str(start + len(page))
        return answer

    def put_object(self, **kwargs: Any) -> Any:
        self._write("put_object", kwargs)
        self.objects[kwargs["Bucket"], kwargs["Key"]] = kwargs["Body"]
        return {"ETag": '"e"'}

    def create_multipart_upload(self, **kwargs: Any) -> Any:
        self._write("create_multipart_upload", kwargs)
        upload_id = str(len(self.upload_keys))
        self.uploads[upload_id] = {}
        self.upload_keys[upload_id] = kwargs["Key"]
        return {"UploadId": upload_id}

    def upload_part(self, **kwargs: Any) -> Any:
        self._write("upload_part", kwargs)
        self.uploads[kwargs["UploadId"]][kwargs["PartNumber"]] = kwargs["Body"]
        return {"ETag": f'"{kwargs["PartNumber"]}"'}

    def complete_multipart_upload(self, **kwargs: Any) -> Any:
        self._write("complete_multipart_upload", kwargs)
        parts = self.uploads.pop(kwargs["UploadId"])
        order = [part["PartNumber"] for part in kwargs["MultipartUpload"]["Parts"]]
        self.objects[kwargs["Bucket"], kwargs["Key"]] = b"".join(parts[number] for number in order)
        return {}

    def abort_multipart_upload(self, **kwargs: Any) -> Any:
        self.requests.append(("abort_multipart_upload", kwargs))
        self.uploads.pop(kwargs["UploadId"])
        return {}

    def list_multipart_uploads(self, **kwargs: Any) -> Any:
        self.requests.append(("list_multipart_uploads", kwargs))
        keys = ((self.upload_keys[upload], upload) for upload in self.uploads)
        found = [{"Key": key, "UploadId": upload} for key, upload in keys if key.startswith(kwargs["Prefix"])]
        return {"Uploads": found, "IsTruncated": False}

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The arguments of every call of one operation."""
        return [arguments for called, arguments in self.requests if called == name]

    def json(self, bucket: str, key: str) -> Json:
        """An object's JSON value; a list of the lines' values for .jsonl."""
        text = self.objects[bucket, key].decode()
        return [json.loads(line) for line in text.splitlines()] if key.endswith(".jsonl") else json.loads(text)

    def _find(self, bucket: str, key: str) -> bytes:
        if not any(known == bucket for known, _ in self.objects):
            raise refusal("NoSuchBucket", "The specified bucket does not exist")
        if (bucket, key) not in self.objects:
            raise refusal("NoSuchKey", "The specified key does not exist.")
        return self.objects[bucket, key]

    def _write(self, name: str, kwargs: dict[str, Any]) -> None:
        if self.refuse_writes is not None:
            raise self.refuse_writes
        self.requests.append((name, {key: value for key, value in kwargs.items() if key != "Body"}))


Answer = Callable[[Child], Json | BaseException]


class Children:
    """Runs children: `answer` gives the output, or an exception whose type is the error and whose text the cause.

    `wait` lets each child wait inside until it is set. `started` are the inputs in the order of their start.
    """

    def __init__(self, answer: Answer | None = None, *, wait: asyncio.Event | None = None) -> None:
        self._answer = answer or (lambda child: json.loads(child.input_text))
        self._wait = wait
        self.started: list[Child] = []
        self.aborted: list[int] = []
        self.running = 0
        self.most_at_once = 0

    async def run(self, child: Child) -> ChildResult:
        self.started.append(child)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            if self._wait is not None:
                await self._wait.wait()
            return self._result(child)
        except asyncio.CancelledError:
            self.aborted.append(child.index)
            raise
        finally:
            self.running -= 1

    def _result(self, child: Child) -> ChildResult:
        name, arn = IDENTITY.child_name(child.index), IDENTITY.child_arn(child.index)
        answer = self._answer(child)
        if isinstance(answer, TimeoutError):
            return ChildResult("TIMED_OUT", None, None, None, name, arn, 1000.0, 1001.5)
        if isinstance(answer, BaseException):
            return ChildResult("FAILED", None, type(answer).__name__, str(answer), name, arn, 1000.0, 1001.5)
        return ChildResult("SUCCEEDED", json.dumps(answer), None, None, name, arn, 1000.0, 1001.5)


def map_spec(
    items: Json = None,
    *,
    reader: ReaderSpec | None = None,
    batcher: BatcherSpec | None = None,
    writer: WriterSpec | None = None,
    max_items: int | None = None,
    select: Callable[[int, Json, str | None, str], Json] | None = None,
    child_type: str = "STANDARD",
    max_concurrency: int = 0,
    tolerated_count: int | None = None,
    tolerated_percentage: float | None = None,
) -> RunMap:
    """A `RunMap` with only what a test cares about."""
    return RunMap(
        state_name="Map",
        label="Days",
        processor=NO_PROCESSOR,
        child_type=child_type,
        reader=reader,
        items=items,
        max_items=max_items,
        select=select,
        batcher=batcher,
        writer=writer,
        max_concurrency=max_concurrency,
        tolerated_count=tolerated_count,
        tolerated_percentage=tolerated_percentage,
    )
