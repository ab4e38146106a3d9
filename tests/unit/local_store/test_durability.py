"""What was committed stays, what cannot be written is heard of, and only one process writes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mapfold.local.store import Store, StoreError, lock_data_directory, open_store
from mapfold.local.store.store import ROOMY
from tests.unit.local_store.conftest import events, execution


async def test_a_flush_commits_what_was_queued_before_it(store: Store) -> None:
    """Another connection sees it then."""
    for number in range(1, 4001):
        store.child_ended(1, number, "SUCCEEDED", 1.0, 2.0, 1, "{}", "{}")
    await store.flush()

    with sqlite3.connect(store.file) as other:
        assert other.execute("SELECT count(*) FROM children").fetchone() == (4000,)
    other.close()
    assert store.backlog == (0, 0)


async def start_twice(store: Store) -> None:
    """The second's id is taken, as only a bug would have it: the write fails."""
    store.execution_started(execution(1))
    store.execution_started(execution(1))


async def end_children(store: Store) -> None:
    """More than fits on the disk: SQLite's own limit of pages stands in for it."""
    await store.flush()
    store._writer._connection.execute("PRAGMA max_page_count = 40")
    for number in range(1000):
        store.child_ended(1, number, "SUCCEEDED", 1.0, 2.0, 1, "x" * 1000, "{}")


async def session(data: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    """Open the store, work, close it."""
    async with open_store(data) as store:
        await work(store)


async def test_a_write_that_fails_is_raised_by_the_flush_and_by_later_writes(tmp_path: Path) -> None:
    """The first failure stays: the engine must stop, not go on with holes in its histories."""
    heard: list[str] = []

    async def work(store: Store) -> None:
        await start_twice(store)
        with pytest.raises(StoreError) as raised:
            await store.flush()
        heard.append(str(raised.value))
        await store.failed.wait()
        store.add_events(1, 1, 1, events(1, 1))

    with pytest.raises(StoreError, match="cannot be written"):
        await session(tmp_path, work)

    assert "UNIQUE constraint failed" in heard[0]


@pytest.mark.parametrize(("work", "reason"), [(start_twice, "UNIQUE"), (end_children, "disk is full")])
async def test_the_last_writes_of_a_session_are_heard_of_too(
    tmp_path: Path, work: Callable[[Store], Awaitable[None]], reason: str
) -> None:
    """They are committed when the store closes, and nobody flushes after that."""
    with pytest.raises(StoreError, match=reason):
        await session(tmp_path, work)


async def test_room_waits_only_when_much_is_queued(store: Store) -> None:
    """Who makes many rows gives the writer time, and memory stays bounded."""
    for number in range(3 * ROOMY[0]):
        store.child_ended(1, number, "SUCCEEDED", 1.0, 2.0, 1, "{}", "{}")
    await store.room()

    assert store.backlog[0] <= ROOMY[0]


async def test_room_hears_that_the_store_has_failed(tmp_path: Path) -> None:
    """Whoever waits for room when a write fails is told, and does not wait for ever."""

    async def work(store: Store) -> None:
        await start_twice(store)
        for number in range(3 * ROOMY[0]):
            store.child_ended(1, number, "SUCCEEDED", 1.0, 2.0, 1, "{}", "{}")
        async with asyncio.timeout(10):
            await store.room()

    with pytest.raises(StoreError, match="UNIQUE"):
        await session(tmp_path, work)


async def test_what_was_flushed_survives_kill_9(tmp_path: Path) -> None:
    """The process writes, says that it is committed, and is killed without any end."""
    script = (
        "import asyncio, sys, pathlib\n"
        "from mapfold.local.store import open_store\n"
        "async def main():\n"
        "    async with open_store(pathlib.Path(sys.argv[1])) as store:\n"
        "        for n in range(500): store.child_ended(1, n, 'SUCCEEDED', 1.0, 2.0, 1, '{}', '{}')\n"
        "        await store.flush()\n"
        "        sys.stdout.write('committed\\n'); sys.stdout.flush()\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"committed\n"
    process.kill()
    await process.wait()

    async with open_store(tmp_path) as store:
        assert await store.child_counts(1) == {"SUCCEEDED": (500, 500)}


async def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    """The error says both versions and what to do."""
    async with open_store(tmp_path) as store:
        file = store.file
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()

    with pytest.raises(StoreError, match="version 99"):
        async with open_store(tmp_path):
            pass


async def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    """Its name is in the error."""
    (tmp_path / "stepfunctions.sqlite").write_bytes(b"not a database" * 100)

    with pytest.raises(StoreError, match=r"stepfunctions\.sqlite"):
        async with open_store(tmp_path):
            pass


def test_a_second_process_hears_who_has_the_data_directory(tmp_path: Path) -> None:
    """flock: two opens in one process exclude one another as two processes do."""
    data = tmp_path / "data"

    with (
        lock_data_directory(data),
        pytest.raises(StoreError, match=f"process {os.getpid()}"),
        lock_data_directory(data),
    ):
        pass

    with lock_data_directory(data):
        pass
