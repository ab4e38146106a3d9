"""InputType CSV: one object of header -> text a row (Developer Guide: how Step Functions parses input CSV files).

The members of such an object stand in the order of a Java HashMap, as the guide's examples of items show them.

Python's csv module keeps AWS's rules once a backslash is its escape character: quotes are optional, `""` is a quote,
quoted fields may hold delimiters and line ends, and a backslash that escapes nothing is dropped. Text without quotes
and backslashes, which is most, needs no more than to be split: 0.37 µs a row of five fields with its object, with csv 0.49 µs.
Only `""` in a field without quotes around it is none of csv's rules: AWS's example reads `{""a"":""b""}` as `{"a":"b"}`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import length_hint
from typing import Any

from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.lines import ITEM_LIMIT_BYTES, LineBlocks
from mapfold.local.map_run.readers.objects import ANY_BYTES, Opening, S3Object, read_object
from mapfold.local.map_run.readers.rows import object_maker
from mapfold.states.effects import Json, ReaderSpec
from mapfold.states.java_hash import names_in_map_order

DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
HEADER_LIMIT_BYTES = 10 * 1024
CHUNK_ITEMS = 250
"""Few enough to be encoded while they are in the core's cache: with 1,000, a row costs 0.2 µs more."""
CHUNK_CHARACTERS = 1 << 20
SLICE_ROWS = 64
"""Rows that are worked on at once: few enough to stay in the processor's cache."""

Row = list[str]

_ESCAPED_LINE_END = re.compile(r"(?<!\\)((?:\\\\)*)\\(?=[\r\n]|\Z)")
"""A backslash before the end of a line, itself not escaped."""


def read_csv(s3: S3Client, spec: ReaderSpec, opening: Opening = ANY_BYTES) -> Chunks:
    """The rows of a delimited file. Short rows are filled with "", long ones cut, empty lines left out.

    Raises `ItemReaderError`.
    """
    source = S3Object.from_arguments(spec.arguments, opening.pinned)
    delimiter = _delimiter(spec.config)
    given = _given_header(spec.config)
    unpacked = read_object(s3, source, opening.on_opened, unpacked_limit=opening.unpacked_limit)
    blocks = LineBlocks(source, unpacked, lone_cr=True)
    text = _Text(source, blocks, delimiter)
    rows = text.rows()
    if given is None:
        header, rows = _first_row(source, text, rows)
    else:
        header = given
        _check_header("CSVHeaders", len(delimiter.join(given).encode()))
    if len(set(header)) != len(header):
        raise ItemReaderError("CSV headers cannot contain duplicates.")
    yield from _chunks(text, rows, header)


def _chunks(text: _Text, rows: Iterator[list[Row]], header: Row) -> Chunks:
    width = len(header)
    as_objects = object_maker(header, shown=names_in_map_order(header))
    items: list[Json] = []
    chunk_start = 0
    for part in rows:
        try:
            items += as_objects(part)
        except ValueError:  # a row is short, or long, or empty
            items += as_objects([(row + [""] * (width - len(row)))[:width] for row in part if row])
        if len(items) >= CHUNK_ITEMS or text.characters - chunk_start > CHUNK_CHARACTERS:
            yield Chunk(items)
            items, chunk_start = [], text.characters
    if items:
        yield Chunk(items)


