"""The tables, and what a store's file says of its version.

A child's key is one integer, `map_run_id * 2**32 + child_index`: SQLite's rowid, so a child costs one B-tree
insert, and a map run's children lie side by side in order. What is long in its row comes last, so that a listing does
not read it.

A child has its row in `children` when it has ended, and not before. One that runs for long has a snapshot in
`running_children` meanwhile, with the same key, which is deleted when it ends.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mapfold.local.store import publishing, tasks
from mapfold.local.store.faults import StoreError, naming

VERSION = 2
"""`PRAGMA user_version` of a file with these tables. A change of the tables raises it, and says how to migrate."""

CHILD_BITS = 32


TABLES = """
CREATE TABLE machine_revisions (
    revision INTEGER PRIMARY KEY,
    arn TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    definition TEXT NOT NULL,
    role_arn TEXT NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    revision_id TEXT,
    options TEXT NOT NULL,
    tags TEXT NOT NULL
);
CREATE TABLE state_machines (
    arn TEXT PRIMARY KEY,
    revision INTEGER NOT NULL REFERENCES machine_revisions
);
CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    arn TEXT NOT NULL UNIQUE,
    machine_arn TEXT NOT NULL,
    machine_revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    start REAL NOT NULL,
    stop REAL,
    input TEXT NOT NULL,
    output TEXT,
    error TEXT,
    cause TEXT,
    redrive_count INTEGER NOT NULL,
    redrive_date REAL,
    trace_header TEXT
);
CREATE INDEX executions_of_machine ON executions (machine_arn, id);
CREATE INDEX unfinished_executions ON executions (id) WHERE status = 'RUNNING';
CREATE TABLE events (
    execution_id INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    n INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (execution_id, first_event_id)
);
CREATE TABLE map_runs (
    id INTEGER PRIMARY KEY,
    arn TEXT NOT NULL UNIQUE,
    execution_arn TEXT NOT NULL,
    machine_arn TEXT NOT NULL,
    label TEXT NOT NULL,
    child_type TEXT NOT NULL,
    status TEXT NOT NULL,
    start REAL NOT NULL,
    stop REAL,
    max_concurrency INTEGER NOT NULL,
    tolerated_percentage REAL NOT NULL,
    tolerated_count INTEGER NOT NULL,
    item_counts TEXT NOT NULL,
    execution_counts TEXT NOT NULL,
    redrive_count INTEGER NOT NULL,
    redrive_date REAL,
    definition TEXT NOT NULL,
    source_etag TEXT,
    all_started INTEGER NOT NULL,
    result_files TEXT NOT NULL,
    child_head TEXT NOT NULL
);
CREATE INDEX map_runs_of_execution ON map_runs (execution_arn, id);
CREATE INDEX map_runs_of_machine ON map_runs (machine_arn, label, id);
CREATE INDEX map_runs_of_children ON map_runs (child_head);
CREATE TABLE children (
    id INTEGER PRIMARY KEY,
    status TEXT NOT NULL,
    start REAL NOT NULL,
    stop REAL,
    item_count INTEGER NOT NULL,
    redrive_count INTEGER NOT NULL,
    redrive_date REAL,
    attempt INTEGER NOT NULL,
    error TEXT,
    input TEXT,
    output TEXT,
    cause TEXT,
    events BLOB
);
-- Most children succeed at once: an index of the others finds them among a million, and costs the rest little. It has
-- all that listings filter by.
CREATE INDEX exceptional_children ON children (id, status, attempt, redrive_count, stop, start, item_count)
    WHERE status <> 'SUCCEEDED' OR redrive_count > 0;
CREATE TABLE running_children (
    id INTEGER PRIMARY KEY,
    start REAL NOT NULL,
    item_count INTEGER NOT NULL,
    redrive_count INTEGER NOT NULL,
    redrive_date REAL,
    input TEXT NOT NULL,
    events BLOB NOT NULL
);
"""


def connect(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection whose transactions are written out (no hidden BEGIN)."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=256)
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Set the file up, or check that its version is ours. StoreError if it is not, or not a store at all.

    WAL with synchronous=NORMAL: what was committed survives the end of the process at any moment (a kill too); a
    power cut may cost the last commits, never the file's consistency.
    """
    with naming(file, "opened as a store"):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            # A child with its history is some 1.4 KB. Measured: 4.0 µs of CPU a child, 6.2 with 8 KiB, 5.4 with 32.
            connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 2000")
        connection.execute("PRAGMA cache_size = -8000")
        if version == 0:
            connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version == VERSION:
            # Of nothing: a file that may only be read is refused now, not at the first write.
            connection.execute("DELETE FROM state_machines WHERE arn IS NULL")
    if version not in (0, VERSION):
        raise StoreError(
            f"{file}: was written by another version of Mapfold (store version {version}, this one reads {VERSION}). "
            "Use that version, or choose another --data."
        )
    with naming(file, "opened as a store"):
        connection.executescript(f"BEGIN; {publishing.TABLES} {tasks.TABLES} COMMIT;")


def child_key(map_run_id: int, index: int) -> int:
    """The key of a child's rows."""
    return (map_run_id << CHILD_BITS) | index
