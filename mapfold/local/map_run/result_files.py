"""Files of results in S3, written as a stream: `SUCCEEDED_0.json`, `SUCCEEDED_1.json`, …

Values collect in a buffer of one part (8 MiB). A full part goes to S3 in a thread, as a part of a multipart upload; a
file that never fills one part is a plain PutObject. Nothing is kept but the buffer and the parts on their way.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.map_run.model import ResultWriterError, S3Client
from mapfold.local.map_run.readers.objects import failure_cause

PART_BYTES = 8 * 1024**2
FILE_BYTES = 5 * 1024**3
"""The most that AWS writes into one result file."""


@dataclass(slots=True)
class OpenFile:
    """A result file that is being filled. The event loop fills `waiting`; only the writer's thread uploads.

    `size` is the whole file's as if it were closed now; `items` and `executions` are those whose results are in it.
    """

    key: str
    json_lines: bool
    waiting: list[bytes] = field(default_factory=list)
    waiting_bytes: int = 0
    size: int = 0
    items: int = 0
    executions: int = 0
    values: int = 0

    def __post_init__(self) -> None:
        self.size = 0 if self.json_lines else len("[]")

    def size_with(self, value: bytes) -> int:
        """The file's size were `value` in it, too."""
        separator = 1 if self.json_lines or self.values else 0
        return self.size + len(value) + separator

    def add(self, value: bytes) -> None:
        self.size = self.size_with(value)
        if not self.json_lines:
            self.waiting.append(b"," if self.values else b"[")
        self.waiting.append(value)
        if self.json_lines:
            self.waiting.append(b"\n")
        self.values += 1
        self.waiting_bytes += len(value) + 1

    def take(self) -> list[bytes]:
        """What waits to be uploaded; it is the caller's now."""
        taken, self.waiting, self.waiting_bytes = self.waiting, [], 0
        return taken

    def closing(self) -> list[bytes]:
        """What waits, with the end of the file."""
        if not self.json_lines:
            self.waiting.append(b"]" if self.values else b"[]")
        return self.take()


class Upload:
    """One object on its way to S3. All methods block, and run in the writer's thread."""

    def __init__(self, s3: S3Client, *, bucket: str, key: str, owner: str | None, content_type: str) -> None:
        self._s3 = s3
        self._where: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if owner:
            self._where["ExpectedBucketOwner"] = owner
        self._name = f"s3://{bucket}/{key}"
        self._content_type = content_type
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def part(self, texts: list[bytes]) -> None:
        """Upload one part; at least 5 MiB, which is S3's rule for all but the last. Raises `ResultWriterError`."""
        with self._as_writer_error():
            if self._upload_id is None:
                answer = self._s3.create_multipart_upload(**self._where, ContentType=self._content_type)
                self._upload_id = answer["UploadId"]
            number = len(self._parts) + 1
            answer = self._s3.upload_part(
                **self._where, UploadId=self._upload_id, PartNumber=number, Body=b"".join(texts)
            )
            self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def finish(self, texts: list[bytes]) -> None:
        """Upload the rest and make the object visible. Raises `ResultWriterError`."""
        if self._upload_id is None:
            with self._as_writer_error():
                self._s3.put_object(**self._where, ContentType=self._content_type, Body=b"".join(texts))
            return
        if texts:
            self.part(texts)
        with self._as_writer_error():
            self._s3.complete_multipart_upload(
                **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._upload_id = None

    def abandon(self) -> None:
        """Drop the parts that lie in S3. A failure of that is not worth a second error."""
        if self._upload_id is not None:
            with contextlib.suppress(ClientError, BotoCoreError):
                self._s3.abort_multipart_upload(**self._where, UploadId=self._upload_id)
            self._upload_id = None

    @contextlib.contextmanager
    def _as_writer_error(self) -> Any:
        try:
            yield
        except (ClientError, BotoCoreError, OSError) as error:
            raise ResultWriterError(failure_cause(f"Cannot write {self._name}", error)) from error
