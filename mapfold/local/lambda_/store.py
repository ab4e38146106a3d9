"""What survives a restart: functions, their versions, layers, mappings and logs, in one SQLite file that one thread writes.

Logs are written in batches: a map of thousands of printing handlers costs a transaction every 100 ms, not each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, TypeVar

from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.functions import Function, Layer
from mapfold.local.lambda_.layers import LayerVersion
from mapfold.local.lambda_.logs import LogRecord
from mapfold.local.lambda_.versions import Alias
from mapfold.local.store import StoreError, naming

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_LOGS = 200_000
"""Invocations whose logs are kept; the oldest go first."""

_FLUSH_SECONDS = 0.1
_MAX_PENDING_BYTES = 64 * 1024 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS functions (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    function TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (function, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_versions (function TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aliases (
    function TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (function, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS concurrency (function TEXT PRIMARY KEY, reserved INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layers (
    name TEXT NOT NULL, number INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (name, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_layers (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event_source_mappings (uuid TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL, function TEXT NOT NULL, version TEXT NOT NULL, started REAL NOT NULL,
    duration_ms REAL NOT NULL, memory_mb INTEGER NOT NULL, peak_memory_mb INTEGER NOT NULL, init_ms REAL,
    status TEXT NOT NULL, output BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_by_request ON logs (request_id);
"""

_LOG_COLUMNS = "request_id, function, version, started, duration_ms, memory_mb, peak_memory_mb, init_ms, status, output"


