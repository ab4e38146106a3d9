"""What goes wrong with a file that we keep something in, as an error that names the file and says what to do.

Nothing is removed or mended by itself: what is on disk is the only copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mapfold.errors import MapfoldError


class StoreError(MapfoldError):
    """What is kept cannot be opened, read or written; the message names the file and what to do."""


_ADVICE = {
    "SQLITE_CORRUPT": "It is damaged: restore it from a copy, move it away to start without it, or choose another --data",
    "SQLITE_NOTADB": "It is damaged: restore it from a copy, move it away to start without it, or choose another --data",
    "SQLITE_FULL": "Make room on its disk, and start again",
    "SQLITE_IOERR": (
        "The system refused to read or write it: look at the disk (is it full?) and at the limits of this process "
        "(ulimit -f), and start again"
    ),
    "SQLITE_CANTOPEN": "Make it and its folder readable and writable, or choose another --data",
    "SQLITE_READONLY": "Make it and its folder writable, or choose another --data",
    "SQLITE_PERM": "Make it and its folder writable, or choose another --data",
    "SQLITE_BUSY": "Another program has it open: end that, and start again",
}
"""By the beginning of SQLite's name for the error."""


def store_error(file: Path, verb: str, error: Exception) -> StoreError:
    """`<file>: cannot be <verb>: <what was said>. <what to do>.`"""
    kept = " What was committed before is kept." if verb == "written" else ""
    return StoreError(f"{file}: cannot be {verb}: {_said(error)}. {_advice(error)}.{kept}")


@contextmanager
def naming(file: Path, verb: str) -> Iterator[None]:
    """Errors of SQLite and of the system within the block are StoreErrors: `file` cannot be <verb>."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise store_error(file, verb, error) from error


def _said(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", None)  # tells a full disk from a limit; not every error has one
    if name is not None:
        return f"{error} ({name})"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _advice(error: Exception) -> str:
    if isinstance(error, OSError):
        return "Mend that, or choose another --data"
    name = getattr(error, "sqlite_errorname", None) or ""
    return next((advice for kind, advice in _ADVICE.items() if name.startswith(kind)), "Start again")
