"""The journal as a file that grows: a record is written before its request is done, and settled after.

Records are not synced: a write is safe from the end of this process, however it ends. A power cut may cost the last
seconds before it (what the system had not brought to the disk). Bodies in files of their own are synced before
(`bodies.py`), so that no record names what is not there.

One thread at a time: whoever has the turn (`application.py`).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from mapfold.local.aws_journal.errors import NotKept
from mapfold.local.aws_journal.records import BEGUN, FIRST_LINE, Record, encode

log = logging.getLogger(__name__)


class Journal:
    """An open journal. `end` is its length; `broken` says why nothing more may be changed, None while all is well."""

    def __init__(self, path: Path, *, end: int) -> None:
        self.path = path
        self.end = end
        self.broken: str | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        os.ftruncate(self._file, end)  # the rest was cut short

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def begin(self, record: Record) -> int:
        """Write a record, BEGUN; where it starts. NotKept if it cannot be written, or nothing more may be."""
        if self.broken is not None:
            raise NotKept(self.broken)
        start = self.end
        data = encode(record)
        try:
            self._write(data, start)
        except OSError as error:
            self.take_back(start)
            raise NotKept(f"{self.path}: {error.strerror}") from error
        self.end = start + len(data)
        return start

    def settle(self, start: int, went: bytes) -> None:
        """Note how the last record went. NotKept if that fails: it is made now, but will not be there again."""
        assert went != BEGUN
        try:
            self._write(went, start)
        except OSError as error:
            self._break(error)
            raise NotKept(f"{self.path}: {error.strerror}") from error

    def take_back(self, start: int) -> None:
        """Forget the last record: its request changed nothing."""
        try:
            os.ftruncate(self._file, start)
            self.end = start
        except OSError as error:
            self._break(error)

    def move_to(self, path: Path, *, end: int) -> None:
        """Go on in the file at `path`, which takes this one's place on disk. After an OSError it may have."""
        replacement = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            path.replace(self.path)
        except OSError:
            os.close(replacement)
            raise
        os.close(self._file)
        self._file, self.end = replacement, end
        _sync_folder(self.path.parent)

    def _write(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written

    def _break(self, error: OSError) -> None:
        self.broken = (
            f"{self.path}: {error.strerror}. Nothing is changed any more, so that what is served does not drift from "
            "what is kept. Restart it when the disk is well"
        )
        log.error("%s", self.broken)


def create(path: Path) -> None:
    """An empty journal, whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(FIRST_LINE)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring to the disk which files are in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
