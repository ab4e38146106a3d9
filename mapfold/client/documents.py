"""Runs, map runs, children and events as JSON documents: what `--json` prints and what the HTTP API answers."""

from __future__ import annotations

import time

from mapfold.client.follow import Progress
from mapfold.client.history import Child, EventLine
from mapfold.client.outcome import Outcome
from mapfold.client.runs import RunSummary, RunView
from mapfold.client.standing import Standing
from mapfold.client.values import Counts, Execution, Json, MapRun, decode


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as in AWS's own documents."""
    if seconds is None:
        return None
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{thousandths:03}Z"


def span(started: float, stopped: float | None) -> float | None:
    """Seconds between two moments, to the millisecond; None while it runs."""
    return None if stopped is None else max(0.0, round(stopped - started, 3))


def summary_document(run: RunSummary) -> dict[str, Json]:
    """A line of the list of runs."""
    return {
        "run_id": run.run_id,
        "job": run.job,
        "status": str(run.status),
        "started": moment(run.started),
        "stopped": moment(run.stopped),
        "seconds": span(run.started, run.stopped),
        "execution_arn": run.execution_arn,
        "redrive_count": run.redrive_count,
        "retry_of": run.lineage.retry_of,
        "retried_by": run.lineage.retried_by,
    }


def run_document(view: RunView, ended: Outcome | None, *, states: Standing | None = None) -> dict[str, Json]:
    """One run with its map runs and, where it has ended, its outcome; `states`: those that it is in."""
    execution = view.execution
    return {
        "run_id": execution.name,
        "job": view.job,
        "status": str(execution.status),
        "execution_arn": execution.arn,
        "started": moment(execution.started),
        "stopped": moment(execution.stopped),
        "seconds": span(execution.started, execution.stopped),
        "redrive_count": execution.redrive_count,
        "redriven": moment(execution.redriven),
        **view.lineage.as_document(),
        "input": decode(execution.input),
        **(_ended_document(ended) if ended else {}),
        **({"states": [state.as_document() for state in states.states]} if states else {}),
        "map_runs": tuple(map_run_document(run) for run in view.map_runs),
    }


def status_document(execution: Execution) -> dict[str, Json]:
    """What is left to say after a run was started, stopped or redriven."""
    return {"run_id": execution.name, "status": str(execution.status), "execution_arn": execution.arn}


def head_document(execution: Execution) -> dict[str, Json]:
    """What stands above the history of an execution."""
    head: dict[str, Json] = {
        "run_id": execution.name,
        "execution_arn": execution.arn,
        "status": str(execution.status),
        "started": moment(execution.started),
        "stopped": moment(execution.stopped),
    }
    return head | failure_document(execution.error, execution.cause)


def map_run_document(run: MapRun) -> dict[str, Json]:
    """A map run with its counts of items and of child executions."""
    return {
        "map_run_arn": run.arn,
        "label": run.label,
        "status": str(run.status),
        "started": moment(run.started),
        "stopped": moment(run.stopped),
        "max_concurrency": run.max_concurrency,
        "redrive_count": run.redrive_count,
        "items": counts_document(run.items),
        "executions": counts_document(run.children),
    }


def counts_document(counts: Counts) -> dict[str, Json]:
    """Items or child executions by where they are."""
    return {
        "total": counts.total,
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timed_out": counts.timed_out,
        "aborted": counts.aborted,
        "pending_redrive": counts.pending_redrive,
    }


def child_document(child: Child) -> dict[str, Json]:
    """A child execution; its error and cause where it ended badly."""
    summary = child.summary
    document: dict[str, Json] = {
        "name": summary.name,
        "execution_arn": summary.arn,
        "status": str(summary.status),
        "started": moment(summary.started),
        "stopped": moment(summary.stopped),
        "items": summary.items,
    }
    return document | failure_document(child.error, child.cause)


def event_document(line: EventLine) -> dict[str, Json]:
    """An event of a history. `previous`: the event that it follows from; 0 where it follows from none."""
    event = line.event
    return {
        "execution_arn": line.execution,
        "id": event.id,
        "previous": event.previous,
        "type": event.type,
        "at": moment(event.at),
        "details": dict(event.details),
    }


def progress_document(progress: Progress) -> dict[str, Json]:
    """How far a run is."""
    pieces = progress.pieces
    return {
        "run_id": progress.run_id,
        "status": str(progress.status),
        "stage": progress.stage,
        "items": counts_document(progress.items),
        "batches": counts_document(progress.batches),
        "seconds": round(progress.seconds, 3),
        "items_per_second": None if progress.rate is None else round(progress.rate, 3),
        "seconds_left": None if progress.seconds_left is None else round(progress.seconds_left, 1),
        "isolation": None if pieces is None else {"round": progress.round, "pieces": counts_document(pieces)},
    }


def failure_document(error: str | None, cause: str | None) -> dict[str, Json]:
    """Error and cause, where there are any."""
    return {"error": error, "cause": cause} if error or cause else {}


def _ended_document(ended: Outcome) -> dict[str, Json]:
    document = ended.as_document()
    wanted = (
        "items",
        "retried",
        "result",
        "result_kind",
        "result_uri",
        "failures_uri",
        "duplicates",
        "error",
        "cause",
        "failed_state",
        "output_replaced",
    )
    return {key: document[key] for key in wanted if key in document}
