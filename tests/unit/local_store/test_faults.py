"""What is said when a file cannot be opened, read or written (rules: `mapfold/local/store/faults.py`)."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mapfold.local.lambda_.store import LambdaStore
from mapfold.local.store import StoreError, lock_data_directory, open_store
from mapfold.local.store.faults import naming
from tests.unit.local_store.conftest import events, execution

PAGE_BYTES = 16_384


async def damaged(data: Path, table: str) -> Path:
    """A store with an execution and its event, and then noise in the first page of `table`."""
    async with open_store(data) as store:
        store.execution_started(execution(1))
        store.add_events(1, 1, 1, events(1, 1))
    with closing(sqlite3.connect(store.file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with store.file.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)
    return store.file


async def test_a_store_that_is_damaged_where_a_start_looks_is_named(tmp_path: Path) -> None:
    """With SQLite's name of the error and what to do; the file stays as it is."""
    file = await damaged(tmp_path, "state_machines")
    before = file.read_bytes()

    with pytest.raises(StoreError, match=rf"^{file}: cannot be .*\(SQLITE_CORRUPT\)\. It is damaged: restore it"):
        async with open_store(tmp_path):
            pass

    assert file.read_bytes() == before


async def read_and_write(data: Path) -> None:
    """Read the events, which fails, and write how the execution ended, as if that had been its own fault."""
    async with open_store(data) as store:
        with pytest.raises(StoreError, match=r"cannot be read: .*\(SQLITE_CORRUPT\)"):
            [page async for page in store.all_events(1)]
        assert store.failed.is_set()
        store.execution_ended(1, status="FAILED", stop=2.0)


async def test_after_a_read_that_failed_nothing_is_written(tmp_path: Path) -> None:
    """
    The engine stops, as it does after a failed write: an execution that could not be read back would else be ended,
    and could not go on when the file is well again.
    """
    file = await damaged(tmp_path, "events")

    with pytest.raises(StoreError, match="cannot be read"):
        await read_and_write(tmp_path)

    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT status FROM executions").fetchall() == [("RUNNING",)]


async def test_a_lambda_store_that_is_no_database_is_named(tmp_path: Path) -> None:
    """It holds the functions: it is neither removed nor begun anew."""
    file = tmp_path / "lambda.sqlite"
    file.write_bytes(b"noise" * 1000)

    with pytest.raises(StoreError, match=rf"^{file}: cannot be opened: .*\(SQLITE_NOTADB\)\. It is damaged"):
        async with LambdaStore(file):
            pass

    assert file.read_bytes() == b"noise" * 1000


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the file that the system refused, and its reason."""
    (tmp_path / "file").touch()

    with (
        pytest.raises(StoreError, match=r"file/data: cannot be used as a data directory: .*: Not a directory\. "),
        lock_data_directory(tmp_path / "file" / "data"),
    ):
        pass


def test_an_error_of_the_system_without_a_file_is_said_of_ours(tmp_path: Path) -> None:
    """A write to an open file says no name."""
    with (
        pytest.raises(StoreError, match=r"/lock: cannot be written: File too large\. .* before is kept\.$"),
        naming(tmp_path / "lock", "written"),
    ):
        raise OSError(errno.EFBIG, "File too large")
