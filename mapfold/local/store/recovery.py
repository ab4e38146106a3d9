"""What a crash left behind: executions and map runs that the store says are RUNNING, and nobody runs.

They are found with all that is known of them, and go on (`Engine.resume`). A map run whose execution does not is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from mapfold.local.store import reads
from mapfold.local.store.rows import ExecutionRow, MapRunRow

EndedChildren = Mapping[str, tuple[int, int]]
"""Status -> (children, items) that have ended with it."""


UnfinishedMapRun = tuple[MapRunRow, EndedChildren]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`executions`: (row, id of its last kept event). `map_runs`: (row, its children that ended)."""

    executions: list[tuple[ExecutionRow, int]]
    map_runs: list[UnfinishedMapRun]


class Writes(Protocol):
    """What `close_map_run` needs of a store."""

    def map_run_saved(self, row: MapRunRow) -> None: ...


def find_unfinished(connection: sqlite3.Connection) -> Unfinished:
    """Everything RUNNING, oldest first."""
    executions = [(row, reads.last_event_id(connection, row.id)) for row in reads.running_executions(connection)]
    map_runs: list[UnfinishedMapRun] = [
        (row, reads.child_counts(connection, row.id)) for row in reads.running_map_runs(connection)
    ]
    return Unfinished(executions, map_runs)


def close_map_run(run: MapRunRow, ended: EndedChildren, store: Writes, *, now: float) -> None:
    """Close a map run as ABORTED, with counters that add up."""
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
