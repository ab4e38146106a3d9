"""Failed items from wherever something has listed them, as one stream. What lists them is told by its content:

- `failures.jsonl` of a run: a line for each failed item;
- `manifest.json` of a Distributed Map's ResultWriter: its FAILED files have a record for each child execution that failed,
  timed out or was aborted, whose input has the items: one, or those of a batch (`{"Items": […]}`);
- `manifest.json` of an S3 Batch Operations completion report, or one of its CSV files: a row for each task.

Everything is read as it arrives. What is broken or cut off is an error that names the object and the line: a list that
was read halfway would leave items out without a word.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from mapfold.runs.endings import readable_cause
from mapfold.runs.objects import read_lines
from mapfold.runs.record_file import BrokenRecords, read_records
from mapfold.storage import BodyFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Json = Any
MakeItem = Callable[[Json, Mapping[str, Any]], Json]
"""The author's item of what a batch of ours has, and the batch's BatchInput."""

KINDS = (
    "a failures.jsonl of a run, the manifest.json of a Distributed Map's ResultWriter, "
    "or an S3 Batch Operations completion report (its manifest.json or one of its CSV files)"
)

_READ_BYTES = 256 * 1024
_HEAD_BYTES = 1024 * 1024
"""The first line is in it: an item has at most 256 KiB, its traceback 8,000 characters."""
_MANIFEST_BYTES = 64 * 1024 * 1024
"""A ResultWriter's manifest names files of up to 5 GB each, and is far smaller than this."""

_REPORT_FIELDS = ("Bucket", "Key", "VersionId", "TaskStatus", "ErrorCode", "HTTPStatusCode", "ResultMessage")
"""ReportSchema of Report_CSV_20180820 (S3 User Guide, "Examples: S3 Batch Operations completion reports")."""


class FailedItemsError(Exception):
    """A list of failed items that cannot be read. The message names the object, the line, and what is allowed."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed. `index`: its place in the source, or in the list where that does not say it."""

    index: int
    item: Json
    error: str
    message: str


def read_failed_items(
    s3: S3Client, bucket: str, key: str, *, make_item: MakeItem | None = None
) -> Iterator[FailedItem]:
    """The failed items that the object lists. FailedItemsError if it is no such list, or is broken.

    make_item: what makes an item of an entry of a batch of ours, which has what the reader of its source gave.
    """
    uri = f"s3://{bucket}/{key}"
    head, size = _head(s3, bucket, key)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise FailedItemsError(f"{uri} is empty. It must be {KINDS}.")
    if text.startswith(b"{"):
        if _is_failure(_parsed(text.partition(b"\n")[0])):
            return read_failures(s3, bucket, key)
        return _of_manifest(s3, bucket, key, size, make_item)
    if _is_report_row(_first_row(text)):
        return _of_report(s3, bucket, key, _REPORT_FIELDS, checksum=None)
    raise _unknown(uri, text)


def read_failures(s3: S3Client, bucket: str, key: str) -> Iterator[FailedItem]:
    """The failed items of a run's `failures.jsonl`."""
    uri = f"s3://{bucket}/{key}"
    for number, line in enumerate(read_lines(s3, bucket, key), 1):
        found = _parsed(line)
        if not _is_failure(found):
            raise FailedItemsError(
                f"{uri}, line {number}: it is cut off, or no failed item: {_shown(line)}. "
                'A line is {"item", "index", "error", "message"}.'
            )
        index = found.get("index")
        index = index if isinstance(index, int) else number - 1
        yield FailedItem(index, found["item"], str(found["error"]), str(found.get("message") or ""))


# --- manifests -----------------------------------------------------------------------------------------------------------


def _of_manifest(s3: S3Client, bucket: str, key: str, size: int, make_item: MakeItem | None) -> Iterator[FailedItem]:
    uri = f"s3://{bucket}/{key}"
    manifest = _parsed(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) if size <= _MANIFEST_BYTES else None
    match manifest:
        case {"ResultFiles": dict(files), **told}:
            return _of_result_files(s3, uri, str(told.get("DestinationBucket") or bucket), files, make_item)
        case {"Results": list(results), "ReportSchema": str(schema)}:
            return _of_reports(s3, uri, results, [name.strip() for name in schema.split(",")])
        case _:
            raise _unknown(uri, _head(s3, bucket, key)[0])


