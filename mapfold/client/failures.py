"""The items of a run that failed, with their reasons, as a stream.

Finish collects them in `runs/<id>/failures.jsonl`. A run that died before it has only what its parts left behind: the
files that each batch with failed items wrote, and the inputs of the child executions that failed as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from mapfold.client.arns import MAP_LABEL
from mapfold.client.target import Target
from mapfold.client.values import Execution, ExecutionSummary, Json, MapRunSummary, Status, decode, explain_cause
from mapfold.errors import ServiceError


class ReadsFailures(Protocol):
    """What collecting failures takes of `AwsClient`."""

    target: Target

    def find_execution(self, arn: str) -> Execution | None: ...
    def map_runs(self, execution_arn: str) -> list[MapRunSummary]: ...
    def children(self, map_run_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]: ...
    def object_lines(self, bucket: str, key: str) -> Iterator[bytes] | None: ...
    def object_keys(self, bucket: str, prefix: str) -> Iterator[str]: ...


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
    bucket, folder = aws.target.runs_bucket, f"runs/{execution.name}/"
    lines = aws.object_lines(bucket, folder + "failures.jsonl")
    if lines is not None:
        yield from (_failure(json.loads(line)) for line in lines)
        return
    if execution.status is Status.SUCCEEDED:
        _check_that_there_were_none(execution)
        return  # a batch that was run again may have left a file of its first attempt
    for key in aws.object_keys(bucket, folder + "failed/"):
        yield from (_failure(json.loads(line)) for line in aws.object_lines(bucket, key) or ())
    for arn in _failed_children(aws, execution.arn):
        child = aws.find_execution(arn)
        if child is not None:
            yield from _of_child(aws, child, bucket, folder)


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


def _failed_children(aws: ReadsFailures, execution_arn: str) -> Iterator[str]:
    """The children of the map over the items that failed; of the latest one, where the Map state was retried."""
    for summary in reversed(aws.map_runs(execution_arn)):
        if summary.label == MAP_LABEL:
            for status in (Status.FAILED, Status.TIMED_OUT):
                yield from (child.arn for child in aws.children(summary.arn, status))
            return


def _of_child(aws: ReadsFailures, child: Execution, bucket: str, folder: str) -> Iterator[Failure]:
    """One failure for each item of a batch that failed as a whole, but for those in a file that the batch wrote.

    Usually that holds all of them. An attempt that wrote it and then crashed knew of some only.
    """
    batch = decode(child.input)
    items = batch.get("Items") if isinstance(batch, Mapping) else None
    if not isinstance(items, list) or not items:
        yield _whole_child(child, item=batch, index=None)
        return
    first = items[0].get("i") if isinstance(items[0], Mapping) else None
    told: set[Json] = set()
    if isinstance(first, int):
        lines = aws.object_lines(bucket, f"{folder}failed/{first:012d}.jsonl") or ()
        told = {json.loads(line).get("index") for line in lines}
    for item in items:
        is_ours = isinstance(item, Mapping) and {"i", "v"} <= item.keys()
        if not is_ours or item["i"] not in told:
            yield _whole_child(child, item=item["v"] if is_ours else item, index=item["i"] if is_ours else None)


def _whole_child(child: Execution, *, item: Json, index: int | None) -> Failure:
    error = child.error or ("States.Timeout" if child.status is Status.TIMED_OUT else str(child.status))
    message, traceback = explain_cause(child.cause)
    return Failure(item, index, error, message, traceback, execution=child.arn)
