"""The store: what the engine writes as things happen, and what the service reads.

Writes return at once (they are queued to the writer's thread; `flush` waits for them); reads flush first, then run on
connections of their own in two threads. All methods are called on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import orjson

from mapfold.local.store import reads, recovery
from mapfold.local.store.faults import StoreError, naming
from mapfold.local.store.publishing import PublishingStore
from mapfold.local.store.rows import (
    EVERY_CHILD,
    ChildFilter,
    ChildRow,
    ExecutionRow,
    MachineRow,
    MapRunRow,
    Page,
    WireEvent,
)
from mapfold.local.store.schema import CHILD_BITS, connect
from mapfold.local.store.tasks import TaskStore
from mapfold.local.store.writer import Bulk, Writer

T = TypeVar("T")

FILE = "stepfunctions.sqlite"

CHILDREN = Bulk("children", 13)
EVENTS = Bulk("events", 4)
ROOMY = (8_192, 32_000_000)
"""Operations and bytes that may wait for the writer before `room` makes its caller wait."""


class Store:
    """The executions of one data directory. Open with `open_store`.

    `failed` is set when a write failed (a full disk), or a read; `failure` then says how, and every later write and
    flush raises it. The owner of the engine watches it, and stops.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self.failed = asyncio.Event()
        self._writer = Writer(file, on_failure=lambda _: self.failed.set())
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        try:
            with naming(file, "read"), closing(connect(file, read_only=True)) as connection:
                self._machines = reads.current_machines(connection)
                self._execution_id, self._map_run_id, self._revision = reads.last_ids(connection)
                self.tasks = TaskStore(connection, self._writer.put)
                self.publishing = PublishingStore(connection, self._writer.put)
        except BaseException:
            self._writer.discard()
            raise
        self._writer.start()

    @property
    def failure(self) -> StoreError | None:
        """What went wrong with the file, if anything did."""
        return self._writer.failure

    @property
    def backlog(self) -> tuple[int, int]:
        """(operations, bytes) that wait to be written."""
        return self._writer.backlog

    async def flush(self) -> None:
        """Wait until everything written so far is committed. StoreError if it cannot be."""
        await self._writer.flush()

    async def room(self) -> None:
        """Return at once, or, when much waits to be written, once less does. Who makes many rows awaits this between.

        Not once nothing does: then the writer would do its work while its caller waits, and not beside it.
        """
        operations, size = self._writer.backlog
        while operations > ROOMY[0] or size > ROOMY[1]:
            await self._writer.progress()
            operations, size = self._writer.backlog

    async def close(self) -> None:
        """Commit what is left and close the file."""
        await self._writer.close()
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    # --- state machines: few, so they are in memory too ------------------------------------------------------

    def next_revision(self) -> int:
        """A number for a new revision of any state machine."""
        self._revision += 1
        return self._revision

    def put_machine(self, row: MachineRow) -> None:
        """Keep a new machine or a new revision of one; older revisions stay for the executions that run them."""
        self._machines[row.arn] = row
        values = (row.revision, row.arn, row.name, row.type, row.definition, row.role_arn, row.created, row.updated)
        more = (row.revision_id, _json(row.options), _json(row.tags))
        self._writer.put(f"INSERT OR REPLACE INTO machine_revisions VALUES ({_marks(11)})", values + more)
        self._writer.put("INSERT OR REPLACE INTO state_machines VALUES (?, ?)", (row.arn, row.revision))

    def delete_machine(self, arn: str) -> None:
        """Forget a machine; its executions and their definitions stay."""
        if self._machines.pop(arn, None) is not None:
            self._writer.put("DELETE FROM state_machines WHERE arn = ?", (arn,))

    def machine(self, arn: str) -> MachineRow | None:
        """The machine's current revision."""
        return self._machines.get(arn)

    def machines(self) -> list[MachineRow]:
        """All machines, newest first."""
        return sorted(self._machines.values(), key=lambda row: (row.created, row.revision), reverse=True)

    async def machine_revision(self, revision: int) -> MachineRow | None:
        """The machine as it was at `revision`."""
        return await self._read(lambda connection: reads.machine_revision(connection, revision))

    # --- executions -----------------------------------------------------------------------------------------

    def next_execution_id(self) -> int:
        """A number for a new execution; ids grow in the order of starts."""
        self._execution_id += 1
        return self._execution_id

    def execution_started(self, row: ExecutionRow) -> None:
        """Keep a new execution."""
        values = (row.id, row.arn, row.machine_arn, row.machine_revision, row.name, row.type, row.status, row.start)
        more = (row.stop, row.input, row.output, row.error, row.cause, row.redrive_count, row.redrive_date)
        self._writer.put(
            f"INSERT INTO executions VALUES ({_marks(16)})", (*values, *more, row.trace_header), len(row.input)
        )
        if row.version_arn is not None:
            self.publishing.execution_started_by(row.id, row.version_arn, row.alias_arn)

    def execution_ended(
        self,
        execution_id: int,
        *,
        status: str,
        stop: float,
        output: str | None = None,
        error: str | None = None,
        cause: str | None = None,
    ) -> None:
        """Keep how an execution ended."""
        self._writer.put(
            "UPDATE executions SET status = ?, stop = ?, output = ?, error = ?, cause = ? WHERE id = ?",
            (status, stop, output, error, cause, execution_id),
        )

    def add_events(self, execution_id: int, first_event_id: int, count: int, blob: bytes) -> None:
        """Keep `count` events of an execution, ids from `first_event_id`: an orjson-encoded list of WireEvents."""
        self._writer.put(EVENTS, (execution_id, first_event_id, count, blob), len(blob))

    def forget_events(self, execution_id: int) -> None:
        """Forget the history of an execution that begins anew."""
        self._writer.put("DELETE FROM events WHERE execution_id = ?", (execution_id,))

    def execution_stopping(self, execution_id: int, stop: float, error: str | None, cause: str | None) -> None:
        """Keep that a running execution was told to stop. Until it has, it is RUNNING with a stop date."""
        self._writer.put(
            "UPDATE executions SET stop = ?, error = ?, cause = ? WHERE id = ?", (stop, error, cause, execution_id)
        )

    def execution_redriven(self, execution_id: int, redrive_count: int, redrive_date: float) -> None:
        """Keep that an ended execution runs again."""
        self._writer.put(
            """UPDATE executions SET status = 'RUNNING', stop = NULL, output = NULL, error = NULL, cause = NULL,
            redrive_count = ?, redrive_date = ? WHERE id = ?""",
            (redrive_count, redrive_date, execution_id),
        )

    async def execution(self, arn: str) -> ExecutionRow | None:
        """The execution (not a map run's child) with this ARN."""
        return await self._read(lambda connection: reads.execution(connection, arn))

    async def executions(self, machine_arn: str, page: Page, *, status: str | None = None) -> list[ExecutionRow]:
        """Executions of a machine, or that its version or alias with this ARN started, newest first.

        Without their inputs and outputs. `page.after` is an id.
        """
        return await self._read(lambda connection: reads.executions(connection, machine_arn, page, status))

    async def events(self, execution_id: int, page: Page, *, reverse: bool = False) -> list[WireEvent]:
        """Events of an execution in the order of their ids (or against it). `page.after` is an event's id."""
        return await self._read(lambda connection: reads.events(connection, execution_id, page, reverse))

    async def all_events(self, execution_id: int) -> AsyncIterator[list[WireEvent]]:
        """All events of an execution in order, block by block as they were written."""
        after = 0
        while blocks := await self._read(partial(reads.event_blocks, execution_id=execution_id, after=after)):
            for _, blob in blocks:
                yield orjson.loads(blob)
            after = blocks[-1][0]

    async def last_event_id(self, execution_id: int) -> int:
        """The id of an execution's last event, which is how many it has; 0 if it has none."""
        return await self._read(lambda connection: reads.last_event_id(connection, execution_id))

    async def unfinished(self) -> recovery.Unfinished:
        """The executions and map runs that are RUNNING in the store."""
        return await self._read(recovery.find_unfinished)

    # --- map runs and their children --------------------------------------------------------------------------

    def next_map_run_id(self) -> int:
        """A number for a new map run."""
        self._map_run_id += 1
        return self._map_run_id

    def map_run_saved(self, row: MapRunRow) -> None:
        """Keep a map run, new or known, as it is now (status, counts, settings)."""
        values = (row.id, row.arn, row.execution_arn, row.machine_arn, row.label, row.child_type, row.status, row.start)
        more = (row.stop, row.max_concurrency, row.tolerated_percentage, row.tolerated_count, _json(row.item_counts))
        rest = (_json(row.execution_counts), row.redrive_count, row.redrive_date, row.definition)
        last = (row.source_etag, row.all_started, orjson.dumps(list(row.result_files)).decode(), row.child_head)
        self._writer.put(f"INSERT OR REPLACE INTO map_runs VALUES ({_marks(21)})", (*values, *more, *rest, *last))

    def child_ended(
        self,
        map_run_id: int,
        index: int,
        status: str,
        start: float,
        stop: float | None,
        item_count: int,
        input: str | None,
        output: str | None,
        error: str | None = None,
        cause: str | None = None,
        events: bytes | None = None,
        redrive_count: int = 0,
        redrive_date: float | None = None,
        attempt: int = 0,
        was_saved: bool = False,
    ) -> None:
        """Keep a child that has ended, with its whole history (an orjson-encoded list of WireEvents).

        `attempt` is the redrive count of its map run; `was_saved`: it has a snapshot, which goes.
        Positional and flat for speed: it is called once per child, 2 µs on the event loop.
        """
        key = (map_run_id << CHILD_BITS) | index
        size = (len(input) if input else 0) + (len(output) if output else 0) + (len(events) if events else 0)
        redrive = redrive_count, redrive_date, attempt
        row = (key, status, start, stop, item_count, *redrive, error, input, output, cause, events)
        self._writer.put(CHILDREN, row, size)
        if was_saved:
            self._writer.put("DELETE FROM running_children WHERE id = ?", (key,))

    def child_saved(
        self,
        map_run_id: int,
        index: int,
        start: float,
        item_count: int,
        input: str,
        events: bytes,
        redrive_count: int = 0,
        redrive_date: float | None = None,
    ) -> None:
        """Keep where a child stands that has not ended: its history so far, which replaces what was saved before."""
        key = (map_run_id << CHILD_BITS) | index
        row = (key, start, item_count, redrive_count, redrive_date, input, events)
        statement = f"INSERT OR REPLACE INTO running_children VALUES ({_marks(7)})"
        self._writer.put(statement, row, len(input) + len(events))

    async def map_run(self, arn: str) -> MapRunRow | None:
        """The map run with this ARN, as last saved."""
        return await self._read(lambda connection: reads.map_run(connection, arn))

    async def map_runs(self, execution_arn: str, page: Page) -> list[MapRunRow]:
        """Map runs of an execution, newest first. `page.after` is an id."""
        return await self._read(lambda connection: reads.map_runs(connection, execution_arn, page))

    async def last_map_run_of_label(self, machine_arn: str, label: str) -> MapRunRow | None:
        """The newest map run of a machine's Map with this label."""
        return await self._read(lambda connection: reads.last_map_run_of_label(connection, machine_arn, label))

    async def map_run_of_child(self, child_head: str) -> MapRunRow | None:
        """The map run with this `child_head`, as last saved."""
        return await self._read(lambda connection: reads.map_run_of_child(connection, child_head))

    async def children(
        self, map_run_id: int, page: Page, *, status: str | None = None, filter: ChildFilter = EVERY_CHILD
    ) -> list[ChildRow]:
        """Children of a map run that have ended, the last index first, without payloads. `page.after` is an index."""
        return await self._read(lambda connection: reads.children(connection, map_run_id, page, status, filter))

    async def child(self, map_run_id: int, index: int) -> ChildRow | None:
        """One child that has ended, with its payloads."""
        return await self._read(lambda connection: reads.child(connection, map_run_id, index))

    async def ended_children(self, map_run_id: int, page: Page) -> list[ChildRow]:
        """Children that have ended in the order of their indexes, with payloads. `page.after` is an index.

        A page may be shorter than its limit, where payloads are long; it is empty only after the last child.
        """
        return await self._read(lambda connection: reads.ended_children(connection, map_run_id, page))

    async def children_to_redrive(
        self, map_run_id: int, page: Page, *, attempt: int
    ) -> list[tuple[ChildRow, list[WireEvent]]]:
        """Unsuccessful children that last ended before redrive `attempt`, with histories; paged as `ended_children`.

        A child that runs again is among them until it has ended again: its snapshot is in `saved_children`.
        """
        return await self._read(lambda connection: reads.children_to_redrive(connection, map_run_id, page, attempt))

    async def saved_children(self, map_run_id: int, page: Page) -> list[tuple[ChildRow, list[WireEvent]]]:
        """Snapshots of children that have not ended (status RUNNING), with histories; paged as `ended_children`."""
        return await self._read(lambda connection: reads.saved_children(connection, map_run_id, page))

    async def redrive_counts(self, map_run_id: int, *, attempt: int) -> dict[str, tuple[int, int]]:
        """Status -> (children, items) over the unsuccessful children that last ended before redrive `attempt`."""
        return await self._read(lambda connection: reads.redrive_counts(connection, map_run_id, attempt))

    async def last_child_index(self, map_run_id: int) -> int:
        """The greatest index among the children that have ended or were saved; -1 if there are none."""
        return await self._read(lambda connection: reads.last_child_index(connection, map_run_id))

    async def child_counts(self, map_run_id: int) -> dict[str, tuple[int, int]]:
        """Status -> (children, items) over the children that have ended."""
        return await self._read(lambda connection: reads.child_counts(connection, map_run_id))

    async def child_events(self, map_run_id: int, index: int) -> list[WireEvent]:
        """The history of a child that has ended; empty if none was kept."""
        return await self._read(lambda connection: reads.child_events(connection, map_run_id, index))

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        await self._writer.flush()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, query)
        except StoreError as error:
            # Whoever asked might take it for the execution's own fault, and write that down.
            self._writer.fail(error)
            raise

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        with naming(self.file, "read"):
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = connect(self.file, read_only=True)
                self._connections.append(connection)
            return query(connection)


@asynccontextmanager
async def open_store(data: Path) -> AsyncIterator[Store]:
    """The store in a data directory (made if needed).

    StoreError if its file is not ours to read, and at the end if anything could not be written.

    Hold `lock_data_directory` meanwhile: two processes would give out the same ids.
    """
    store = Store(data / FILE)
    try:
        yield store
    finally:
        await store.close()
    if store.failure is not None:  # the last writes count as well
        raise store.failure


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _json(value: Mapping[str, object]) -> str:
    return orjson.dumps(dict(value)).decode()