def _of_result_files(
    s3: S3Client, uri: str, bucket: str, files: Mapping[str, Json], make_item: MakeItem | None
) -> Iterator[FailedItem]:
    numbers = count()
    for file in files.get("FAILED") or ():
        if not isinstance(file, Mapping) or not isinstance(file.get("Key"), str):
            raise FailedItemsError(f'{uri}: a file of ResultFiles.FAILED has no "Key": {file!r}.')
        yield from _of_result_file(s3, uri, bucket, file, numbers, make_item)


def _of_result_file(
    s3: S3Client,
    manifest: str,
    bucket: str,
    file: Mapping[str, Json],
    numbers: Iterator[int],
    make_item: MakeItem | None,
) -> Iterator[FailedItem]:
    uri = f"s3://{bucket}/{file['Key']}"
    body, size = _open(s3, bucket, file["Key"], named_by=manifest)
    if "Size" in file and int(file["Size"]) != size:
        raise FailedItemsError(f"{uri} has {size:,} bytes; {manifest} says {int(file['Size']):,}. It is not that file.")
    try:
        for place, record in read_records(io.BufferedReader(BodyFile(body), _READ_BYTES)):
            if not isinstance(record, Mapping) or "Input" not in record:
                problem = (
                    f"a record of a child execution has an Input, this has none: {_shown(json.dumps(record).encode())}"
                )
                raise FailedItemsError(f"{uri}, {place}: {problem}.")
            yield from _of_record(record, numbers, make_item, where=f"{uri}, {place}")
    except BrokenRecords as error:
        raise FailedItemsError(f"{uri}, {error}") from error
    finally:
        body.close()


def _of_record(
    record: Mapping[str, Any], numbers: Iterator[int], make_item: MakeItem | None, *, where: str
) -> Iterator[FailedItem]:
    given = record["Input"]
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as broken:
            raise FailedItemsError(f"{where}: its Input is no JSON: {_shown(record['Input'].encode())}.") from broken
    error = record.get("Error") or f"Execution{str(record.get('Status') or 'FAILED').title().replace('_', '')}"
    message = readable_cause(record.get("Cause"), error=error)
    if not isinstance(given, Mapping) or not isinstance(given.get("Items"), list):
        yield FailedItem(next(numbers), given, error, message)
        return
    shared = given.get("BatchInput")
    for entry in given["Items"]:
        number = next(numbers)
        if not isinstance(entry, Mapping) or entry.keys() != {"i", "v"}:
            yield FailedItem(number, entry, error, message)
        else:
            yield FailedItem(int(entry["i"]), _authors_item(entry["v"], shared, make_item), error, message)


def _authors_item(value: Json, shared: Json, make_item: MakeItem | None) -> Json:
    """The item of an entry of ours, which has what the reader of its source gave."""
    return value if make_item is None else make_item(value, shared if isinstance(shared, Mapping) else {})


# --- completion reports --------------------------------------------------------------------------------------------------


def _of_reports(s3: S3Client, uri: str, results: Sequence[Json], fields: Sequence[str]) -> Iterator[FailedItem]:
    if missing := [name for name in ("Bucket", "Key", "TaskStatus") if name not in fields]:
        raise FailedItemsError(f"{uri}: its ReportSchema ({', '.join(fields)}) has no {' and no '.join(missing)}.")
    numbers = count()
    for result in results:
        match result:
            case {"TaskExecutionStatus": "succeeded"}:
                continue
            case {"Bucket": str(bucket), "Key": str(key)}:
                for found in _of_report(s3, bucket, key, fields, checksum=result.get("MD5Checksum"), named_by=uri):
                    yield FailedItem(next(numbers), found.item, found.error, found.message)
            case _:
                raise FailedItemsError(f"{uri}: one of its Results names no Bucket and Key: {result!r}.")


def _of_report(
    s3: S3Client, bucket: str, key: str, fields: Sequence[str], *, checksum: str | None, named_by: str | None = None
) -> Iterator[FailedItem]:
    """The failed tasks of a report. With `checksum` (MD5, hexadecimal), what is read must have it."""
    uri = f"s3://{bucket}/{key}"
    body, _ = _open(s3, bucket, key, named_by=named_by)
    digest = hashlib.md5(usedforsecurity=False)
    try:
        file = io.BufferedReader(_Digesting(body, digest), _READ_BYTES)
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            yield from _of_rows(csv.reader(text, strict=True), fields, uri)
    except UnicodeDecodeError as error:
        raise FailedItemsError(f"{uri} is no UTF-8 text: {error}") from error
    finally:
        body.close()
    if checksum and digest.hexdigest() != checksum.lower():
        raise FailedItemsError(
            f"{uri} has the MD5 {digest.hexdigest()}; {named_by} says {checksum}. It is not that report."
        )


