"""From bytes as they arrive to blocks of whole records. Nothing here looks into a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mapfold.splits.errors import Place, SplitError
from mapfold.splits.reading import ObjectReader

RECORD_LIMIT = 64 * 1024 * 1024
"""A longer record is an error: it would have to be held in memory, three or four times over."""

Located = tuple[int, bytes]
"""Bytes, and where they begin."""


class Block(NamedTuple):
    """Whole records. `position` is where they begin in `place`. Only the last one of all may have no newline."""

    place: Place
    position: int
    data: bytes

    def error(self, offset: int, problem: str, fix: str) -> SplitError:
        """What is wrong at a byte of the block."""
        return self.place.error(self.position + offset, problem, fix)


def line_blocks(reader: ObjectReader, start: int, end: int, *, longest: int | None = None) -> Iterator[Block]:
    """The lines that begin at byte `start` or later and before `end`. SplitError if one is longer than `longest`.

    Ranges that touch share no line and lose none: reading begins one byte early, so that the line which `start` is
    inside of is told from one that begins there, and goes on behind `end` to the end of the last line.
    """
    return whole_records(_lines_from(reader, start, end, longest), Place(reader.uri))


def record_blocks(reader: ObjectReader, start: int, end: int) -> Iterator[Block]:
    """The records between two bytes at which records are known to begin, with newlines in their quotes."""
    return whole_records(located(reader.chunks(start, end), start), Place(reader.uri), quoted=True)


def whole_records(chunks: Iterable[Located], place: Place, *, quoted: bool = False) -> Iterator[Block]:
    """The same bytes, cut behind ends of records; the first chunk begins with one.

    quoted: a newline ends a record only where the quotes before it are even. SplitError for a record over RECORD_LIMIT.
    """
    begin, held_bytes, odd = 0, 0, False
    held: list[bytes] = []
    for position, chunk in chunks:
        if not held:
            begin = position
        cut = last_end(chunk, odd) if quoted else chunk.rfind(b"\n") + 1
        if not cut:
            held.append(chunk)
            held_bytes += len(chunk)
            odd ^= quoted and chunk.count(b'"') % 2 == 1
            if held_bytes > RECORD_LIMIT:
                raise _endless(place, begin, quoted)
            continue
        yield Block(place, begin, b"".join((*held, chunk[:cut])))
        rest = chunk[cut:]
        begin, held, held_bytes = position + cut, [rest] if rest else [], len(rest)
        odd = quoted and rest.count(b'"') % 2 == 1
    if held:
        yield Block(place, begin, b"".join(held))


def located(chunks: Iterable[bytes], position: int) -> Iterator[Located]:
    """Each chunk with where it begins, the first at `position`."""
    for chunk in chunks:
        yield position, chunk
        position += len(chunk)


def last_end(chunk: bytes, odd: bool) -> int:
    """Behind the last newline that is outside of quotes, 0 if there is none. odd: the chunk begins inside of them."""
    newline = chunk.rfind(b"\n")
    inside = odd ^ (chunk.count(b'"', 0, newline + 1) % 2 == 1)
    while newline >= 0 and inside:
        before = chunk.rfind(b"\n", 0, newline)
        inside ^= chunk.count(b'"', before + 1, newline) % 2 == 1
        newline = before
    return newline + 1


def _lines_from(reader: ObjectReader, start: int, end: int, longest: int | None) -> Iterator[Located]:
    position, skipping = max(0, start - 1), start > 0
    begin = position
    """Where the last line begins that is known to begin before `end`."""
    for chunk in reader.chunks_beyond(position, end):
        if skipping:
            newline = chunk.find(b"\n")
            position += len(chunk) if newline < 0 else newline + 1
            if position >= end:
                return  # no line begins in this range
            if newline < 0:
                continue
            chunk, begin, skipping = chunk[newline + 1 :], position, False
        if (newline := chunk.rfind(b"\n", 0, max(0, end - 1 - position))) >= 0:
            begin = position + newline + 1
        stop = chunk.find(b"\n", max(0, end - 1 - position))
        done = stop >= 0
        if done:
            chunk = chunk[: stop + 1]
        position_after = position + len(chunk)
        if done or position_after == reader.size:
            _check_length(reader, begin, position_after, longest)
        if chunk:
            yield position, chunk
        if done:
            return
        position = position_after


def _check_length(reader: ObjectReader, begin: int, end: int, longest: int | None) -> None:
    """Only the last line of a range of `longest` bytes can be longer than that."""
    if longest is not None and end - begin > longest:
        problem = f"the record that begins here has {end - begin:,} bytes, and split_bytes is {longest:,}"
        fix = f"Give split_bytes of at least {end - begin:,}, better a hundred times as much, or leave it out"
        raise Place(reader.uri).error(begin, problem, fix)


def _endless(place: Place, begin: int, quoted: bool) -> SplitError:
    problem = f"the record that begins here does not end within {RECORD_LIMIT:,} bytes, the most that a record may have"
    fix = "If this is no text of records, it is another format"
    return place.error(begin, problem, f"{fix}; if a quote is missing before it, put it right" if quoted else fix)
