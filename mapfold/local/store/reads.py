"""The queries. Each takes a connection, so that it can run on any thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from mapfold.local.store.rows import ChildFilter, ChildRow, ExecutionRow, MachineRow, MapRunRow, Page, WireEvent
from mapfold.local.store.schema import CHILD_BITS, child_key

_LAST = 2**62
"""Greater than any id."""

PAGE_BYTES = 8_000_000
"""A page of rows with payloads ends after so many characters, however few rows that are."""


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
    error, {cause}, redrive_count, redrive_date, trace_header, NULL, NULL, version_arn, alias_arn
    FROM executions LEFT JOIN execution_origins ON execution_id = id"""
_WHOLE = _EXECUTION.format(input="input", output="output", cause="cause")
_BRIEF = _EXECUTION.format(input="''", output="NULL", cause="NULL")


def execution(connection: sqlite3.Connection, arn: str) -> ExecutionRow | None:
    """One execution with everything."""
    row = connection.execute(f"{_WHOLE} WHERE arn = ?", (arn,)).fetchone()
    return None if row is None else ExecutionRow(*row)


def executions(connection: sqlite3.Connection, machine_arn: str, page: Page, status: str | None) -> list[ExecutionRow]:
    """A page of the executions of a machine, or of its version or alias, newest first, without payloads."""
    origin = machine_arn.split(":")[7:]
    if not origin:
        column, key = "machine_arn", "id"
    else:
        column, key = ("version_arn" if origin[0].isdecimal() else "alias_arn"), "execution_id"
    query = f"{_BRIEF} WHERE {column} = ? AND {key} < ? AND (? IS NULL OR status = ?) ORDER BY {key} DESC LIMIT ?"
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


def event_blocks(connection: sqlite3.Connection, execution_id: int, after: int) -> list[tuple[int, bytes]]:
    """Some blocks of events whose first ids are greater than `after`, in order: (first id, encoded list)."""
    query = "SELECT first_event_id, blob FROM events WHERE execution_id = ? AND first_event_id > ?"
    rows = connection.execute(f"{query} ORDER BY first_event_id", (execution_id, after))
    return list(_within_bytes(rows))


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
    tolerated_percentage, tolerated_count, item_counts, execution_counts, redrive_count, redrive_date, definition,
    source_etag, all_started, result_files, child_head FROM map_runs"""


def map_run(connection: sqlite3.Connection, arn: str) -> MapRunRow | None:
    """One map run."""
    row = connection.execute(f"{_MAP_RUN} WHERE arn = ?", (arn,)).fetchone()
    return None if row is None else _map_run(row)


def map_runs(connection: sqlite3.Connection, execution_arn: str, page: Page) -> list[MapRunRow]:
    """A page of an execution's map runs, newest first."""
    query = f"{_MAP_RUN} WHERE execution_arn = ? AND id < ? ORDER BY id DESC LIMIT ?"
    before = _LAST if page.after is None else page.after
    return [_map_run(row) for row in connection.execute(query, (execution_arn, before, page.limit))]


def last_map_run_of_label(connection: sqlite3.Connection, machine_arn: str, label: str) -> MapRunRow | None:
    """The newest map run of one Map state."""
    query = f"{_MAP_RUN} WHERE machine_arn = ? AND label = ? ORDER BY id DESC LIMIT 1"
    row = connection.execute(query, (machine_arn, label)).fetchone()
    return None if row is None else _map_run(row)


def map_run_of_child(connection: sqlite3.Connection, child_head: str) -> MapRunRow | None:
    """The map run whose children's names begin like this."""
    row = connection.execute(f"{_MAP_RUN} WHERE child_head = ?", (child_head,)).fetchone()
    return None if row is None else _map_run(row)


def running_map_runs(connection: sqlite3.Connection) -> list[MapRunRow]:
    """All that are RUNNING, oldest first."""
    return [_map_run(row) for row in connection.execute(f"{_MAP_RUN} WHERE status = 'RUNNING' ORDER BY id")]


def _map_run(row: tuple[Any, ...]) -> MapRunRow:
    values = _decoded(row, 12, 13, 19)
    values[18] = bool(values[18])
    return MapRunRow(*values)


# --- children ---------------------------------------------------------------------------------------------

_INDEX_MASK = (1 << CHILD_BITS) - 1


def children(
    connection: sqlite3.Connection, map_run_id: int, page: Page, status: str | None, filter: ChildFilter
) -> list[ChildRow]:
    """A page of a map run's ended children, the last index first, without payloads."""
    first = child_key(map_run_id, 0)
    end = child_key(map_run_id + 1, 0) if page.after is None else child_key(map_run_id, page.after)
    source, conditions, parameters = _filtered(status, filter)
    columns = "id, status, start, stop, item_count, NULL, NULL, error, NULL, redrive_count, redrive_date, attempt"
    query = f"SELECT {columns} FROM children {source} WHERE id >= ? AND id < ? {conditions} ORDER BY id DESC LIMIT ?"
    return [_child(row) for row in connection.execute(query, (first, end, *parameters, page.limit))]


_INDEXED = "INDEXED BY exceptional_children"
_RUNS_AGAIN = "status <> 'SUCCEEDED' AND attempt < ? AND stop >= ? AND start >= ?"
"""`Redrive.runs_again`, of the rows that there are: they have a stop."""


