"""The ResultWriter: results of children into files in S3, and the manifest that names them.

`<prefix>/<map run's uuid>/` holds `manifest.json` and, for each status that occurred, files of at most 5 GB. What is
in the manifest is complete in S3 when the manifest is there.

A redrive writes into `Redrive-<n>/` in that folder, with a manifest of its own (seen in AWS's workshop "API312" of
re:Invent 2023). That one names the SUCCEEDED files of all attempts, and the FAILED and PENDING files of its own.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.map_run.counters import Tally
from mapfold.local.map_run.encoding import encode
from mapfold.local.map_run.identity import MapRunIdentity
from mapfold.local.map_run.model import Child, ChildResult, ResultWriterError, S3Client, S3Factory
from mapfold.local.map_run.readers.objects import failure_cause
from mapfold.local.map_run.records import ResultFormat, pending_record
from mapfold.local.map_run.result_files import FILE_BYTES, PART_BYTES, OpenFile, Upload
from mapfold.local.map_run.threads import settled
from mapfold.states.effects import Json, WriterSpec

PARTS_ON_THEIR_WAY = 2
"""Parts that may wait for S3 before children are held back: with the buffers, 40 MiB at the most."""

STATUSES = ("FAILED", "PENDING", "SUCCEEDED")


class S3Results:
    """The results of one attempt of a map run, on their way to S3. Used from the event loop; uploads run in one thread.

    `attempt` is the map run's redrive count; `former_files` are `succeeded_files` of the attempts before. `resumed`:
    a crash cut this attempt off, and what it left half uploaded is dropped first.
    """

    def __init__(
        self,
        spec: WriterSpec,
        identity: MapRunIdentity,
        *,
        s3: S3Factory,
        child_type: str,
        items: Tally,
        executions: Tally,
        attempt: int = 0,
        former_files: Sequence[Mapping[str, Any]] = (),
        resumed: bool = False,
        file_bytes: int = FILE_BYTES,
        part_bytes: int = PART_BYTES,
    ) -> None:
        assert spec.bucket is not None
        self._bucket = spec.bucket
        self._owner = spec.expected_bucket_owner
        self._identity = identity
        folder = f"{spec.prefix.removesuffix('/')}/{identity.uuid}" if spec.prefix else identity.uuid
        self._folder = f"{folder}/Redrive-{attempt}" if attempt else folder
        self._attempt = attempt
        self._former_files = former_files
        self._written_to = max((file["Attempt"] for file in former_files), default=-1)
        self._resumed = resumed
        self._json_lines = spec.output_type == "JSONL"
        self._format = ResultFormat(identity, child_type=child_type, transformation=spec.transformation)
        self._s3_factory = s3
        self._s3: S3Client | None = None
        self._items, self._executions = items, executions
        self._file_bytes, self._part_bytes = file_bytes, part_bytes
        self._open: dict[str, OpenFile] = {}
        self._files: dict[str, list[OpenFile]] = {status: [] for status in STATUSES}
        self._uploads: dict[str, Upload] = {}  # by key; belongs to the thread
        self._jobs: deque[tuple[Future[None], OpenFile | None]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="result-writer")

    @property
    def manifest_key(self) -> str:
        return f"{self._folder}/manifest.json"

    @property
    def succeeded_files(self) -> list[dict[str, Any]]:
        """The manifest's SUCCEEDED entries over all attempts, with the attempt that wrote each."""
        own = [{"Key": file.key, "Size": file.size, "Attempt": self._attempt} for file in self._files["SUCCEEDED"]]
        return [*({**file} for file in self._former_files), *own]

    def has(self, status: str, attempt: int) -> bool:
        """Whether a file of an attempt before has the result of a child that ended so at `attempt`.

        A file has all that succeeded up to its own attempt: an attempt that could not write left it to the next.
        """
        return attempt <= self._written_to and status == "SUCCEEDED"

    @property
    def congested(self) -> bool:
        """S3 is slower than the children: `drain` before the next result."""
        return len(self._jobs) > PARTS_ON_THEIR_WAY

    def add(self, child: Child, result: ChildResult) -> None:
        """Take the result of a child that has ended. Raises `ResultWriterError` when an earlier upload failed."""
        status = "SUCCEEDED" if result.status == "SUCCEEDED" else "FAILED"
        self._write(status, self._format.values(child, result), child.item_count)

    def add_pending(self, child: Child) -> None:
        """Take a child that was never started."""
        self._write("PENDING", [pending_record(child.input_text)], 0)

    async def drain(self) -> None:
        """Wait until S3 has caught up. Raises `ResultWriterError`."""
        while self.congested:
            await self._settle_first()

    async def close(self) -> Json:
        """Finish all files and write the manifest; gives the Map's output. Raises `ResultWriterError`."""
        for status in list(self._open):
            self._finish(status)
        self._submit_text(self.manifest_key, encode(self._manifest()))
        while self._jobs:
            await self._settle_first()
        return {
            "MapRunArn": self._identity.map_run_arn,
            "ResultWriterDetails": {"Bucket": self._bucket, "Key": self.manifest_key},
        }

    def release(self) -> None:
        """Let go of the thread. Files that were not finished are dropped from S3."""
        self._thread.submit(self._abandon_all)
        self._thread.shutdown(wait=False)

    def _write(self, status: str, values: list[bytes], items: int) -> None:
        file = self._open.get(status) or self._new_file(status)
        for value in values:
            if file.values and file.size_with(value) > self._file_bytes:
                self._finish(status)
                file = self._new_file(status)
            file.add(value)
            if file.waiting_bytes >= self._part_bytes:
                self._submit(file, file.take(), last=False)
        if status != "PENDING":
            file.items += items
            file.executions += 1

    def _new_file(self, status: str) -> OpenFile:
        ending = "jsonl" if self._json_lines else "json"
        key = f"{self._folder}/{status}_{len(self._files[status])}.{ending}"
        file = self._open[status] = OpenFile(key, self._json_lines)
        self._files[status].append(file)
        return file

    def _finish(self, status: str) -> None:
        file = self._open.pop(status)
        self._submit(file, file.closing(), last=True)

    def _submit(self, file: OpenFile, texts: list[bytes], *, last: bool) -> None:
        while self._jobs and self._jobs[0][0].done():
            self._settle(*self._jobs.popleft())
        self._jobs.append((self._thread.submit(self._upload, file.key, texts, last), file if last else None))

    def _submit_text(self, key: str, text: bytes) -> None:
        self._jobs.append((self._thread.submit(self._upload, key, [text], True), None))

    async def _settle_first(self) -> None:
        future, file = self._jobs[0]
        await settled(future)
        if self._jobs and self._jobs[0][0] is future:  # several slots may wait for the same one
            self._jobs.popleft()
            self._settle(future, file)

    def _settle(self, future: Future[None], file: OpenFile | None) -> None:
        future.result()
        if file is not None:
            self._items.results_written += file.items
            self._executions.results_written += file.executions

    def _manifest(self) -> Json:
        former: dict[str, list[Json]] = {status: [] for status in STATUSES}
        former["SUCCEEDED"] = [{"Key": file["Key"], "Size": file["Size"]} for file in self._former_files]
        return {
            "DestinationBucket": self._bucket,
            "MapRunArn": self._identity.map_run_arn,
            "ResultFiles": {
                status: [*former[status], *({"Key": file.key, "Size": file.size} for file in self._files[status])]
                for status in STATUSES
            },
        }

    def _upload(self, key: str, texts: list[bytes], last: bool) -> None:
        if self._s3 is None:
            try:
                self._s3 = self._s3_factory()
            except BotoCoreError as error:
                raise ResultWriterError(failure_cause("Cannot reach S3", error)) from error
            if self._resumed:
                self._drop_half_uploaded(self._s3)
        upload = self._uploads.get(key)
        if upload is None:
            lines = key.endswith(".jsonl")
            upload = self._uploads[key] = Upload(
                self._s3,
                bucket=self._bucket,
                key=key,
                owner=self._owner,
                content_type="application/x-ndjson" if lines else "application/json",
            )
        if not last:
            upload.part(texts)
            return
        upload.finish(texts)
        del self._uploads[key]

    def _drop_half_uploaded(self, s3: S3Client) -> None:
        """Parts of files that nobody will complete cost money on AWS. Where S3 refuses, they stay, and nothing is lost."""
        where: dict[str, Any] = {"Bucket": self._bucket}
        if self._owner:
            where["ExpectedBucketOwner"] = self._owner
        marks: dict[str, Any] = {}
        with contextlib.suppress(ClientError, BotoCoreError):
            while True:
                answer = s3.list_multipart_uploads(**where, Prefix=f"{self._folder}/", **marks)
                for upload in answer.get("Uploads", ()):
                    s3.abort_multipart_upload(**where, Key=upload["Key"], UploadId=upload["UploadId"])
                if not answer.get("IsTruncated"):
                    return
                marks = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def _abandon_all(self) -> None:
        for upload in self._uploads.values():
            upload.abandon()
        self._uploads.clear()
