"""The memory limit: a worker that holds more than its function's MemorySize is killed, as Lambda kills it.

One task looks at the workers that run something, every tenth of a second, so a worker may hold more for as long as that.
What counts is what is resident of the process and of all that it has started and that still descend from it: code and
libraries too, though workers share the pages, for on Lambda each environment has its own. Pages of files that are only
cached do not count.

Only Linux tells (`/proc`): elsewhere nothing is enforced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

INTERVAL_SECONDS = 0.1
LOOPS_SHARE = 0.005
"""Of the event loop's time that looking may take. Beyond that it looks less often: one look at a worker costs some 20 µs,
so it does from 25 workers on that run at the same time."""

_READ_BYTES = 4096
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_MIB = 1024 * 1024


class Watched(Protocol):
    """What the watch needs of a worker."""

    @property
    def watched_pid(self) -> int | None:
        """Its process, while it runs something; None while there is nothing to watch."""

    @property
    def memory_limit_mb(self) -> int:
        """What its function may use."""

    def exceeded_memory(self) -> None:
        """It holds more than that."""


def can_watch() -> bool:
    """Whether the system tells what a process holds."""
    return Path("/proc/self/statm").exists()


async def watch_memory(
    workers: Callable[[], Iterable[Watched]], *, resident: Callable[[int], int] | None = None
) -> None:
    """Look at `workers` until cancelled. `resident` gives the bytes that a process and its descendants hold."""
    resident = resident or resident_bytes
    while True:
        began = time.perf_counter()
        for worker in list(workers()):
            pid = worker.watched_pid
            if pid is not None and resident(pid) > worker.memory_limit_mb * _MIB:
                worker.exceeded_memory()
        took = time.perf_counter() - began
        await asyncio.sleep(max(INTERVAL_SECONDS, took / LOOPS_SHARE))


def resident_bytes(pid: int) -> int:
    """What the process and its descendants hold in memory; 0 of those that have ended."""
    found, open_pids = 0, [pid]
    while open_pids:
        process = open_pids.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):  # it ends while we look
            found += int(_read(f"/proc/{process}/statm").split()[1]) * _PAGE_BYTES
            for thread in os.listdir(f"/proc/{process}/task"):
                open_pids += map(int, _read(f"/proc/{process}/task/{thread}/children").split())
    return found


def _read(path: str) -> bytes:
    """By descriptor: `open` costs three times as much."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, _READ_BYTES)
    finally:
        os.close(descriptor)
