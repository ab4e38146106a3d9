"""What a crash left behind: executions and map runs that the store says are RUNNING, and nobody runs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mapfold.local.store import reads
from mapfold.local.store.rows import ExecutionRow, MapRunRow


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Everything RUNNING, oldest first. `executions`: (row, id of its last kept event)."""

    executions: list[tuple[ExecutionRow, int]]
    map_runs: list[MapRunRow]


def find_unfinished(connection: sqlite3.Connection) -> Unfinished:
    """What there is."""
    executions = [(row, reads.last_event_id(connection, row.id)) for row in reads.running_executions(connection)]
    return Unfinished(executions, reads.running_map_runs(connection))