class LambdaStore:
    """The file `path`. Open it with `async with`; closing writes what is pending.

    What cannot be opened, read or written is a StoreError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lambda-store")
        self._pending: list[LogRecord] = []
        self._pending_bytes = 0
        self._dropped = 0
        self._flushing: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._run(self._open)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._flush()
        await self._run(lambda: self._connection.close())
        self._thread.shutdown()

    async def functions(self) -> list[Function]:
        """All functions, by name."""
        rows = await self._run(lambda: self._read("SELECT document FROM functions"))
        return sorted((_read_function(document) for (document,) in rows), key=lambda function: function.name)

    async def put_function(self, function: Function) -> None:
        """Keep `function`, in place of what had its name."""
        row = (function.name, _document(function))
        await self._run(lambda: self._write("INSERT OR REPLACE INTO functions VALUES (?, ?)", [row]))

    async def delete_function(self, name: str) -> None:
        """Forget the function; its logs stay."""
        await self._run(lambda: self._write("DELETE FROM functions WHERE name = ?", [(name,)]))

    async def versions(self) -> list[Function]:
        """All published versions."""
        rows = await self._run(lambda: self._read("SELECT document FROM versions"))
        return [_read_function(document) for (document,) in rows]

    async def last_versions(self) -> dict[str, int]:
        """The number of each function's newest version, one that was deleted since included."""
        return dict(await self._run(lambda: self._read("SELECT function, version FROM last_versions")))

    async def put_version(self, version: Function) -> None:
        """Keep a version that is published, and that its number is used."""
        number = int(version.version)
        await self._run(
            lambda: self._write_all(
                ("INSERT OR REPLACE INTO versions VALUES (?, ?, ?)", (version.name, number, _document(version))),
                ("INSERT OR REPLACE INTO last_versions VALUES (?, ?)", (version.name, number)),
            )
        )

    async def delete_version(self, function: str, version: str) -> None:
        """Forget one version."""
        statement = "DELETE FROM versions WHERE function = ? AND version = ?"
        await self._run(lambda: self._write_all((statement, (function, int(version)))))

    async def delete_versions(self, function: str) -> None:
        """Forget all versions, aliases and settings of a function."""
        tables = ("versions", "last_versions", "aliases", "concurrency")
        statements = [(f"DELETE FROM {table} WHERE function = ?", (function,)) for table in tables]
        await self._run(lambda: self._write_all(*statements))

    async def aliases(self) -> list[Alias]:
        """All aliases."""
        rows = await self._run(lambda: self._read("SELECT document FROM aliases"))
        return [Alias(**json.loads(document)) for (document,) in rows]

    async def put_alias(self, alias: Alias) -> None:
        """Keep `alias`, in place of what had its name."""
        row = (alias.function, alias.name, json.dumps(asdict(alias)))
        await self._run(lambda: self._write_all(("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)", row)))

    async def delete_alias(self, function: str, name: str) -> None:
        """Forget an alias."""
        statement = "DELETE FROM aliases WHERE function = ? AND name = ?"
        await self._run(lambda: self._write_all((statement, (function, name))))

    async def reserved(self) -> dict[str, int]:
        """The reserved concurrency of each function that has one."""
        return dict(await self._run(lambda: self._read("SELECT function, reserved FROM concurrency")))

    async def put_reserved(self, function: str, reserved: int | None) -> None:
        """Keep a function's reserved concurrency; None: it has none."""
        change: tuple[str, tuple[object, ...]] = ("DELETE FROM concurrency WHERE function = ?", (function,))
        if reserved is not None:
            change = ("INSERT OR REPLACE INTO concurrency VALUES (?, ?)", (function, reserved))
        await self._run(lambda: self._write_all(change))

    async def layers(self) -> list[LayerVersion]:
        """All versions of layers."""
        rows = await self._run(lambda: self._read("SELECT document FROM layers"))
        return [_read_layer(document) for (document,) in rows]

    async def last_layers(self) -> dict[str, int]:
        """The number of each layer's newest version, one that was deleted since included."""
        return dict(await self._run(lambda: self._read("SELECT name, number FROM last_layers")))

    async def put_layer(self, layer: LayerVersion) -> None:
        """Keep a version of a layer, and that its number is used."""
        document = json.dumps(asdict(layer) | {"folder": str(layer.folder)})
        await self._run(
            lambda: self._write_all(
                ("INSERT OR REPLACE INTO layers VALUES (?, ?, ?)", (layer.name, layer.number, document)),
                ("INSERT OR REPLACE INTO last_layers VALUES (?, ?)", (layer.name, layer.number)),
            )
        )

    async def delete_layer(self, name: str, number: int) -> None:
        """Forget a version of a layer."""
        statement = "DELETE FROM layers WHERE name = ? AND number = ?"
        await self._run(lambda: self._write_all((statement, (name, number))))

    async def mappings(self) -> list[EventSourceMapping]:
        """All event source mappings."""
        rows = await self._run(lambda: self._read("SELECT document FROM event_source_mappings"))
        return [EventSourceMapping(**json.loads(document)) for (document,) in rows]

    async def put_mapping(self, mapping: EventSourceMapping) -> None:
        """Keep `mapping`, in place of what had its UUID."""
        row = (mapping.uuid, json.dumps(asdict(mapping)))
        await self._run(lambda: self._write("INSERT OR REPLACE INTO event_source_mappings VALUES (?, ?)", [row]))

    async def delete_mapping(self, uuid: str) -> None:
        """Forget the mapping."""
        await self._run(lambda: self._write("DELETE FROM event_source_mappings WHERE uuid = ?", [(uuid,)]))

    def keep_log(self, record: LogRecord) -> None:
        """Write `record` soon. If the disk does not keep up, logs are dropped (and counted), never memory filled."""
        if self._pending_bytes > _MAX_PENDING_BYTES:
            self._dropped += 1
            return
        self._pending.append(record)
        self._pending_bytes += len(record.output)
        if self._flushing is None:
            self._flushing = self._loop.call_later(_FLUSH_SECONDS, self._flush)

    async def log(self, request_id: str) -> LogRecord | None:
        """The log of one invocation, or None if it printed nothing (or is not known, or too old)."""
        self._flush()
        query = f"SELECT {_LOG_COLUMNS} FROM logs WHERE request_id = ? ORDER BY number DESC LIMIT 1"
        rows = await self._run(lambda: self._read(query, request_id))
        return LogRecord(*rows[0]) if rows else None

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, work)

    def _open(self) -> None:
        with naming(self._path, "opened"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
                self._connection.execute("DELETE FROM functions WHERE name = ''")  # refuses a file that is read-only
            except BaseException:
                self._connection.close()
                raise

    def _read(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        with naming(self._path, "read"):
            return self._connection.execute(query, parameters).fetchall()

    def _write(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        self._write_all(*((statement, row) for row in rows))

    def _write_all(self, *changes: tuple[str, tuple[object, ...]]) -> None:
        """All of the changes, or none."""
        with naming(self._path, "written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, row in changes:
                    self._connection.execute(statement, row)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself ends it when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def _flush(self) -> None:
        """Hand what is pending to the thread; it works first in, first out, so a later read sees it."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._pending:
            batch, self._pending = self._pending, []
            size = sum(len(record.output) for record in batch)
            written = self._loop.run_in_executor(self._thread, self._write_logs, batch)
            written.add_done_callback(lambda _: self._written(size))

    def _written(self, size: int) -> None:
        self._pending_bytes -= size
        if self._dropped:
            logger.warning("the logs of %d invocations were dropped: the disk is too slow", self._dropped)
            self._dropped = 0

    def _write_logs(self, batch: list[LogRecord]) -> None:
        marks = ", ".join("?" * len(_LOG_COLUMNS.split(", ")))
        try:
            self._write(f"INSERT INTO logs ({_LOG_COLUMNS}) VALUES ({marks})", [_log_row(record) for record in batch])
            self._write(f"DELETE FROM logs WHERE number <= (SELECT max(number) FROM logs) - {MAX_LOGS}", [()])
        except StoreError as error:
            # A full disk must not end invocations; their logs are what is lost.
            logger.warning("the logs of %d invocations are lost: %s", len(batch), error)


def _log_row(record: LogRecord) -> tuple[object, ...]:
    return tuple(getattr(record, column) for column in _LOG_COLUMNS.split(", "))


def _document(function: Function) -> str:
    return json.dumps(asdict(function), default=str)  # paths are all that JSON does not have


def _read_function(document: str) -> Function:
    values = json.loads(document)
    layers = tuple(Layer(**layer | {"folder": Path(layer["folder"])}) for layer in values.pop("layers", ()))
    return Function(**values | {"folder": Path(values["folder"]), "layers": layers})


def _read_layer(document: str) -> LayerVersion:
    values = json.loads(document)
    lists = {name: tuple(values[name]) for name in ("runtimes", "architectures")}
    return LayerVersion(**values | lists | {"folder": Path(values["folder"])})
