"""Finish: the last partial to the result, the failed items to one file, the record closed.

A run of no items, and a run of which no item succeeded, have no partial: their result is null and the job's finish
function is not called. Where the result is in parts or shards, result.json says where they are, and "result_kind" in the
output which of the two it is. `failures.jsonl` has a line for every item that is not in the result, and exists only if there
is one: {"item", "index", "error", "message", "traceback", "execution"}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.codec import Place, encode
from mapfold.context import Context
from mapfold.job import Job
from mapfold.runs.combining import combine, left_out, total_of
from mapfold.runs.endings import how_it_ended
from mapfold.runs.folder import RunFolder
from mapfold.runs.last import Counts, Last, write_last
from mapfold.runs.objects import LineWriter, exists, read_lines
from mapfold.runs.partials import Partials, dumps
from mapfold.runs.parts import parts_result
from mapfold.runs.pieces import child_of
from mapfold.runs.records import Records
from mapfold.runs.shards import shards_result
from mapfold.runs.shown_item import shown_item
from mapfold.runs.work import BatchFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INLINE_RESULT_BYTES = 100_000
"""A larger result is only in result.json."""

TOLERANCE_EXCEEDED = "Mapfold.ToleratedFailureExceeded"
_CAUSE_CHARACTERS = 500
"""Of the first failed item's message: a cause is read in a line."""


def finish_run(
    partials: Partials,
    final: Iterable[Mapping[str, Any]],
    folded: Mapping[str, Any],
    context: Context,
    *,
    runs: Records,
    execution: str,
    source: Mapping[str, Any] | None = None,
    previous: Last | None = None,
    is_whole: bool = True,
) -> dict[str, Any]:
    """Write result and failures, judge the run, close the record of its `execution`; gives the execution's output.

    `previous` is the run whose failed items this one has tried again: its result and counts are in those of this one.
    `source` and `is_whole` are for last.json.

    `final` are the records of the children that did not succeed and are not run again (`isolate.final_records`); `folded` is
    {"partial", "items", "failed"} of the last fold. Where more items failed than the job tolerates, the
    output has `error` and `cause` too: the state machine then fails with them.
    """
    job, folder, s3 = partials.job, partials.folder, partials.s3
    failed, failed_now, first = write_failures(job, final, s3=s3, folder=folder, previous=previous)
    combined = combine(partials, folded, previous)
    counts = total_of(previous, succeeded=combined.succeeded, failed=failed)
    result = run_result(partials, combined.packed, context) if combined.succeeded else None
    text = dumps(result)
    s3.put_object(Bucket=folder.bucket, Key=folder.result, Body=text, ContentType="application/json")
    lineage = (*previous.lineage, previous.run_id) if previous else ()
    kind = job.result_kind
    write_last(
        s3, folder, Last(folder.run_id, job.name, source or {}, counts, combined.packed, kind, lineage, is_whole)
    )

    ended = judge(job, counts, folder, first=first)
    facts = {
        "items": {"total": counts.total, "succeeded": counts.succeeded, "failed": counts.failed},
        "result_uri": folder.uri(folder.result),
        "failures_uri": folder.uri(folder.failures) if failed else None,
        **_lineage(previous, lineage, succeeded=folded["items"] - folded["failed"], failed=failed_now),
        **({} if job.result_kind == "value" or result is None else {"result_kind": job.result_kind}),
        **ended,
    }
    status = "FAILED" if ended else "SUCCEEDED"
    runs.close(folder.run_id, status, {"job": job.name, "execution": execution, **facts})
    inline = result if len(text) <= INLINE_RESULT_BYTES else None
    return {"run_id": folder.run_id, "status": status, "result": inline, **facts}


def _lineage(previous: Last | None, lineage: tuple[str, ...], *, succeeded: int, failed: int) -> dict[str, Any]:
    """Of a retry: what it stands on, and how the items ended that it tried again."""
    if previous is None:
        return {}
    retried = {"items": succeeded + failed, "succeeded": succeeded, "failed": failed}
    return {"retry_of": previous.run_id, "lineage": list(lineage), "retried": retried}


