"""Request bodies: read whole before anything is done; large ones go to a file of their own, a MiB at a time."""

from __future__ import annotations

import io
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from mapfold.local.aws_journal.errors import JournalError, NotKept
from mapfold.local.aws_journal.records import SideBody

LARGEST_INLINE = 1 << 20
_CHUNK = 1 << 20


class IncompleteBody(Exception):
    """The client went away, or said a wrong length."""


class Bodies:
    """The folder of the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, environ: Mapping[str, Any]) -> tuple[bytes, SideBody | None]:
        """The body of a request: its bytes, or b"" and the file that it went to.

        IncompleteBody; NotKept if the file cannot be written.
        """
        stream = environ["wsgi.input"]
        length = _length(environ.get("CONTENT_LENGTH"))
        if environ.get("wsgi.input_terminated"):  # chunked: the server says where it ends
            chunks = iter(lambda: _read(stream, _CHUNK), b"")
        elif length:
            chunks = _exactly(stream, length)
        else:
            return b"", None
        start = bytearray()
        for chunk in chunks:
            start += chunk
            if len(start) > LARGEST_INLINE:
                return b"", self._write(bytes(start), chunks)
        return bytes(start), None

    def open(self, body: bytes, side: SideBody | None) -> IO[bytes]:
        """The body as a file."""
        return io.BytesIO(body) if side is None else self.path(side).open("rb")

    def load(self, body: bytes, side: SideBody | None) -> bytes:
        """The body whole. JournalError if its file is not there."""
        try:
            with self.open(body, side) as file:
                return file.read()
        except FileNotFoundError as error:
            raise JournalError(Path(error.filename), "missing, though the journal names it") from None

    def check(self, side: SideBody) -> None:
        """JournalError if the file is not what was written."""
        path, crc = self.path(side), 0
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    crc = zlib.crc32(chunk, crc)
            size = path.stat().st_size
        except FileNotFoundError:
            raise JournalError(path, "missing, though the journal names it") from None
        if (size, crc) != (side.size, side.crc):
            raise JournalError(path, "damaged: its bytes are not what was written")

    def remove(self, side: SideBody | None) -> None:
        """Forget a body, if it has a file."""
        if side is not None:
            self.path(side).unlink(missing_ok=True)

    def keep_only(self, names: set[str]) -> None:
        """Remove all files but these."""
        for path in self._folder.iterdir():
            if path.name not in names:
                path.unlink(missing_ok=True)

    def path(self, side: SideBody) -> Path:
        """Where it is."""
        return self._folder / side.name

    def _write(self, start: bytes, chunks: Iterator[bytes]) -> SideBody:
        path = self._folder / secrets.token_hex(12)
        size, crc = len(start), zlib.crc32(start)
        try:
            with path.open("xb", buffering=0) as file:
                _write_all(file.fileno(), start)
                for chunk in chunks:
                    _write_all(file.fileno(), chunk)
                    size, crc = size + len(chunk), zlib.crc32(chunk, crc)
                os.fsync(file.fileno())  # after a power cut, the record that names it must not be without it
        except OSError as error:
            path.unlink(missing_ok=True)
            raise NotKept(f"{path}: {error.strerror}") from error
        except IncompleteBody:
            path.unlink(missing_ok=True)
            raise
        return SideBody(path.name, size, crc)


def _length(said: str | None) -> int:
    if not said:
        return 0
    if not said.isdigit():
        raise IncompleteBody(f"the Content-Length is {said!r}; expected a number of bytes")
    return int(said)


def _exactly(stream: IO[bytes], length: int) -> Iterator[bytes]:
    while length:
        chunk = _read(stream, min(_CHUNK, length))
        if not chunk:
            raise IncompleteBody(f"{length} bytes of the body are missing")
        length -= len(chunk)
        yield chunk


def _read(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except OSError as error:  # the connection, or chunks that are none
        raise IncompleteBody(str(error)) from error


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