class _Text:
    """The text of a file, and the rows in it. `characters` is how much of it has been given as rows so far.

    It is taken a block of whole lines at a time. Where a block ends inside quotes, the row that is open there is put
    before the next blocks and read anew; these are at least as long, so that no text is read more than twice.
    """

    def __init__(self, source: S3Object, blocks: LineBlocks, delimiter: str) -> None:
        self._source = source
        self._blocks = blocks
        self._delimiter = delimiter
        begin = rf"(?<![^{re.escape(delimiter)}\r\n])"  # of a field: the text's, or behind a delimiter or a line's end
        self._bare_quotes = re.compile(rf'{begin}[^"{re.escape(delimiter)}\r\n][^{re.escape(delimiter)}\r\n]*?""')
        self._quotes = re.compile(rf'{begin}"(?:[^"\\]++|""|\\.)*+(?:"|\Z)|\\.|("")', re.DOTALL)
        # A line behind the text tells whether a quote is open there: then it is no row by itself.
        self._last_row = ["<last", "last>"]
        self._last_line = delimiter.join(self._last_row)
        self._text = ""
        self._lines_before = 0
        self._open_row = ""
        self.characters = 0
        # The module's limit is one for the process, 128 KiB unless raised. Here rows are measured, not fields.
        csv.field_size_limit(max(csv.field_size_limit(), 1 << 30))

    def rows(self) -> Iterator[list[Row]]:
        """The rows, about a hundred at a time. Empty lines are rows without fields, or left out."""
        for text in self._texts():
            self._text = text
            yield from self._split(text) if self._is_plain(text) else self._parsed(text)
            self.characters += len(text) - len(self._open_row)
            self._lines_before += _line_ends(text) - _line_ends(self._open_row)
        if self._open_row:
            # What AWS does with it is unconfirmed; as items it would be one with all that follows the quote.
            raise ItemReaderError(
                f"{self._source}, line {self._lines_before + 1}: a quote is opened in this row and never closed; "
                "expected a closing quote before the end of the object."
            )

    def first_row_bytes(self) -> int:
        """The size of the first row in the text that the rows given last came from, as it is written."""
        return next((_raw_bytes(raw) for _, row, raw in self._measured(self._text) if row), 0)

    def _texts(self) -> Iterator[str]:
        waiting: list[str] = []
        missing = 0
        for block in self._blocks:
            try:
                text = block.decode()
            except UnicodeDecodeError as error:
                raise self._blocks.not_utf_8(block, error) from error
            if self._open_row and not waiting:
                missing = len(self._open_row)
            waiting.append(text)
            missing -= len(text)
            if missing <= 0:
                whole, waiting = self._open_row + "".join(waiting), []
                yield whole
        if waiting:
            yield self._open_row + "".join(waiting)

    def _is_plain(self, text: str) -> bool:
        """Whether each line is a row, and each delimiter one between two fields."""
        if '"' in text or "\\" in text:
            return False
        return "\r" not in text or text.count("\r") == text.count("\r\n")

    def _split(self, text: str) -> Iterator[list[Row]]:
        self._open_row = ""
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        lines = text.split("\n")
        if "" in lines:
            lines = [line for line in lines if line]
        delimiter = self._delimiter
        for start in range(0, len(lines), SLICE_ROWS):
            yield [line.split(delimiter) for line in lines[start : start + SLICE_ROWS]]

    def _parsed(self, text: str) -> Iterator[list[Row]]:
        if "\\" in text:
            # AWS drops a backslash that escapes nothing. Python's csv would take the line end as a part of the field.
            text = _ESCAPED_LINE_END.sub(r"\1", text)
        if '""' in text:
            text = self._with_bare_quotes_escaped(text)
        if len(text) > ITEM_LIMIT_BYTES // 4 and len(text.encode()) > ITEM_LIMIT_BYTES:
            self._check_rows(text)
        end = iter((self._last_line,))
        rows = self._reader(chain(io.StringIO(text, newline=""), end))
        while True:
            part = list(islice(rows, SLICE_ROWS))
            if not length_hint(end):  # the last line has been taken: it is the last row, or the end of it
                break
            yield part
        last = part.pop()
        self._open_row = "" if last == self._last_row else self._tail(text, last)
        yield part

    def _with_bare_quotes_escaped(self, text: str) -> str:
        """`""` as `\\"` where no quotes are around the field: as long as before, and what csv takes for a quote."""
        if self._bare_quotes.search(text) is None:
            return text
        return self._quotes.sub(lambda found: '\\"' if found.group(1) else found.group(), text)

    def _tail(self, text: str, row: Row) -> str:
        """The lines at the end of `text` that `row`, which the last line closed, came from."""
        ends = sum(map(_line_ends, row))
        lines = list(io.StringIO(text, newline=""))
        return "".join(lines[-ends - (not text.endswith(("\r", "\n"))) :])

    def _check_rows(self, text: str) -> None:
        for line, _, raw in self._measured(text):
            if len(raw) > ITEM_LIMIT_BYTES // 4 and _raw_bytes(raw) > ITEM_LIMIT_BYTES:
                raise ItemReaderError(
                    f"{self._source}, line {self._lines_before + line + 1}: the row that begins here has more than "
                    f"{ITEM_LIMIT_BYTES} bytes (8 MB), the most that one item may have. Is a quote not closed?"
                )

    def _measured(self, text: str) -> Iterator[tuple[int, Row, str]]:
        """Each row as (lines before it, fields, the text that it came from)."""
        lines = io.StringIO(text, newline="")
        rows = self._reader(lines)
        line = start = 0
        for row in rows:
            end = lines.tell()
            yield line, row, text[start:end]
            line, start = rows.line_num, end

    def _reader(self, lines: Iterable[str]) -> Any:
        return csv.reader(lines, delimiter=self._delimiter, escapechar="\\", doublequote=True, strict=False)


def _line_ends(text: str) -> int:
    count = text.count("\n")
    if "\r" in text:
        count += text.count("\r") - text.count("\r\n")
    return count


def _raw_bytes(row: str) -> int:
    """The size of a row without its line end."""
    return len(row.removesuffix("\n").removesuffix("\r").encode())


def _delimiter(config: Json) -> str:
    name = config.get("CSVDelimiter", "COMMA")
    if name not in DELIMITERS:
        raise ItemReaderError(f"CSVDelimiter is {name!r}; expected one of {', '.join(DELIMITERS)}.")
    return DELIMITERS[name]


def _given_header(config: Json) -> list[str] | None:
    """The header that the definition gives; None when it is the file's first row."""
    location = config.get("CSVHeaderLocation")
    if location == "FIRST_ROW":
        return None
    if location != "GIVEN":
        raise ItemReaderError(f"CSVHeaderLocation is {location!r}; expected FIRST_ROW or GIVEN.")
    headers = config.get("CSVHeaders")
    if not isinstance(headers, list) or not headers or not all(isinstance(name, str) for name in headers):
        raise ItemReaderError(
            f"CSVHeaders is {headers!r}; expected a list of names, because CSVHeaderLocation is GIVEN."
        )
    return headers


def _first_row(source: S3Object, text: _Text, rows: Iterator[list[Row]]) -> tuple[Row, Iterator[list[Row]]]:
    """The header, which is the first row that is not empty, and the rows behind it."""
    for part in rows:
        found = [row for row in part if row]
        if found:
            _check_header(f"{source}, line 1: the header", text.first_row_bytes())
            return found[0], chain([found[1:]], rows)
    raise ItemReaderError(f"{source} is empty; expected a header in its first row (CSVHeaderLocation FIRST_ROW).")


def _check_header(what: str, size: int) -> None:
    if size > HEADER_LIMIT_BYTES:
        raise ItemReaderError(f"{what} has {size} bytes; at most {HEADER_LIMIT_BYTES} (10 KiB) are allowed.")
