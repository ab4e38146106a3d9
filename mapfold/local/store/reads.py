"""The queries. Each takes a connection, so that it can run on any thread."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from mapfold.local.store.rows import ChildRow, ExecutionRow, MachineRow, MapRunRow, Page, WireEvent
from mapfold.local.store.schema import CHILD_BITS, child_key

_LAST = 2**62
"""Greater than any id."""


def last_ids(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """The greatest ids so far, 0 for none: of executions, map runs, revisions."""
    query = "SELECT (SELECT max(id) FROM executions), (SELECT max(id) FROM map_runs), (SELECT max(revision) FROM {})"
    execution, map_run, revision = connection.execute(query.format("machine_revisions")).fetchone()
    return execution or 0, map_run or 0, revision or 0


# --- state machines ---------------------------------------------------------------------------------------

_MACHINE = "SELECT m.arn, name, type, definition, role_arn, created, updated, m.revision, revision_id, options, tags"


def current_machines(connection: sqlite3.Connection) -> dict[str, MachineRow]:
    """All state machines, by ARN."""
    query = f"{_MACHINE} FROM state_machines s JOIN machine_revisions m ON m.revision = s.revision"
    return {row[0]: _machine(row) for row in connection.execute(query)}


def machine_revision(connection: sqlite3.Connection, revision: int) -> MachineRow | None:
    """One revision."""
    row = connection.execute(f"{_MACHINE} FROM machine_revisions m WHERE revision = ?", (revision,)).fetchone()
    return None if row is None else _machine(row)


def _machine(row: tuple[Any, ...]) -> MachineRow:
    return MachineRow(*_decoded(row, 9, 10))


# --- executions -------------------------------------------------------------------------------------------

_EXECUTION = """SELECT id, arn, machine_arn, machine_revision, name, start, {input}, type, status, stop, {output},
    error, {cause}, redrive_count, redrive_date, trace_header FROM executions"""
_WHOLE = _EXECUTION.format(input="input", output="output", cause="cause")
_BRIEF = _EXECUTION.format(input="''", output="NULL", cause="NULL")


def execution(connection: sqlite3.Connection, arn: str) -> ExecutionRow | None:
    """One execution with everything."""
    row = connection.execute(f"{_WHOLE} WHERE arn = ?", (arn,)).fetchone()
    return None if row is None else ExecutionRow(*row)


def executions(connection: sqlite3.Connection, machine_arn: str, page: Page, status: str | None) -> list[ExecutionRow]:
    """A page of a machine's executions, newest first, without payloads."""
    query = f"{_BRIEF} WHERE machine_arn = ? AND id < ? AND (? IS NULL OR status = ?) ORDER BY id DESC LIMIT ?"
    before = _LAST if page.after is None else page.after
    rows = connection.execute(query, (machine_arn, before, status, status, page.limit))
    return [ExecutionRow(*row) for row in rows]


def running_executions(connection: sqlite3.Connection) -> list[ExecutionRow]:
    """All that are RUNNING, oldest first."""
    return [ExecutionRow(*row) for row in connection.execute(f"{_WHOLE} WHERE status = 'RUNNING' ORDER BY id")]


def last_event_id(connection: sqlite3.Connection, execution_id: int) -> int:
    """The id of the last event kept; 0 if there is none."""
    query = "SELECT first_event_id + n - 1 FROM events WHERE execution_id = ? ORDER BY first_event_id DESC LIMIT 1"
    row = connection.execute(query, (execution_id,)).fetchone()
    return 0 if row is None else int(row[0])


def events(connection: sqlite3.Connection, execution_id: int, page: Page, reverse: bool) -> list[WireEvent]:
    """A page of an execution's events."""
    if reverse:
        before = _LAST if page.after is None else page.after
        condition, order, bound = "first_event_id < ?", "DESC", before
    else:
        condition, order, bound = "first_event_id + n > ?", "ASC", (page.after or 0) + 1
    query = f"SELECT blob FROM events WHERE execution_id = ? AND {condition} ORDER BY first_event_id {order}"
    found: list[WireEvent] = []
    for (blob,) in connection.execute(query, (execution_id, bound)):
        batch: list[WireEvent] = orjson.loads(blob)
        if reverse:
            found += [event for event in reversed(batch) if event["id"] < bound]
        else:
            found += [event for event in batch if event["id"] >= bound]
        if len(found) >= page.limit:
            break
    return found[: page.limit]


