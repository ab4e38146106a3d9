"""The items of a run that failed, with their reasons, as a stream.

Finish collects them in `runs/<id>/failures.jsonl`. A run that died before it has only what its parts left behind: the
files that each batch with failed items wrote, and the inputs of the child executions that failed as a whole. An attempt that
was given up may have left a file too: an item that two files list is told once, but one that a later attempt had right is
told, for nothing says so before Finish.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from mapfold.client.arns import is_isolation, is_of_items
from mapfold.client.pages import BadToken, Entry
from mapfold.client.target import Target
from mapfold.client.values import (
    Execution,
    ExecutionSummary,
    Json,
    MapRunSummary,
    Page,
    Status,
    decode,
    explain_cause,
)
from mapfold.errors import ServiceError
from mapfold.runs.endings import how_it_ended
from mapfold.runs.pieces import child_of, has_died, pieces_of

_FIRST_RANGE, _LAST_RANGE = 256 * 1024, 8 * 1024 * 1024
_FILE_END = 1 << 62
"""Behind every byte: there may be another file, or a child."""

_CHILDREN = 20
"""Children of a page: each is described by a call of its own."""


class ReadsFailures(Protocol):
    """What collecting failures takes of `AwsClient`."""

    target: Target

    def find_execution(self, arn: str) -> Execution | None: ...
    def map_runs(self, execution_arn: str) -> list[MapRunSummary]: ...
    def execution_page(
        self, arn: str, *, status: Status | None = None, size: int = 1000, token: str | None = None
    ) -> Page[ExecutionSummary]: ...
    def object_lines(self, bucket: str, key: str) -> Iterator[bytes] | None: ...
    def object_range(self, bucket: str, key: str, *, start: int, length: int) -> tuple[bytes, int] | None: ...
    def object_keys(self, bucket: str, prefix: str, *, after: str = "") -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that failed. `index`: its place in the source. `execution`: the child that failed with all its items."""

    item: Json
    index: int | None
    error: str
    message: str
    traceback: str | None = None
    execution: str | None = None

    def as_document(self) -> dict[str, Json]:
        document = {"item": self.item, "index": self.index, "error": self.error, "message": self.message}
        document["traceback"] = self.traceback
        if self.execution:
            document["execution"] = self.execution
        return document


def failures(aws: ReadsFailures, execution: Execution) -> Iterator[Failure]:
    """The failed items of a run, whether it came to its end or not."""
    return (failure for failure, _ in failure_entries(aws, execution) if failure is not None)


def failure_entries(aws: ReadsFailures, execution: Execution, position: Json = None) -> Iterator[Entry[Failure | None]]:
    """The failed items of a run from a position on, each with the position behind it (pages.py).

    None stands for a child that was asked for and has no items but those in a file: it cost calls all the same.

    A position is a place in one of three lists: `["file", byte]` of failures.jsonl; `["part", key, byte]` of a file that
    a batch wrote; `["child", run, status, token, child, item]` of a page of the children of a map run that failed as a whole.
    """
    bucket, folder = aws.target.runs_bucket, f"runs/{execution.name}/"
    match position:
        case None:
            yield from _all(aws, execution, bucket, folder)
        case ["file", int() as byte] if byte >= 0:
            yield from _of_file(aws, bucket, folder + "failures.jsonl", byte) or ()
        case ["part", str() as key, int() as byte] if key.startswith(folder + "failed/") and byte >= 0:
            yield from _of_parts(aws, execution, bucket, folder, key, byte)
        case [
            "child",
            int() as run,
            "FAILED" | "TIMED_OUT" as status,
            str() | None as token,
            int() as child,
            int() as item,
        ] if min(run, child, item) >= 0:
            yield from _of_children(aws, execution, bucket, folder, (run, Status(status), token, child, item))
        case _:
            raise BadToken


