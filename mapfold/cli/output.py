"""What a command lets be seen: facts on stdout (text, or one JSON document), all else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol, TextIO

from mapfold.cli.present import json_chunks
from mapfold.client.follow import Watcher
from mapfold.client.values import Json


class Output(Protocol):
    """Where a command's words go."""

    def note(self, text: str = "") -> None:
        """What goes on: for the person who waits."""
        ...

    def facts(self, lines: Iterable[str]) -> None:
        """The answer, as text."""
        ...

    def document(self, value: Json) -> None:
        """The answer, as one JSON document; iterators in it are written as they come."""
        ...

    def watching(self) -> AbstractContextManager[Watcher]:
        """A watcher that shows progress while the block runs."""
        ...


class Streams:
    """An output on two streams: this process's stdout and stderr, as they are at the moment of writing."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self._stdout, self._stderr = stdout or sys.stdout, stderr or sys.stderr

    def note(self, text: str = "") -> None:
        print(text, file=self._stderr, flush=True)

    def facts(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._stdout.write(line + "\n")
        self._stdout.flush()

    def document(self, value: Json) -> None:
        for chunk in json_chunks(value):
            self._stdout.write(chunk)
        self._stdout.write("\n")
        self._stdout.flush()

    def watching(self) -> AbstractContextManager[Watcher]:
        from mapfold.cli.progress import bar, lines

        return bar(self._stderr) if self._stderr.isatty() else lines(self._stderr)
