"""One process per data directory: a lock that the kernel lets go of when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mapfold.local.store.faults import StoreError, naming


@contextmanager
def lock_data_directory(data: Path) -> Iterator[None]:
    """Hold `<data>/lock` (the directory is made if needed). StoreError names the process that has it."""
    path = data / "lock"
    with naming(data, "used as a data directory"):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise StoreError(
                f"{data}: is in use by another mapfold (process {holder}). Stop it, or choose another --data."
            ) from error
        with naming(path, "written"):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