def _all(aws: ReadsFailures, execution: Execution, bucket: str, folder: str) -> Iterator[Entry[Failure | None]]:
    whole = _of_file(aws, bucket, folder + "failures.jsonl", 0)
    if whole is not None:
        yield from whole
    elif execution.status is Status.SUCCEEDED:
        _check_that_there_were_none(execution)  # a batch that was run again may have left a file of its first attempt
    else:
        yield from _of_parts(aws, execution, bucket, folder, "", 0)


def _of_file(aws: ReadsFailures, bucket: str, key: str, start: int) -> Iterator[Entry[Failure]] | None:
    """The entries of failures.jsonl, or None if there is no such file."""
    lines = _lines(aws, bucket, key, start)
    first = next(lines, None)
    if first is None:
        return None if start == 0 else iter(())
    return ((failure, ["file", end] if end else None) for failure, end in chain((first,), lines))


def _of_parts(
    aws: ReadsFailures, execution: Execution, bucket: str, folder: str, key: str, start: int
) -> Iterator[Entry[Failure | None]]:
    """Those that batches noted, from the byte `start` of the file `key` on; then those of the children that failed."""
    keys = aws.object_keys(bucket, folder + "failed/", after=key)
    rest = ((key, start),) if key and start < _FILE_END else ()
    told = _Told()
    for file, begin in chain(rest, ((file, 0) for file in keys)):
        told.open(file)
        for failure, end in _lines(aws, bucket, file, begin):
            if told.is_new(failure):
                yield failure, ["part", file, _FILE_END if end is None else end]
    yield from _of_children(aws, execution, bucket, folder, (0, Status.FAILED, None, 0, 0))


class _Told:
    """Which items have been told, while files come of batches that overlap: of two attempts, or a batch and its pieces.

    Their keys sort by the first item, then the last (`RunFolder.failed`), so what came before the overlap is forgotten.
    """

    def __init__(self) -> None:
        self._indexes: set[int | None] = set()
        self._last = -1

    def open(self, key: str) -> None:
        """The next file is that of `key`."""
        numbers = re.match(r"(\d+)-(\d+)", key.rpartition("/")[2])
        first, last = map(int, numbers.groups()) if numbers else (_FILE_END, -1)
        if first > self._last:
            self._indexes.clear()
        self._last = max(self._last, last)

    def is_new(self, failure: Failure) -> bool:
        """Whether no file that overlaps with this one told of the item; it is told now."""
        is_new = failure.index not in self._indexes
        self._indexes.add(failure.index)
        return is_new


def _lines(aws: ReadsFailures, bucket: str, key: str, start: int) -> Iterator[tuple[Failure, int | None]]:
    """The failures of a JSON Lines object from a byte on, each with the byte behind it; None behind the last.

    Read in ranges that grow: a page costs little, and all of a large file few requests.
    """
    length = _FIRST_RANGE
    while (found := aws.object_range(bucket, key, start=start, length=length)) is not None:
        data, size = found
        is_end = start + len(data) >= size
        cut = len(data) if is_end else data.rfind(b"\n") + 1
        for line in data[:cut].splitlines(keepends=True):
            start += len(line)
            if line.strip():
                yield _failure(_decoded(line)), start if start < size else None
        if is_end:
            return
        length = min(length * 2, _LAST_RANGE) if cut else length * 2


def _decoded(line: bytes) -> Mapping[str, Json]:
    """BadToken if it is none: the byte that we were told to start at is not where a line starts."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise BadToken from error


def _check_that_there_were_none(execution: Execution) -> None:
    """The run's own report says whether its file should be there: one that is lost is not one that never was."""
    report = decode(execution.output)
    uri = report.get("failures_uri") if isinstance(report, Mapping) else None
    if uri:
        raise ServiceError(f"items of {execution.name} failed, and {uri}, which lists them, is not there any more")


def _failure(line: Mapping[str, Json]) -> Failure:
    return Failure(
        item=line.get("item"),
        index=line.get("index"),
        error=line.get("error") or "",
        message=line.get("message") or "",
        traceback=line.get("traceback"),
        execution=line.get("execution"),
    )


_Start = tuple[int, Status, str | None, int, int]


