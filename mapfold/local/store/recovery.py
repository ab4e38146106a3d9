"""What a crash left behind: executions and map runs that the store says are RUNNING, and nobody runs.

Found with all that is known of them, so that they can be resumed; for now they are closed as ABORTED.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from mapfold.local.store import reads
from mapfold.local.store.rows import ExecutionRow, MapRunRow


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`executions`: (row, id of its last kept event). `map_runs`: (row, status -> (children, items) that ended)."""

    executions: list[tuple[ExecutionRow, int]]
    map_runs: list[tuple[MapRunRow, dict[str, tuple[int, int]]]]


class Writes(Protocol):
    """What `abort` needs of a store."""

    def add_events(self, execution_id: int, first_event_id: int, count: int, blob: bytes) -> None: ...

    def execution_ended(
        self, execution_id: int, *, status: str, stop: float, error: str | None = None, cause: str | None = None
    ) -> None: ...

    def map_run_saved(self, row: MapRunRow) -> None: ...


def find_unfinished(connection: sqlite3.Connection) -> Unfinished:
    """Everything RUNNING, oldest first."""
    executions = [(row, reads.last_event_id(connection, row.id)) for row in reads.running_executions(connection)]
    map_runs = [(row, reads.child_counts(connection, row.id)) for row in reads.running_map_runs(connection)]
    return Unfinished(executions, map_runs)


def abort(unfinished: Unfinished, store: Writes, *, now: float, error: str | None, cause: str) -> None:
    """Close everything as ABORTED, with an ExecutionAborted event each and counters that add up."""
    details = {"cause": cause} if error is None else {"error": error, "cause": cause}
    for row, last in unfinished.executions:
        event = {"timestamp": now, "type": "ExecutionAborted", "id": last + 1, "previousEventId": last}
        event["executionAbortedEventDetails"] = details
        store.add_events(row.id, last + 1, 1, orjson.dumps([event]))
        store.execution_ended(row.id, status="ABORTED", stop=now, error=error, cause=cause)
    for run, ended in unfinished.map_runs:
        executions = _closed_counts(run.execution_counts, {status: count for status, (count, _) in ended.items()})
        items = _closed_counts(run.item_counts, {status: count for status, (_, count) in ended.items()})
        store.map_run_saved(replace(run, status="ABORTED", stop=now, execution_counts=executions, item_counts=items))


_COUNTERS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut", "ABORTED": "aborted"}


def _closed_counts(saved: Mapping[str, int], ended: Mapping[str, int]) -> dict[str, int]:
    """Counters with the children in the store as the truth, and everything else that was known of as aborted."""
    counts = {name: ended.get(status, 0) for status, name in _COUNTERS.items()}
    total = max(saved.get("total", 0), sum(counts.values()))
    counts["aborted"] += total - sum(counts.values())
    return {**saved, **counts, "pending": 0, "running": 0, "total": total}
