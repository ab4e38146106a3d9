"""The one thread that writes: it takes what the event loop queued and commits it in batches.

The event loop only appends to a deque. The thread wakes at the first operation, waits up to 50 ms for company (or for
2,000 rows, or for a flush), and commits everything that is there in one transaction.

Rows of the big tables go in by many-row INSERTs, not by executemany: sqlite3 lets the GIL go at every step of a
statement and has to win it back from the event loop, once per row with executemany, once per 512 rows here. Measured
with a busy loop and 128 rows: 12.8 µs of CPU a child with its history, 16.0 with executemany.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mapfold.local.store.faults import StoreError, naming, store_error
from mapfold.local.store.schema import connect, prepare

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.05
BATCH_ROWS = 2_000
BATCH_BYTES = 8_000_000
TRANSACTION_ROWS = 4_096
"""A transaction takes no more than this, so that a flush never waits for an endless one."""


@dataclass(frozen=True, slots=True, eq=False)
class Bulk:
    """A table that rows are only added to (or replaced in whole), in any order."""

    table: str
    columns: int

    def insert(self, rows: int) -> str:
        """The statement that adds so many rows."""
        values = "(" + ",".join("?" * self.columns) + ")"
        return f"INSERT OR REPLACE INTO {self.table} VALUES " + ",".join([values] * rows)


CHUNKS = (512, 64, 8, 1)

Target = Bulk | str | asyncio.Future[None]
"""What to do: add a row, run a statement, or say that everything before is committed."""

Operation = tuple[Target, Any, int]
"""(target, row or parameters, size in bytes)."""


class Writer:
    """The queue and its thread. All methods but the thread's own are called on the event loop's thread."""

    def __init__(self, file: Path, *, on_failure: Callable[[StoreError], None]) -> None:
        self.failure: StoreError | None = None
        self._file = file
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Operation] = deque()
        self._queued_bytes = 0
        self._written_bytes = 0
        self._busy = False
        self._closing = False
        self._something = threading.Event()
        self._enough = threading.Event()
        with naming(file, "opened as a store"):
            self._connection = connect(file)
        try:
            prepare(self._connection, file)
        except StoreError:
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def discard(self) -> None:
        """Close the file, in place of `start`."""
        self._connection.close()

    @property
    def backlog(self) -> tuple[int, int]:
        """(operations, bytes) that wait to be written."""
        return len(self._queue), self._queued_bytes - self._written_bytes

    def put(self, target: Bulk | str, row: Sequence[Any], size: int = 0) -> None:
        """Queue a row or a statement. StoreError if an earlier write failed: nothing is dropped in silence."""
        if self.failure is not None:
            raise self.failure
        queue = self._queue
        queue.append((target, row, size))
        if size:
            self._queued_bytes += size
        waiting = len(queue)
        if waiting == 1:
            self._something.set()
        much = waiting >= BATCH_ROWS or (size and self._queued_bytes - self._written_bytes > BATCH_BYTES)
        if much and not self._enough.is_set():
            self._enough.set()

    async def flush(self) -> None:
        """Wait until everything queued so far is committed. StoreError if that failed."""
        if self.failure is not None:
            raise self.failure
        if not self._queue and not self._busy:  # the thread says that it is busy before it takes anything
            return
        await self._committed(self._queue.append)

    async def progress(self) -> None:
        """Wait until the next transaction is committed, whatever is behind it. StoreError if that failed."""
        await self._committed(self._queue.appendleft)

    async def _committed(self, enqueue: Callable[[Operation], None]) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closing:
            raise StoreError(f"{self._file}: is closed")
        done: asyncio.Future[None] = self._loop.create_future()
        enqueue((done, None, 0))
        self._something.set()
        self._enough.set()
        await done

    async def close(self) -> None:
        """Write what is left, and end the thread. Does not raise: `failure` says how it went."""
        self._closing = True
        self._something.set()
        self._enough.set()
        await asyncio.to_thread(self._thread.join)

    def fail(self, failure: StoreError) -> None:
        """Take nothing more: the file could not be read. What was queued before is still written."""
        if self.failure is None:
            self.failure = failure
            self._on_failure(failure)

    def _give_up(self, waiting: list[asyncio.Future[None]], failure: StoreError) -> None:
        """Tell everybody who waits. On the loop's thread, where after `failure` is set nobody new can come."""
        waiting += [target for target, _, _ in self._queue if isinstance(target, asyncio.Future)]
        self._queue.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(failure)
        self._on_failure(failure)

    # --- on the writer's thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        waiting: list[asyncio.Future[None]] = []
        try:
            while self._take_and_write(waiting):
                pass
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:
            # Whatever it was, nothing more can be written: everybody who waits, and the store's owner, hear of it.
            failure = store_error(self._file, "written", error)
            failure.__cause__ = error
            self.failure = failure
            if not isinstance(error, sqlite3.Error | OSError):  # of those the message says all
                log.exception("store failed")
            self._call(self._give_up, list(waiting), failure)
        finally:
            self._connection.close()

    def _take_and_write(self, waiting: list[asyncio.Future[None]]) -> bool:
        """Write one batch; False when there is nothing left to do for ever."""
        queue = self._queue
        if not queue:
            if self._closing:
                return False
            self._something.wait()
            self._something.clear()
        self._enough.wait(LINGER_SECONDS)
        self._enough.clear()
        self._busy = True
        batch = [queue.popleft() for _ in range(min(len(queue), TRANSACTION_ROWS))]
        waiting[:] = [target for target, _, _ in batch if isinstance(target, asyncio.Future)]
        if len(batch) > len(waiting):
            self._write(batch)
        self._written_bytes += sum([size for _, _, size in batch])
        self._busy = bool(queue)
        if waiting:
            self._call(_finish, list(waiting))
            waiting.clear()
        return True

    def _write(self, batch: Sequence[Operation]) -> None:
        execute = self._connection.execute
        bulks: dict[Bulk, list[Sequence[Any]]] = {}
        execute("BEGIN IMMEDIATE")
        try:
            for target, row, _ in batch:
                if isinstance(target, Bulk):
                    rows = bulks.get(target)
                    if rows is None:
                        bulks[target] = [row]
                    else:
                        rows.append(row)
                elif isinstance(target, str):
                    execute(target, row)
            for bulk, rows in bulks.items():
                self._insert(bulk, rows)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def _insert(self, bulk: Bulk, rows: list[Sequence[Any]]) -> None:
        at = 0
        for chunk in CHUNKS:
            while len(rows) - at >= chunk:
                parameters = list(chain.from_iterable(rows[at : at + chunk]))
                self._connection.execute(bulk.insert(chunk), parameters)
                at += chunk

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            log.warning("store outlived its event loop")


def _finish(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
