"""The journal's format: a line that says what it is, then records.

A record is a head of 17 bytes, the request as JSON, and its body. The head: one byte for how it went, the lengths of
the two parts, a checksum of the lengths, and one of the parts. So a length that was damaged is told from one that
a kill cut short: all that a kill can do is to end the file early.

How it went is the one byte that is written a second time, in place, when moto is done: it is BEGUN before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from mapfold.local.aws_journal.errors import JournalError

VERSION = 1
OPENING = b"mapfold-aws-journal"
FIRST_LINE = b"%s %d\n" % (OPENING, VERSION)

BEGUN, DONE, FAILED = b"b", b"d", b"f"
"""FAILED: moto gave up in the middle (5xx, or a batch that it refused), having changed who knows what. Done again, it
gives up in the same way."""

_LENGTHS = struct.Struct("<II")
_HEAD = struct.Struct("<cIIII")
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True, slots=True)
class SideBody:
    """A body in a file of its own, under `bodies/`: its name, bytes, and their CRC-32."""

    name: str
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class Record:
    """One request: its WSGI variables, its body (b"" if that is in `side`), and what made moto's choices.

    `seed` is that of its identifiers; `moment` the time that it happened at, in epoch seconds.
    """

    environ: Mapping[str, Any]
    body: bytes
    seed: int
    moment: float
    side: SideBody | None = None

    @property
    def size(self) -> int:
        """Bytes of the body, wherever it is."""
        return len(self.body) if self.side is None else self.side.size


@dataclass(frozen=True, slots=True)
class Entry:
    """A record where it stands in the file: from `start` to `end`."""

    start: int
    end: int
    went: bytes
    record: Record


def encode(record: Record) -> bytes:
    """The record as it is appended, BEGUN."""
    side = None if record.side is None else [record.side.name, record.side.size, record.side.crc]
    request = orjson.dumps({"environ": record.environ, "seed": record.seed, "moment": record.moment, "side": side})
    lengths = _LENGTHS.pack(len(request), len(record.body))
    parts = zlib.crc32(record.body, zlib.crc32(request))
    head = _HEAD.pack(BEGUN, len(request), len(record.body), zlib.crc32(lengths), parts)
    return head + request + record.body


def read_entries(file: IO[bytes], path: Path, *, up_to: int | None = None) -> Iterator[Entry]:
    """Every whole record, in order, up to the byte `up_to`. What is after the last one was cut short.

    JournalError if it is of another version, or damaged anywhere but at its end.
    """
    _check_first_line(file, path)
    size = path.stat().st_size if up_to is None else up_to
    start = file.tell()
    while start < size:
        entry = _read_entry(file, path, start, size)
        if entry is None:
            return
        start = entry.end
        yield entry


def _check_first_line(file: IO[bytes], path: Path) -> None:
    line = file.readline(200)
    if line == FIRST_LINE:
        return
    if line.startswith(OPENING + b" "):
        other = line.removeprefix(OPENING).strip().decode(errors="replace")
        raise JournalError(path, f"a journal of version {other}; this Mapfold reads version {VERSION}")
    raise JournalError(path, "not a journal of Mapfold's: its first line is another")


def _read_entry(file: IO[bytes], path: Path, start: int, size: int) -> Entry | None:
    """The record at `start`; None if it was cut short."""
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    went, request_length, body_length, lengths_crc, parts_crc = _HEAD.unpack(head)
    if lengths_crc != zlib.crc32(_LENGTHS.pack(request_length, body_length)) or went not in (BEGUN, DONE, FAILED):
        if _is_zero_from(file, head):  # a power cut can leave a file longer than what reached the disk
            return None
        raise JournalError(path, f"damaged at byte {start}: no record begins there")
    end = start + HEAD_BYTES + request_length + body_length
    if end > size:
        return None
    request, body = file.read(request_length), file.read(body_length)
    if zlib.crc32(body, zlib.crc32(request)) != parts_crc:
        if end == size:
            return None
        raise JournalError(path, f"damaged at byte {start}: the record there is not what was written")
    return Entry(start, end, went, _decode(request, body))


def _is_zero_from(file: IO[bytes], head: bytes) -> bool:
    while head:
        if head.strip(b"\0"):
            return False
        head = file.read(1 << 20)
    return True


def _decode(request: bytes, body: bytes) -> Record:
    fields = orjson.loads(request)
    side = fields["side"]
    return Record(fields["environ"], body, fields["seed"], fields["moment"], None if side is None else SideBody(*side))