def _of_rows(rows: Any, fields: Sequence[str], uri: str) -> Iterator[FailedItem]:
    number = 0
    try:
        for row in rows:
            if not row:
                continue
            if len(row) != len(fields):
                problem = f"{len(row)} fields, a report has {len(fields)}: {', '.join(fields)}"
                raise FailedItemsError(f"{uri}, line {rows.line_num}: {problem}.")
            task = dict(zip(fields, row, strict=True))
            if task["TaskStatus"] not in ("succeeded", "failed"):
                problem = f'TaskStatus is {task["TaskStatus"]!r}, which must be "succeeded" or "failed"'
                raise FailedItemsError(f"{uri}, line {rows.line_num}: {problem}.")
            if task["TaskStatus"] == "failed":
                yield _of_task(number, task)
                number += 1
    except csv.Error as error:
        raise FailedItemsError(f"{uri}, line {rows.line_num}: it is cut off, or no CSV: {error}.") from error


def _of_task(index: int, task: Mapping[str, str]) -> FailedItem:
    """A failed task: {"bucket", "key"}, as `Manifest()` has them, and "version" where the report says one."""
    item = {"bucket": task["Bucket"], "key": unquote_plus(task["Key"])}
    if task.get("VersionId"):
        item["version"] = task["VersionId"]
    # AWS's example has code and status in each other's columns: the one that is no number says more.
    told = [task[name] for name in ("ErrorCode", "HTTPStatusCode") if task.get(name)]
    words = [text for text in told if not text.isdecimal()]
    error = words[0] if words else f"HTTP {told[0]}" if told else "Failed"
    return FailedItem(index, item, error, task.get("ResultMessage", ""))


class _Digesting(BodyFile):
    """A body that is digested as it is read."""

    def __init__(self, body: Any, digest: Any) -> None:
        super().__init__(body)
        self._digest = digest

    def readinto(self, buffer: Any) -> int:
        length = super().readinto(buffer)
        self._digest.update(bytes(buffer[:length]))
        return length


# --- how -----------------------------------------------------------------------------------------------------------------


def _open(s3: S3Client, bucket: str, key: str, *, named_by: str | None = None, **more: Any) -> tuple[Any, int]:
    """An object's body, and the size that is told with it."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.get_object(Bucket=bucket, Key=key, **more)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "InvalidRange":  # what an empty object answers to a range
            return io.BytesIO(), 0
        reason = _REASONS.get(code, str(error))
        by = f", which {named_by} names," if named_by else ""
        raise FailedItemsError(f"s3://{bucket}/{key}{by} cannot be read: {reason} ({code})") from error
    whole = answer.get("ContentRange", "").rpartition("/")[2]
    return answer["Body"], int(whole or answer["ContentLength"])


_REASONS = {
    "NoSuchKey": "there is no such object",
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "access is denied, or there is no such object. The job reads the data bucket and what it declares "
    "as `reads`",
}


def _head(s3: S3Client, bucket: str, key: str) -> tuple[bytes, int]:
    if not key or key.endswith("/"):
        raise FailedItemsError(f"s3://{bucket}/{key} is a folder. Name an object: {KINDS}.")
    body, size = _open(s3, bucket, key, Range=f"bytes=0-{_HEAD_BYTES - 1}")
    try:
        return body.read(), size
    finally:
        body.close()


def _parsed(text: bytes) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_failure(value: Json) -> bool:
    return isinstance(value, dict) and "item" in value and "error" in value


def _first_row(text: bytes) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text.decode(errors="replace"), newline="")), [])
    except csv.Error:
        return []


def _is_report_row(row: Sequence[str]) -> bool:
    return len(row) == len(_REPORT_FIELDS) and row[_REPORT_FIELDS.index("TaskStatus")] in ("succeeded", "failed")


def _unknown(uri: str, head: bytes) -> FailedItemsError:
    return FailedItemsError(
        f"{uri} lists no failed items that can be read: it begins with {_shown(head)}. It must be {KINDS}."
    )


def _shown(text: bytes) -> str:
    return repr(text[:80].decode(errors="replace")) + ("…" if len(text) > 80 else "")