def judge(job: Job, counts: Counts, folder: RunFolder, *, first: bytes = b"{}") -> dict[str, str]:
    """Nothing if the run's failures are tolerated, else the `error` and `cause` that it fails with.

    `first` is the first line of the failures: often one reason is that of them all, and it says what to do.
    """
    if job.tolerates(failed=counts.failed, total=counts.total):
        return {}
    cause = (
        f"{counts.failed} of {counts.total} items failed, and job {job.name!r} tolerates {job.tolerance()}. "
        f"They are in {folder.uri(folder.failures)}; the result of the others is in {folder.uri(folder.result)}."
    )
    told = json.loads(first)
    if "error" in told:
        cause += (
            f" The first, item {told.get('index')}: {told['error']}: {str(told.get('message'))[:_CAUSE_CHARACTERS]}"
        )
    return {"error": TOLERANCE_EXCEEDED, "cause": cause}


def run_result(partials: Partials, packed: Any, context: Context) -> Any:
    """What goes into result.json, from the last fold's partial: the result, or where its parts or shards are."""
    match partials.job.result_kind:
        case "value":
            return make_result(partials.job, partials.unpack(packed), context)
        case "parts":
            return parts_result(partials.s3, partials.folder, packed)
        case "shards":
            return shards_result(partials.folder, packed)


def make_result(job: Job, partial: Any, context: Context) -> Any:
    """What the job's finish function makes of the last partial, as JSON; the partial itself if it has none."""
    function = job.finish_function
    if function is None:
        return encode(partial, Place(job.name, "fold"), "partial")
    result = function(partial, context) if job.finish_takes_context else function(partial)
    return encode(result, Place(job.name, "finish"), "result")


def write_failures(
    job: Job, final: Iterable[Mapping[str, Any]], *, s3: S3Client, folder: RunFolder, previous: Last | None = None
) -> tuple[int, int, bytes]:
    """Write `failures.jsonl`; gives the number of its lines, of those that this run's own items have, and the first line.

    Own ones come first. Behind them are those of `previous` that were not tried again.
    """
    first = b"{}"
    with LineWriter(s3, folder.bucket, folder.failures) as writer:
        for line in _failure_lines(job, final, s3, folder):
            first = line if not writer.lines else first
            writer.write(line)
        own = writer.lines
        for line in left_out(s3, folder, previous) if previous else ():
            writer.write(line)
    return writer.lines, own, first


def _failure_lines(job: Job, final: Iterable[Mapping[str, Any]], s3: S3Client, folder: RunFolder) -> Iterator[bytes]:
    for key in _listed(s3, folder):
        yield from read_lines(s3, folder.bucket, key)
    for record in final:
        yield from _of_child(job, record, s3, folder)


def _listed(s3: S3Client, folder: RunFolder) -> Iterator[str]:
    """Keys of the failed items of batches of which others succeeded."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=folder.failed_lists_prefix)
    for page in pages:
        for item in page.get("Contents", ()):
            for line in read_lines(s3, folder.bucket, item["Key"]):
                yield line.decode()


def _of_child(job: Job, record: Mapping[str, Any], s3: S3Client, folder: RunFolder) -> Iterator[bytes]:
    """The failed items of a failed child: as `work` wrote them, or one by one with how the child ended."""
    child = child_of(record)
    items = child.get("Items") or ()
    if items and record.get("Error") == BatchFailed.__name__:
        key = folder.failed(int(items[0]["i"]), int(items[-1]["i"]))
        if exists(s3, folder.bucket, key):
            yield from read_lines(s3, folder.bucket, key)
            return
    error, message = how_it_ended(record, timeout_seconds=job.timeout_seconds)
    batch = child.get("BatchInput", {})
    for entry in items:
        item = shown_item(job, entry["v"], batch)
        line = {"item": item, "index": entry["i"], "error": error, "message": message}
        yield dumps({**line, "traceback": None, "execution": record.get("ExecutionArn")})
