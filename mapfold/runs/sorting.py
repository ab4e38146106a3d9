"""Lines in the order of a key, however many: what does not fit into memory is sorted in files, which are merged.

Files lie in the function's `/tmp`, in runs of `at_once` bytes of lines, each sorted by itself.
"""

from __future__ import annotations

import errno
import heapq
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar

from mapfold.errors import MapfoldError


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


Key = TypeVar("Key", bound=_Ordered)

AT_ONCE_BYTES = 16 * 1024 * 1024
RUNS_AT_ONCE = 128
"""More files than this are merged into one first: each that is open has a buffer, and a process only so many files."""

_RUN_BUFFER = 64 * 1024
_LINE_OVERHEAD = 160
"""Bytes of a pair of a short key and a line beside the line's own: measured with sys.getsizeof on Python 3.11."""


class TmpFull(MapfoldError):
    """What is to be sorted does not fit into `/tmp`. lines_bytes: what had come until then."""

    def __init__(self, lines_bytes: int) -> None:
        super().__init__(
            f"the /tmp of the function is full: {lines_bytes:,} bytes of lines had come to be sorted in it. "
            "Give the job more ephemeral_storage_mb, or a smaller batch_items."
        )
        self.lines_bytes = lines_bytes


class SortedLines(Generic[Key]):
    """Takes lines with their keys in any order and gives them back in that of the keys; equal keys as they came.

    A line has no newline. `key_of` gives a line's key again when it comes back from a file. In a `with` block: leaving
    it removes the files. TmpFull where they have no room.
    """

    def __init__(self, key_of: Any, *, at_once: int = AT_ONCE_BYTES) -> None:
        self._key_of = key_of
        self._at_once = at_once
        self._held: list[tuple[Key, bytes]] = []
        self._held_bytes = 0
        self._runs: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made = 0
        self.bytes = 0
        """Of all lines that were added."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files."""
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, key: Key, line: bytes) -> None:
        """Take one line."""
        self._held.append((key, line))
        self._held_bytes += len(line) + _LINE_OVERHEAD
        self.bytes += len(line) + 1
        if self._held_bytes >= self._at_once:
            self._spill()

    def __iter__(self) -> Iterator[tuple[Key, bytes]]:
        """All lines with their keys, in order. Nothing may be added meanwhile."""
        self._held.sort(key=itemgetter(0))
        if not self._runs:
            yield from self._held
            return
        with ExitStack() as opened:
            files = [opened.enter_context(path.open("rb", buffering=_RUN_BUFFER)) for path in self._runs]
            streams: list[Iterator[tuple[Key, bytes]]] = [*map(self._read, files), iter(self._held)]
            yield from heapq.merge(*streams, key=itemgetter(0))

    def _spill(self) -> None:
        self._held.sort(key=itemgetter(0))
        self._write(iter(self._held))
        self._held, self._held_bytes = [], 0
        if len(self._runs) >= RUNS_AT_ONCE:
            self._merge_runs()

    def _merge_runs(self) -> None:
        """All files to one. They come first in the order of equal keys, as they did."""
        merged, self._runs = self._runs, []
        with ExitStack() as opened:
            files = [opened.enter_context(path.open("rb", buffering=_RUN_BUFFER)) for path in merged]
            self._write(heapq.merge(*map(self._read, files), key=itemgetter(0)))
        for path in merged:
            os.unlink(path)

    def _write(self, lines: Iterator[tuple[Key, bytes]]) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mapfold-sort-")
        path = Path(self._folder.name) / f"{self._made:06}"
        self._made += 1
        try:
            with path.open("wb", buffering=_RUN_BUFFER) as file:
                for _, line in lines:
                    file.write(line)
                    file.write(b"\n")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise TmpFull(self.bytes) from error
        self._runs.append(path)

    def _read(self, file: BinaryIO) -> Iterator[tuple[Key, bytes]]:
        for line in file:
            text = line.rstrip(b"\n")
            yield self._key_of(text), text
