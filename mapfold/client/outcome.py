"""What became of a run: its status, counts and result, or its error and cause."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from mapfold.client.arns import is_of_items, run_id_of
from mapfold.client.standing import failed_state, finish_report, is_report, newest_events, replacing_state
from mapfold.client.target import Target
from mapfold.client.values import Event, Execution, Json, MapRun, MapRunSummary, Status, decode

RESULT_LIMIT = 64 * 1024 * 1024
"""Bytes of a result that are read from S3; a larger one is named by its URI alone."""

RESULT_NAME = "result.json"
"""Finish writes the result to it, in the run's folder."""


class ReadsOutcomes(Protocol):
    """What an outcome takes of `AwsClient`."""

    target: Target

    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]: ...
    def map_runs(self, execution_arn: str) -> list[MapRunSummary]: ...
    def map_run(self, arn: str) -> MapRun: ...
    def object_size(self, bucket: str, key: str) -> int | None: ...
    def object_text(self, bucket: str, key: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Items:
    """How many items there were, and how they ended."""

    total: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Retried:
    """Of a run that tried failed items again: how many it tried, and how they ended; `items` of an outcome has all."""

    items: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that has ended. `seconds` from the execution's start to its stop.

    lineage: the runs whose results are in its own, the first one first; retried: what it tried again of them.

    result: the job's result, also of a run that failed because too many items did; None where there is none, or where
    `is_result_too_large` to be read (then `result_uri` says where it is). result_kind: "parts" or "shards" where it says
    where the result's files are, and None where it is the result itself.
    duplicates: {"items", "first": [{"key", "indexes"}]} of those that name an object that an earlier item names; None where
    nobody looked for them.

    is_replaced: the execution succeeded, and its output is not what Finish gave: a state behind it, `replaced_by` where it is
    known, put something else there. failed_state: the state whose error the run ended with, where it is known.
    """

    run_id: str
    execution_arn: str
    status: Status
    items: Items
    seconds: float | None
    result: Json = None
    is_result_too_large: bool = False
    result_kind: str | None = None
    result_uri: str | None = None
    failures_uri: str | None = None
    error: str | None = None
    cause: str | None = None
    duplicates: Mapping[str, Json] | None = None
    lineage: tuple[str, ...] = ()
    retried: Retried | None = None
    is_replaced: bool = False
    replaced_by: str | None = None
    failed_state: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the execution did; its output may still have been replaced."""
        return self.status is Status.SUCCEEDED

    def as_document(self) -> dict[str, Json]:
        """The document that `mapfold run --json` prints."""
        document: dict[str, Json] = {
            "run_id": self.run_id,
            "status": str(self.status),
            "execution_arn": self.execution_arn,
            "items": {"total": self.items.total, "succeeded": self.items.succeeded, "failed": self.items.failed},
            "result": self.result,
            "result_uri": self.result_uri,
            "seconds": self.seconds,
        }
        if self.result_kind:
            document["result_kind"] = self.result_kind
        if self.failures_uri:
            document["failures_uri"] = self.failures_uri
        if self.duplicates is not None:
            document["duplicates"] = self.duplicates
        if self.lineage:
            document |= {"retry_of": self.lineage[-1], "lineage": list(self.lineage)}
        if self.retried:
            document["retried"] = asdict(self.retried)
        if not self.succeeded:
            document |= {"error": self.error, "cause": self.cause}
        if self.failed_state:
            document["failed_state"] = self.failed_state
        if self.is_replaced:
            document["output_replaced"] = {"by": self.replaced_by}
        return document


def outcome(aws: ReadsOutcomes, execution: Execution, *, with_result: bool = True) -> Outcome:
    """The outcome of an execution that has ended.

    A run that failed has no output; what Finish reported is in its history then, if it came so far. So it is where a state
    behind Finish replaced the output. A result that was too large for the execution's output is read from S3.
    """
    output = decode(execution.output) if execution.output else None
    newest = [] if is_report(output) else newest_events(aws, execution.arn)
    found = output if is_report(output) else finish_report(newest)
    is_replaced = (
        execution.status is Status.SUCCEEDED
        and not is_report(output)
        and (found is not None or _is_of_a_job(aws, execution))
    )
    report: Mapping[str, Json] = found or (_stored_report(aws, execution) if is_replaced else {})
    uri = report.get("result_uri")
    result = report.get("result")
    is_too_large = False
    if result is None and uri and with_result:
        result, is_too_large = _read_result(aws, uri)
    return Outcome(
        run_id=execution.name,
        execution_arn=execution.arn,
        status=execution.status,
        items=_items(aws, execution.arn, report),
        seconds=None if execution.seconds is None else round(execution.seconds, 3),
        result=result,
        is_result_too_large=is_too_large,
        result_kind=report.get("result_kind"),
        result_uri=uri,
        failures_uri=report.get("failures_uri"),
        error=execution.error,
        cause=execution.cause,
        duplicates=report.get("duplicates"),
        lineage=tuple(report.get("lineage") or ()),
        retried=Retried(**report["retried"]) if report.get("retried") else None,
        is_replaced=is_replaced,
        replaced_by=replacing_state(newest) if is_replaced else None,
        failed_state=failed_state(newest, execution),
    )


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _is_of_a_job(aws: ReadsOutcomes, execution: Execution) -> bool:
    """Whether it is a run of a job: neither a child of a map run, nor of a machine that has nothing to do with jobs."""
    machine = run_id_of(execution.state_machine_arn)
    return machine.startswith(aws.target.machine_prefix) and "/" not in machine


def _stored_report(aws: ReadsOutcomes, execution: Execution) -> Mapping[str, Json]:
    """Where the result of a run is whose history does not tell it any more, if Finish has written one."""
    bucket, key = aws.target.runs_bucket, f"runs/{execution.name}/{RESULT_NAME}"
    return {} if aws.object_size(bucket, key) is None else {"result_uri": f"s3://{bucket}/{key}"}


def _items(aws: ReadsOutcomes, arn: str, report: Mapping[str, Json]) -> Items:
    """As Finish counted them; without its report, as the map run did, which counts a batch's items alike."""
    counted = report.get("items")
    if isinstance(counted, Mapping):
        return Items(*(int(counted.get(name) or 0) for name in ("total", "succeeded", "failed")))
    for summary in reversed(aws.map_runs(arn)):
        if is_of_items(summary.label):
            counts = aws.map_run(summary.arn).items
            return Items(counts.total, counts.succeeded, counts.failed + counts.timed_out)
    return Items(0, 0, 0)


def _read_result(aws: ReadsOutcomes, uri: str) -> tuple[Json, bool]:
    """The result, and whether it is too large to be read."""
    bucket, key = split_uri(uri)
    size = aws.object_size(bucket, key)
    if size is None or size > RESULT_LIMIT:
        return None, size is not None
    return json.loads(aws.object_text(bucket, key)), False