def _of_children(
    aws: ReadsFailures, execution: Execution, bucket: str, folder: str, start: _Start
) -> Iterator[Entry[Failure | None]]:
    """The items of the children that failed or timed out: of the latest map run over the items, and of the rounds behind it.

    A child whose items went on in the round behind its map run has not failed for good: they are told there, if at all.
    """
    map_runs, has_ended = _map_runs(aws, execution), execution.status.is_terminal
    first, status, token, skipped, items_skipped = start
    for number, map_run in enumerate(map_runs[first:], first):
        is_last = has_ended and number == len(map_runs) - 1
        pages = _of_map_run(aws, map_run, (status, token, skipped, items_skipped), bucket, folder, is_last=is_last)
        for failure, position in pages:
            yield failure, ["child", number, *position]
        status, token, skipped, items_skipped = Status.FAILED, None, 0, 0


def _map_runs(aws: ReadsFailures, execution: Execution) -> list[str]:
    """The latest map run over the items, and the rounds of its isolation, oldest first."""
    found: list[str] = []
    for run in aws.map_runs(execution.arn):
        if is_of_items(run.label):
            found = [run.arn]
        elif is_isolation(run.label):
            found.append(run.arn)
    return found


def _of_map_run(
    aws: ReadsFailures,
    map_run: str,
    start: tuple[Status, str | None, int, int],
    bucket: str,
    folder: str,
    *,
    is_last: bool,
) -> Iterator[tuple[Failure | None, list[Json]]]:
    status, token, skipped, items_skipped = start
    while True:
        page = aws.execution_page(map_run, status=status, size=_CHILDREN, token=token)
        for number, summary in enumerate(page.items[skipped:], skipped):
            child = aws.find_execution(summary.arn)
            goes_on = child is None or (not is_last and pieces_of(_record(child)))
            found = [] if child is None or goes_on else list(_of_child(aws, child, bucket, folder))
            for item, failure in enumerate(found[items_skipped:], items_skipped + 1):
                yield failure, [str(status), token, number, item]
            if not found:
                yield None, [str(status), token, number + 1, 0]
            items_skipped = 0
        if page.next is None and status is Status.TIMED_OUT:
            return
        skipped, token, status = 0, page.next, status if page.next else Status.TIMED_OUT


def _record(child: Execution) -> dict[str, Json]:
    """A child as the ResultWriter records it, as far as its end is told by that."""
    return {"Input": child.input, "Status": str(child.status), "Error": child.error, "Cause": child.cause}


def _of_child(aws: ReadsFailures, child: Execution, bucket: str, folder: str) -> Iterator[Failure]:
    """One failure for each item of a batch that failed as a whole, but for those in a file that the batch wrote.

    Usually that holds all of them. An attempt that wrote one and then crashed knew of some only.
    """
    batch = decode(child.input)
    items = batch.get("Items") if isinstance(batch, Mapping) else None
    if not isinstance(items, list) or not items:
        yield _whole_child(child, item=batch, index=None)
        return
    first = items[0].get("i") if isinstance(items[0], Mapping) else None
    told: set[Json] = set()
    if isinstance(first, int):
        keys = aws.object_keys(bucket, f"{folder}failed/{first:012d}-")
        lines = (line for key in keys for line in aws.object_lines(bucket, key) or ())
        told = {json.loads(line).get("index") for line in lines}
    for item in items:
        is_ours = isinstance(item, Mapping) and {"i", "v"} <= item.keys()
        if not is_ours or item["i"] not in told:
            yield _whole_child(child, item=item["v"] if is_ours else item, index=item["i"] if is_ours else None)


def _whole_child(child: Execution, *, item: Json, index: int | None) -> Failure:
    error = child.error or ("States.Timeout" if child.status is Status.TIMED_OUT else str(child.status))
    message, traceback = explain_cause(child.cause)
    record = _record(child)
    if len(child_of(record).get("Items") or ()) == 1 and has_died(record):
        message = how_it_ended(record)[1]
    return Failure(item, index, error, message, traceback, execution=child.arn)