def _filtered(status: str | None, filter: ChildFilter) -> tuple[str, str, list[Any]]:
    """(which index to use, conditions, their parameters). The partial index is used where it holds all that is asked."""
    source, conditions, parameters = "", [], list[Any]()
    if filter.redriven is not None:
        conditions.append(f"redrive_count {'>' if filter.redriven else '='} 0")
    if status is not None:
        conditions.append("status = ?")
        parameters.append(status)
    for redrive, are in ((filter.waiting, ""), (filter.settled, "NOT ")):
        if redrive is not None and status != "SUCCEEDED":
            conditions.append(f"{are}({_RUNS_AGAIN})")
            parameters += [redrive.attempt, redrive.stopped_since, redrive.started_since]
    if filter.waiting is not None or status not in (None, "SUCCEEDED"):
        source = _INDEXED
        conditions.append("status <> 'SUCCEEDED'")  # said twice, so that SQLite sees that the index holds them all
    elif filter.redriven:
        source = _INDEXED
    return source, "".join(f" AND {condition}" for condition in conditions), parameters


def child(connection: sqlite3.Connection, map_run_id: int, index: int) -> ChildRow | None:
    """One ended child with its payloads."""
    row = connection.execute(f"SELECT {_CHILD} FROM children WHERE id = ?", (child_key(map_run_id, index),)).fetchone()
    return None if row is None else _child(row)


def ended_children(connection: sqlite3.Connection, map_run_id: int, page: Page) -> list[ChildRow]:
    """A page of ended children in the order of their indexes, with payloads."""
    query = f"SELECT {_CHILD} FROM children WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (*_keys_after(map_run_id, page), page.limit))
    return [_child(row) for row in _within_bytes(rows)]


def children_to_redrive(
    connection: sqlite3.Connection, map_run_id: int, page: Page, attempt: int
) -> list[tuple[ChildRow, list[WireEvent]]]:
    """A page of the unsuccessful children that last ended before redrive `attempt`, with payloads and histories."""
    query = f"SELECT {_CHILD}, events FROM children WHERE id > ? AND id < ? {_UNSUCCESSFUL_BEFORE} ORDER BY id LIMIT ?"
    rows = connection.execute(query, (*_keys_after(map_run_id, page), attempt, page.limit))
    return [(_child(row[:-1]), [] if row[-1] is None else orjson.loads(row[-1])) for row in _within_bytes(rows)]


def redrive_counts(connection: sqlite3.Connection, map_run_id: int, attempt: int) -> dict[str, tuple[int, int]]:
    """Status -> (children, items) over the unsuccessful children that last ended before redrive `attempt`."""
    query = f"SELECT status, count(*), sum(item_count) FROM children WHERE id > ? AND id < ? {_UNSUCCESSFUL_BEFORE}"
    rows = connection.execute(f"{query} GROUP BY status", (*_keys_after(map_run_id, Page(0)), attempt))
    return {status: (count, items) for status, count, items in rows}


def saved_children(
    connection: sqlite3.Connection, map_run_id: int, page: Page
) -> list[tuple[ChildRow, list[WireEvent]]]:
    """A page of the snapshots of children that have not ended, in the order of their indexes.

    A snapshot that outlived its child's end (only what came first of the two was committed) is none.
    """
    query = f"SELECT {_SNAPSHOT} FROM running_children r WHERE id > ? AND id < ? AND {_UNENDED} ORDER BY id LIMIT ?"
    rows = connection.execute(query, (*_keys_after(map_run_id, page), page.limit))
    return [(_child(row[:-1]), orjson.loads(row[-1])) for row in _within_bytes(rows)]


def last_child_index(connection: sqlite3.Connection, map_run_id: int) -> int:
    """The greatest index of a child that has a row or a snapshot; -1 if none has."""
    keys = _keys_after(map_run_id, Page(0))
    query = "SELECT max(id) FROM {} WHERE id > ? AND id < ?"
    found = [connection.execute(query.format(table), keys).fetchone()[0] for table in ("children", "running_children")]
    return max([key & _INDEX_MASK for key in found if key is not None], default=-1)


_CHILD = "id, status, start, stop, item_count, input, output, error, cause, redrive_count, redrive_date, attempt"
_SNAPSHOT = "id, 'RUNNING', start, NULL, item_count, input, NULL, NULL, NULL, redrive_count, redrive_date, 0, events"
_UNSUCCESSFUL_BEFORE = "AND status <> 'SUCCEEDED' AND attempt < ?"
_UNENDED = "NOT EXISTS (SELECT 1 FROM children c WHERE c.id = r.id AND c.redrive_count >= r.redrive_count)"


def _child(row: Sequence[Any]) -> ChildRow:
    key = row[0]
    return ChildRow(key >> CHILD_BITS, key & _INDEX_MASK, *row[1:])


def _keys_after(map_run_id: int, page: Page) -> tuple[int, int]:
    """The keys between which (both excluded) the rows after the page's index are."""
    return child_key(map_run_id, 0 if page.after is None else page.after + 1) - 1, child_key(map_run_id + 1, 0)


def _within_bytes(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The first rows, until they hold `PAGE_BYTES`; always one at least."""
    size = 0
    for row in rows:
        yield row
        size += sum([len(value) for value in row if isinstance(value, str | bytes)])
        if size >= PAGE_BYTES:
            return


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
