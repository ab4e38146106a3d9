"""From blocks of whole records to rows: CSV, JSON Lines, lines of text.

A row costs as little as possible, so nothing counts as it goes: where an error is, is found out once there is one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mapfold.splits.errors import SplitError
from mapfold.splits.records import RECORD_LIMIT, Block

QUOTED_NEWLINES = "If quoted fields hold newlines, declare Splits(…, quoted_newlines=True); if a quote is missing or too many, put it right"


@dataclass(frozen=True, slots=True)
class CsvShape:
    """How CSV is to be read. quoted: records end where quotes are even, and not at every newline."""

    delimiter: str = ","
    encoding: str = "utf-8"
    quoted: bool = False


def text_rows(blocks: Iterable[Block], encoding: str) -> Iterator[str]:
    """Lines, without their ends (`\\n` or `\\r\\n`)."""
    for block in blocks:
        for line in _lines(decoded(block, encoding)):
            yield line.removesuffix("\r")


def json_rows(blocks: Iterable[Block], encoding: str) -> Iterator[Any]:
    """The value of each line that is not blank."""
    loads = json.loads
    for block in blocks:
        for line in _lines(decoded(block, encoding)):
            if not line or line.isspace():
                continue
            try:
                value = loads(line)
            except ValueError as error:
                raise _no_json(block, encoding, error) from error
            yield value


def csv_rows(blocks: Iterable[Block], headers: Sequence[str] | None, shape: CsvShape) -> Iterator[dict[str, str]]:
    """{header: text} of each row that is not blank. Without `headers`, the first record names the columns.

    SplitError for a row with another number of fields than there are headers, and, unless `shape.quoted`, for a line that
    shows that a newline was quoted.
    """
    delimiter = shape.delimiter
    if csv.field_size_limit() < RECORD_LIMIT:
        csv.field_size_limit(
            RECORD_LIMIT
        )  # of the process; its 131,072 would be a limit of ours on what a field may hold
    for block in blocks:
        if headers is None:
            taken = take_headers(block, shape)
            if taken is None:
                continue
            headers, block = taken
        text = decoded(block, shape.encoding)
        width = len(headers)
        if '"' in text or "\r" in text:
            if not shape.quoted:
                _check_quotes(block)
            rows, lines = _reader(text, delimiter), 0
            try:
                for row in rows:
                    lines += 1
                    if len(row) == width:
                        yield dict(zip(headers, row, strict=False))
                    elif row:
                        raise _wrong_width(block, text, shape, width)
            except csv.Error as error:
                raise _no_row(block, text, shape, str(error)) from error
            if rows.line_num != lines and not shape.quoted:
                raise _no_row(block, text, shape, "a quoted field holds a newline")
            continue
        for line in filter(None, text.split("\n")):
            row = line.split(delimiter)
            if len(row) != width:
                raise _wrong_width(block, text, shape, width)
            yield dict(zip(headers, row, strict=False))


def _no_json(block: Block, encoding: str, error: ValueError) -> SplitError:
    begin = 0
    for line in block.data.split(b"\n"):
        try:
            if line.strip():
                json.loads(line.decode(encoding))
        except ValueError:
            break
        begin += len(line) + 1
    return block.error(
        begin, f"the line that begins here is no JSON: {error}", "Put it right: a line is one JSON value"
    )


def take_headers(block: Block, shape: CsvShape) -> tuple[tuple[str, ...], Block] | None:
    """The names in a block's first record, and the block behind it. None if it has no record."""
    if not shape.quoted:
        _check_quotes(block, only_first=True)
    text = decoded(block, shape.encoding)
    rows = _reader(text, shape.delimiter)
    try:
        headers = next(filter(None, rows), None)
    except csv.Error as error:
        raise _no_row(block, text, shape, str(error)) from error
    if headers is None:
        return None
    for name in headers:
        if headers.count(name) > 1:
            fix = 'Name the columns yourself: Splits("csv", headers=(…)), and leave the line out of the objects'
            raise block.error(0, f"the header names {name!r} more than once", fix)
    behind = _offset_of_line(block.data, rows.line_num)
    return tuple(headers), Block(block.place, block.position + behind, block.data[behind:])


def decoded(block: Block, encoding: str) -> str:
    """The block as text. SplitError names the byte that is none."""
    try:
        return block.data.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = block.data[error.start]
        fix = 'Declare the encoding, such as Splits(…, encoding="latin-1")'
        raise block.error(error.start, f"byte 0x{wrong:02X} is no {encoding}", fix) from error


def _lines(text: str) -> list[str]:
    """Split at newlines only: str.splitlines also splits at some twelve other characters."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)


def _check_quotes(block: Block, *, only_first: bool = False) -> None:
    """SplitError if a line has an odd number of quotes: it then begins or ends inside of a quoted field."""
    if b'"' not in block.data:
        return
    begin = 0
    for line in block.data.split(b"\n", 1)[:1] if only_first else block.data.split(b"\n"):
        if line.count(b'"') % 2:
            raise block.error(begin, "the line that begins here has an odd number of quotes", QUOTED_NEWLINES)
        begin += len(line) + 1


def _wrong_width(block: Block, text: str, shape: CsvShape, width: int) -> SplitError:
    rows, before = _reader(text, shape.delimiter), 0
    for row in rows:
        if row and len(row) != width:
            problem = f"the row that begins here has {len(row)} fields, and there are {width} columns"
            return block.error(
                _offset_of_line(block.data, before), problem, "Put the row right, or check the delimiter"
            )
        before = rows.line_num
    raise AssertionError("called for a block in which every row has the right number of fields")


def _no_row(block: Block, text: str, shape: CsvShape, problem: str) -> SplitError:
    """At the first row that cannot be read, or that takes more lines than one where each line is a row."""
    rows, before = _reader(text, shape.delimiter), 0
    try:
        for _ in rows:
            if rows.line_num > before + 1 and not shape.quoted:
                break
            before = rows.line_num
    except csv.Error:
        pass  # that is the one
    begin = _offset_of_line(block.data, before)
    if "new-line character" in problem:
        problem, fix = (
            "the row that begins here has a carriage return without a newline",
            "End lines with \\n or \\r\\n",
        )
        return block.error(begin, problem, fix)
    fix = QUOTED_NEWLINES if not shape.quoted else "Put the quotes right: a quote inside of a quoted field is doubled"
    return block.error(begin, f"the row that begins here is no CSV: {problem}", fix)


def _offset_of_line(data: bytes, lines: int) -> int:
    """Where line `lines` begins, counted from 0."""
    offset = 0
    for _ in range(lines):
        offset = data.find(b"\n", offset) + 1 or len(data)
    return offset
