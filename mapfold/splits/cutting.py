"""An object to its splits. What a split says is all that a worker needs to read it, beside the right to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mapfold.splits.errors import Place, SplitError
from mapfold.splits.formats import BOM, check_head, check_name
from mapfold.splits.gzip_members import MAGIC, begins_member, inflated_head
from mapfold.splits.objects import Found, in_order, look, threads_of
from mapfold.splits.parquet import row_group_bytes
from mapfold.splits.quotes import record_ends
from mapfold.splits.reading import ObjectReader
from mapfold.splits.records import Block, located
from mapfold.splits.sizes import GZIP_RATIO, piece_bytes, piece_ranges
from mapfold.splits.source import Splits
from mapfold.splits.text_rows import CsvShape, take_headers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HEADER_BYTES = 1024 * 1024
"""A first line that does not end within so many names no columns."""
HEADERS_LIMIT = 64 * 1024
"""Names of columns travel with every split, and 262,144 bytes are the most that a state's payload may have."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A split, and about how many bytes its rows have."""

    split: dict[str, Any]
    bytes: int


def cut(
    s3: S3Client, found: Found, source: Splits, *, largest: int, check_time: Callable[[], None] = lambda: None
) -> Iterator[Piece]:
    """The splits of an object, in its order; none of an empty one. `largest`: what a worker should take on at once.

    SplitError if it is not what the source declares. check_time: called where much is read before a split comes; what it
    raises ends the cutting.
    """
    if source.format == "parquet":
        return _row_groups(s3, found, source, largest)
    if not source.compression:
        check_name(found.key, found.uri)
    piece = source.split_bytes or piece_bytes(found.size, largest // (GZIP_RATIO if source.compression else 1))
    if found.size > piece and found.head is None:
        found = look(s3, found.bucket, found.key)
    _check_kind(found, source)
    if not found.size:
        return iter(())
    if source.compression:
        return _gzip_members(s3, found, source, piece, check_time)
    return _text(s3, found, source, piece)


def _check_kind(found: Found, source: Splits) -> None:
    if not found.head:
        return  # of a small object in a listing: the worker that reads it from its start looks
    if not source.compression:
        check_head(found.head, found.uri)
    elif not found.head.startswith(MAGIC):
        problem = "it is no gzip: its first bytes are others"
        raise SplitError(problem, at=found.uri, fix='Leave compression="gzip" out for what is not compressed')


def _text(s3: S3Client, found: Found, source: Splits, piece: int) -> Iterator[Piece]:
    facts = _facts(found, source)
    reader, start = found.reader(s3), 0
    if found.size > piece or (source.format == "csv" and source.objects == "one"):
        start, named = _behind_headers(s3, found, source, piece)
        facts |= named
    cuts: Iterator[int] = (begin for begin, _ in islice(piece_ranges(start, found.size, piece), 1, None))
    if source.quoted_newlines and found.size - start > piece:
        begin = start if start or not (found.head or b"").startswith(BOM) else len(BOM)
        chunks = located(reader.chunks(begin, found.size), begin)
        cuts = record_ends(chunks, cuts, Place(found.uri), delimiter=source.delimiter, longest=source.split_bytes)
    yield from _ranges(facts, start, cuts, found.size)


def _ranges(facts: dict[str, Any], start: int, cuts: Iterator[int], size: int) -> Iterator[Piece]:
    for end in cuts:
        if start < end < size:
            yield Piece({**facts, "start": start, "end": end}, end - start)
            start = end
    if start < size:
        yield Piece({**facts, "start": start, "end": size}, size - start)


def _facts(found: Found, source: Splits) -> dict[str, Any]:
    """What all splits of an object say. What is as it usually is is left out."""
    facts: dict[str, Any] = {"bucket": found.bucket, "key": found.key, "etag": found.etag, "size": found.size}
    facts["format"] = source.format
    said: dict[str, Any] = {"compression": source.compression, "quoted_newlines": source.quoted_newlines}
    if source.format == "csv" and source.delimiter != ",":
        said["delimiter"] = source.delimiter
    if source.encoding != "utf-8":
        said["encoding"] = source.encoding
    if source.headers:
        said["headers"] = list(source.headers)
    if source.format != "parquet" and not source.compression:
        said["split_bytes"] = source.split_bytes
    return facts | {name: value for name, value in said.items() if value}


def _behind_headers(s3: S3Client, found: Found, source: Splits, piece: int) -> tuple[int, dict[str, Any]]:
    """Where rows begin, and the names of the columns for the splits; of CSV that names them itself."""
    if source.format != "csv" or source.headers:
        return 0, {}
    start, headers = headers_of(found.reader(s3).read(0, _HEADER_BYTES), found, source)
    if headers is None:
        return found.size, {}
    if source.split_bytes is not None and start > source.split_bytes:
        problem = f"its header has {start:,} bytes, and split_bytes is {source.split_bytes:,}"
        raise SplitError(problem, at=f"{found.uri}, byte 0", fix="Give larger split_bytes, or leave them out")
    return start, {"headers": list(headers)}


def headers_of(head: bytes, found: Found, source: Splits) -> tuple[int, tuple[str, ...] | None]:
    """Where the first record behind the header begins, and what that names; None where there is no record at all."""
    skipped = len(BOM) if source.encoding == "utf-8" and head.startswith(BOM) else 0
    shape = CsvShape(source.delimiter, source.encoding, source.quoted_newlines)
    whole = head if len(head) < _HEADER_BYTES else head[: _last_record_end(head, source.quoted_newlines)]
    if not whole:
        problem = f"its first line does not end within {_HEADER_BYTES:,} bytes, so it names no columns"
        raise SplitError(problem, at=f"{found.uri}, byte 0", fix="Check that it is CSV, and how its lines end")
    taken = take_headers(Block(Place(found.uri), skipped, whole[skipped:]), shape)
    if taken is None:
        return len(whole), None
    headers, rest = taken
    if len(json.dumps(headers)) > HEADERS_LIMIT:
        problem = f"the names of its {len(headers):,} columns have more than {HEADERS_LIMIT:,} bytes"
        raise SplitError(
            problem, at=f"{found.uri}, byte 0", fix="Write it as Parquet, or name columns shorter in headers=(…)"
        )
    return rest.position, headers


def _last_record_end(head: bytes, quoted: bool) -> int:
    newline = head.rfind(b"\n")
    while newline >= 0 and quoted and head.count(b'"', 0, newline) % 2:
        newline = head.rfind(b"\n", 0, newline)
    return newline + 1


def _gzip_members(
    s3: S3Client, found: Found, source: Splits, piece: int, check_time: Callable[[], None]
) -> Iterator[Piece]:
    """Ranges in which a member begins: of a file that is one member, the first alone, whatever its size."""
    facts, reader = _facts(found, source), found.reader(s3)
    ranges = piece_ranges(0, found.size, piece)
    start, end = next(ranges)
    # The first one finds the header in what it reads.
    yield Piece({**facts, "start": start, "end": end}, (end - start) * GZIP_RATIO)

    def looked_at(range_: tuple[int, int]) -> tuple[int, int] | None:
        check_time()
        return range_ if begins_member(reader, *range_) else None

    named: dict[str, Any] | None = None
    for start, end in filter(None, in_order(looked_at, ranges, threads=threads_of(s3))):
        if named is None:
            named = _member_headers(reader, found, source)
        yield Piece({**facts, **named, "start": start, "end": end}, (end - start) * GZIP_RATIO)


def _member_headers(reader: ObjectReader, found: Found, source: Splits) -> dict[str, Any]:
    """The names of the columns for the splits behind the first; of CSV that names them itself."""
    if source.format != "csv" or source.headers:
        return {}
    _, headers = headers_of(inflated_head(reader, _HEADER_BYTES), found, source)
    return {"headers": list(headers or ())}


def _row_groups(s3: S3Client, found: Found, source: Splits, largest: int) -> Iterator[Piece]:
    """Row groups one after the other, as many as have about a piece's bytes together, and always one."""
    sizes = row_group_bytes(found.reader(s3))
    piece = source.split_bytes or piece_bytes(sum(sizes), largest)
    facts = _facts(found, source) | ({"columns": list(source.columns)} if source.columns else {})
    first, held = 0, 0
    for number, size in enumerate(sizes):
        if held and held + size > piece:
            yield Piece({**facts, "row_groups": [first, number - 1]}, held)
            first, held = number, 0
        held += size
    if first < len(sizes):
        yield Piece({**facts, "row_groups": [first, len(sizes) - 1]}, held)