# --- map runs ---------------------------------------------------------------------------------------------

_MAP_RUN = """SELECT id, arn, execution_arn, machine_arn, label, start, child_type, status, stop, max_concurrency,
    tolerated_percentage, tolerated_count, item_counts, execution_counts, redrive_count, redrive_date, definition
    FROM map_runs"""


def map_run(connection: sqlite3.Connection, arn: str) -> MapRunRow | None:
    """One map run."""
    row = connection.execute(f"{_MAP_RUN} WHERE arn = ?", (arn,)).fetchone()
    return None if row is None else _map_run(row)


def map_runs(connection: sqlite3.Connection, execution_arn: str, page: Page) -> list[MapRunRow]:
    """A page of an execution's map runs, newest first."""
    query = f"{_MAP_RUN} WHERE execution_arn = ? AND id < ? ORDER BY id DESC LIMIT ?"
    before = _LAST if page.after is None else page.after
    return [_map_run(row) for row in connection.execute(query, (execution_arn, before, page.limit))]


def map_runs_of_label(connection: sqlite3.Connection, machine_arn: str, label: str) -> list[MapRunRow]:
    """All map runs of one Map state, newest first."""
    query = f"{_MAP_RUN} WHERE machine_arn = ? AND label = ? ORDER BY id DESC"
    return [_map_run(row) for row in connection.execute(query, (machine_arn, label))]


def running_map_runs(connection: sqlite3.Connection) -> list[MapRunRow]:
    """All that are RUNNING, oldest first."""
    return [_map_run(row) for row in connection.execute(f"{_MAP_RUN} WHERE status = 'RUNNING' ORDER BY id")]


def _map_run(row: tuple[Any, ...]) -> MapRunRow:
    return MapRunRow(*_decoded(row, 12, 13))


# --- children ---------------------------------------------------------------------------------------------

_INDEX_MASK = (1 << CHILD_BITS) - 1


def children(connection: sqlite3.Connection, map_run_id: int, page: Page, status: str | None) -> list[ChildRow]:
    """A page of a map run's ended children, the last index first, without payloads."""
    if status is None:
        condition, parameters = "", []
    elif status == "SUCCEEDED":
        condition, parameters = "AND status = ?", [status]
    else:  # said twice, so that SQLite sees that the partial index holds them all
        condition, parameters = "AND status <> 'SUCCEEDED' AND status = ?", [status]
    query = f"SELECT id, status, start, stop, item_count, error FROM children WHERE id >= ? AND id < ? {condition}"
    first = child_key(map_run_id, 0)
    end = child_key(map_run_id + 1, 0) if page.after is None else child_key(map_run_id, page.after)
    rows = connection.execute(f"{query} ORDER BY id DESC LIMIT ?", (first, end, *parameters, page.limit))
    return [
        ChildRow(map_run_id, key & _INDEX_MASK, state, start, stop, items, error=error)
        for key, state, start, stop, items, error in rows
    ]


def child(connection: sqlite3.Connection, map_run_id: int, index: int) -> ChildRow | None:
    """One ended child with its payloads."""
    query = "SELECT status, start, stop, item_count, input, output, error, cause FROM children WHERE id = ?"
    row = connection.execute(query, (child_key(map_run_id, index),)).fetchone()
    return None if row is None else ChildRow(map_run_id, index, *row)


def child_counts(connection: sqlite3.Connection, map_run_id: int) -> dict[str, tuple[int, int]]:
    """Status -> (children, items)."""
    query = "SELECT status, count(*), sum(item_count) FROM children WHERE id >= ? AND id < ? GROUP BY status"
    rows = connection.execute(query, (child_key(map_run_id, 0), child_key(map_run_id + 1, 0)))
    return {status: (count, items) for status, count, items in rows}


def child_events(connection: sqlite3.Connection, map_run_id: int, index: int) -> list[WireEvent]:
    """The history of one ended child."""
    row = connection.execute("SELECT events FROM children WHERE id = ?", (child_key(map_run_id, index),)).fetchone()
    found: list[WireEvent] = [] if row is None or row[0] is None else orjson.loads(row[0])
    return found


def _decoded(row: tuple[Any, ...], *json_columns: int) -> list[Any]:
    values = list(row)
    for column in json_columns:
        values[column] = orjson.loads(values[column])
    return values
