"""Rows of the store as the answers that SDKs expect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mapfold.local.arns import child_arn, parse_arn
from mapfold.local.service.engine_protocol import ChildNames
from mapfold.local.store import ChildRow, ExecutionRow, MapRunRow, Redrive

Answer = dict[str, Any]

COUNTERS = (
    "pending",
    "running",
    "succeeded",
    "failed",
    "timedOut",
    "aborted",
    "total",
    "resultsWritten",
    "failuresNotRedrivable",
    "pendingRedrive",
)


def seconds(time: float) -> float:
    """A time on the wire: epoch seconds, whole milliseconds."""
    return round(time, 3)


def execution_answer(row: ExecutionRow, redrive_status: str, redrive_status_reason: str | None) -> Answer:
    """DescribeExecution's answer."""
    answer = _execution_head(row)
    answer.update(input=row.input, inputDetails={"included": True})
    if row.output is not None:
        answer.update(output=row.output, outputDetails={"included": True})
    _add_known(answer, error=row.error, cause=row.cause, traceHeader=row.trace_header, mapRunArn=row.map_run_arn)
    _add_known(answer, redriveStatus=redrive_status, redriveStatusReason=redrive_status_reason)
    return answer


def sync_execution_answer(row: ExecutionRow) -> Answer:
    """StartSyncExecution's answer, without what it is billed."""
    answer: Answer = {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "startDate": seconds(row.start),
        "stopDate": seconds(row.start if row.stop is None else row.stop),
        "status": row.status,
        "input": row.input,
        "inputDetails": {"included": True},
        "outputDetails": {"included": True},  # of a failure too, which has no output (seen on the service)
    }
    # Only here a timeout has its error: DescribeExecution leaves it to the history, which an EXPRESS one has not.
    error = "States.Timeout" if row.status == "TIMED_OUT" else row.error
    _add_known(answer, output=row.output, error=error, cause=row.cause, traceHeader=row.trace_header)
    return answer


def without_payloads(answer: Answer) -> Answer:
    """The answer of an action that was asked for METADATA_ONLY."""
    kept = {name: value for name, value in answer.items() if name not in ("input", "output", "error", "cause")}
    return {**kept, **{name: {"included": False} for name in ("inputDetails", "outputDetails") if name in kept}}


def execution_item(row: ExecutionRow) -> Answer:
    """An entry of ListExecutions; a child's has its map run and how many items it took."""
    answer = _execution_head(row)
    _add_known(answer, mapRunArn=row.map_run_arn)
    if row.item_count is not None:
        answer["itemCount"] = row.item_count
    return answer


def child_execution(
    map_run: MapRunRow, child: ChildRow, names: ChildNames, redrive: Redrive | None = None
) -> ExecutionRow:
    """A map run's child as an execution. One that waits for the `redrive` shows nothing of its end."""
    run = parse_arn(map_run.arn)
    uuid = names.child_uuid(run.name or "", child.index)
    if redrive is not None and redrive.runs_again(child):
        child = replace(child, status="PENDING_REDRIVE", stop=None, error=None, cause=None)
    return ExecutionRow(
        id=0,
        arn=child_arn(run, uuid),
        machine_arn=run.labelled_machine_arn,
        machine_revision=0,
        name=uuid,
        start=child.start,
        input=child.input or "",
        type=map_run.child_type,
        status=child.status,
        stop=child.stop,
        output=child.output,
        error=child.error,
        cause=child.cause,
        redrive_count=child.redrive_count,
        redrive_date=child.redrive_date,
        map_run_arn=map_run.arn,
        item_count=child.item_count,
    )


def map_run_answer(row: MapRunRow) -> Answer:
    """DescribeMapRun's answer."""
    answer = {
        "mapRunArn": row.arn,
        "executionArn": row.execution_arn,
        "status": row.status,
        "startDate": seconds(row.start),
        "maxConcurrency": row.max_concurrency,
        "toleratedFailurePercentage": float(row.tolerated_percentage),
        "toleratedFailureCount": row.tolerated_count,
        "itemCounts": {name: row.item_counts.get(name, 0) for name in COUNTERS},
        "executionCounts": {name: row.execution_counts.get(name, 0) for name in COUNTERS},
        "redriveCount": row.redrive_count,
    }
    if row.stop is not None:
        answer["stopDate"] = seconds(row.stop)
    if row.redrive_date is not None:
        answer["redriveDate"] = seconds(row.redrive_date)
    return answer


def map_run_item(row: MapRunRow) -> Answer:
    """An entry of ListMapRuns."""
    answer = {
        "executionArn": row.execution_arn,
        "mapRunArn": row.arn,
        "stateMachineArn": parse_arn(row.arn).labelled_machine_arn,
        "startDate": seconds(row.start),
    }
    if row.stop is not None:
        answer["stopDate"] = seconds(row.stop)
    return answer


def _execution_head(row: ExecutionRow) -> Answer:
    answer: Answer = {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "status": row.status,
        "startDate": seconds(row.start),
        "redriveCount": row.redrive_count,
    }
    _add_known(answer, stateMachineVersionArn=row.version_arn, stateMachineAliasArn=row.alias_arn)
    if row.stop is not None:
        answer["stopDate"] = seconds(row.stop)
    if row.redrive_date is not None and not (row.map_run_arn and row.type == "EXPRESS"):
        answer["redriveDate"] = seconds(row.redrive_date)  # of an EXPRESS child it is not to be had
    return answer


def _add_known(answer: Answer, **members: str | None) -> None:
    answer.update({name: value for name, value in members.items() if value is not None})
