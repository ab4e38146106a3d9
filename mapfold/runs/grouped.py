"""Records by key as they lie in S3 between a worker and the fold: sorted lines, and where each hash slot begins.

A line is `slot TAB key TAB record`: three hexadecimal digits, and two JSON texts, in which no tab occurs. Lines are
sorted by slot and key, as bytes; equal keys lie beside each other. The last line is the index: a JSON list of where the
slots begin, and where the last one ends. So any range of slots is one range of bytes, whoever reads it.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mapfold.codec import Place, decode, encode
from mapfold.job import Job
from mapfold.runs.objects import LineWriter, open_range
from mapfold.runs.partials import dumps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SLOTS = 1024
"""A result has at most as many parts: a slot is never cut."""

OPEN_BYTES = 64 * 1024 * 1024
"""Read ahead in a merge, all objects together."""

_MOST_AHEAD, _LEAST_AHEAD = 1024 * 1024, 32 * 1024


@dataclass(frozen=True, slots=True)
class Grouped:
    """An object of records. key: None where there is no record. bytes: without the index. longest: its longest line."""

    key: str | None
    bytes: int
    records: int
    longest: int

    def as_partial(self) -> dict[str, Any]:
        """As it stands in an output in the place of a partial."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of an object of records."""

    key: str
    start: int
    end: int


def slot_of(key: str) -> int:
    """The hash slot of a key: the same in every worker, and in every later run."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=2).digest()) % SLOTS


def sort_key(line: bytes) -> bytes:
    """What lines are sorted by: slot and key, as they stand in the line."""
    return line[: line.index(b"\t", 4)]


class RecordFold:
    """Lines to records and back, and two records of one key to one, as the job says."""

    def __init__(self, job: Job) -> None:
        self._fold = job.fold_function
        self._type = job.partial_type
        self._place = Place(job.name, "fold")

    def line(self, key: str, record: Any) -> bytes:
        """The line of a record."""
        return b"%03x\t%b\t%b" % (slot_of(key), dumps(key), self.text(record))

    def text(self, record: Any) -> bytes:
        """A record as JSON; JobError where the fold made one that JSON cannot carry."""
        return dumps(encode(record, self._place, "record"))

    def record(self, text: bytes) -> Any:
        """The record of a JSON text, as the job's functions want it."""
        return decode(self._type, json.loads(text), self._place, "record")

    def merged(self, one: Any, other: Any) -> Any:
        """Two records of one key to one."""
        return self._fold(one, other)

    def folded_text(self, texts: Iterator[bytes]) -> bytes:
        """One record of many of one key: two at a time in memory. One alone is handed on as it is."""
        first = next(texts)
        second = next(texts, None)
        if second is None:
            return first
        record = self.merged(self.record(first), self.record(second))
        for text in texts:
            record = self.merged(record, self.record(text))
        return self.text(record)


def folded_lines(lines: Iterable[bytes], fold: RecordFold) -> Iterator[bytes]:
    """Sorted lines with one line left of each key."""
    for prefix, same in groupby(lines, sort_key):
        yield folded_line(prefix, same, fold)


def folded_line(prefix: bytes, same: Iterator[bytes], fold: RecordFold) -> bytes:
    """The one line of lines that begin with the same slot and key."""
    return prefix + b"\t" + fold.folded_text(line[len(prefix) + 1 :] for line in same)


def write_grouped(s3: S3Client, bucket: str, key: str, lines: Iterable[bytes]) -> Grouped:
    """Write sorted lines with their index; memory holds one part of an upload."""
    starts: list[int] = []
    longest = 0
    with LineWriter(s3, bucket, key) as writer:
        for line in lines:
            slot = int(line[:3], 16)
            starts += [writer.bytes] * (slot + 1 - len(starts))
            longest = max(longest, len(line))
            writer.write(line)
        records, size = writer.lines, writer.bytes
        if records:
            starts += [size] * (SLOTS + 1 - len(starts))
            writer.write(dumps(starts))
    return Grouped(key if records else None, size, records, longest)


def read_starts(s3: S3Client, bucket: str, grouped: Grouped) -> list[int]:
    """Where the slots of an object begin, and behind them where the last one ends."""
    where: Any = {"Bucket": bucket, "Key": grouped.key, "Range": f"bytes={grouped.bytes}-"}
    starts: list[int] = json.loads(s3.get_object(**where)["Body"].read())
    return starts


def merged_lines(
    s3: S3Client, bucket: str, pieces: Sequence[Piece], *, ahead_together: int = OPEN_BYTES
) -> Iterator[bytes]:
    """The lines of pieces of many objects, sorted; of each, what was read ahead and one line are in memory."""
    ahead = max(_LEAST_AHEAD, min(_MOST_AHEAD, ahead_together // max(1, len(pieces))))
    with ExitStack() as opened:
        files = [
            opened.enter_context(
                open_range(
                    s3, bucket, piece.key, start=piece.start, end=piece.end, at_once=min(ahead, piece.end - piece.start)
                )
            )
            for piece in pieces
        ]
        streams = [((sort_key(line), line.rstrip(b"\n")) for line in file) for file in files]
        yield from map(itemgetter(1), heapq.merge(*streams, key=itemgetter(0)))
