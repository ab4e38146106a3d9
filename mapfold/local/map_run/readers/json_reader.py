"""InputType JSON: the elements of an array, or the members of an object, at the top or where ItemsPointer points.

The document is never held whole. The standard library's scanner reads one value after the other out of a buffer that
is refilled, so the memory is that of the largest element; what lies beside the pointer's way is skipped by looking at
brackets and quotes alone.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.lines import ITEM_LIMIT_BYTES
from mapfold.local.map_run.readers.objects import ANY_BYTES, Opening, S3Object, read_object
from mapfold.states.effects import Json, ReaderSpec

CHUNK_ITEMS = 1_000
CHUNK_CHARACTERS = 1 << 20
SURELY_SMALL = ITEM_LIMIT_BYTES // 4
"""So many characters are at most `ITEM_LIMIT_BYTES` in UTF-8."""

_SPACE = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
_BRACKET_OR_QUOTE = re.compile(r'["{}\[\]]')
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
"""A step of a JSON Pointer that may be an array's: no array has more than nine digits of elements."""
_QUOTE_OR_BACKSLASH = re.compile(r'["\\]')


def read_json(s3: S3Client, spec: ReaderSpec, opening: Opening = ANY_BYTES) -> Chunks:
    """The items of a JSON document. Raises `ItemReaderError`, which names the line or the pointer."""
    source = S3Object.from_arguments(spec.arguments, opening.pinned)
    document = _Document(source, read_object(s3, source, opening.on_opened))
    steps = pointer_steps(spec.config.get("ItemsPointer"))
    for depth, step in enumerate(steps):
        _descend(document, step, steps[: depth + 1])
    kind = document.peek()
    if kind not in ("[", "{"):
        document.item()  # what is no JSON at all is told so, with its line
        if not steps:
            document.expect_end()
        # AWS's words for a document (or a pointed-at node) that is neither an array nor an object.
        raise ItemReaderError("Attempting to map over non-iterable node.")
    yield from _elements(document) if kind == "[" else _members(document)
    if not steps:
        document.expect_end()


def _elements(document: _Document) -> Chunks:
    values: list[Json] = []
    before = document.offset
    for _ in document.array():
        document.plain_elements(values, CHUNK_ITEMS - 1)
        values.append(document.item())
        if len(values) >= CHUNK_ITEMS or document.offset - before > CHUNK_CHARACTERS:
            yield Chunk(values)
            values, before = [], document.offset
    if values:
        yield Chunk(values)


def _members(document: _Document) -> Chunks:
    keys: list[str] = []
    values: list[Json] = []
    before = document.offset
    for key in document.object():
        keys.append(key)
        values.append(document.item())
        if len(values) >= CHUNK_ITEMS or document.offset - before > CHUNK_CHARACTERS:
            yield Chunk(values, keys)
            keys, values, before = [], [], document.offset
    if values:
        yield Chunk(values, keys)


def pointer_steps(pointer: Json) -> list[str]:
    """The steps of a JSON Pointer (RFC 6901). Raises `ItemReaderError` for what is none."""
    if pointer is None or pointer == "":
        return []
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise ItemReaderError(f"ItemsPointer is {pointer!r}; expected a JSON Pointer such as /results/items.")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _descend(document: _Document, step: str, way: list[str]) -> None:
    """Go on to the member or element `step`, the last of `way`; what comes before it is skipped."""
    match document.peek():
        case "{":
            for key in document.object():
                if key == step:
                    return
                document.skip()
        case "[" if INDEX.fullmatch(step):
            for index in document.array():
                if index == int(step):
                    return
                document.skip()
    raise ItemReaderError(f"{document.source}: {points_to_nothing(way)}")


def points_to_nothing(steps: list[str]) -> str:
    """The end of the cause where a document has nothing at the end of these steps."""
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return f"ItemsPointer {pointer} points to nothing; expected an array or an object."


def _expectation(message: str) -> str:
    """What the scanner's message says that it expected."""
    if message == "Expecting value":
        return "a value"
    if message.startswith("Expecting "):
        return message.removeprefix("Expecting ")
    return f"valid JSON ({message})"


class _Document:
    """A place in a JSON text that moves forward, and the part of the text around it."""

    def __init__(self, source: S3Object, blocks: Iterator[bytes]) -> None:
        self.source = source
        self._blocks = blocks
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        decoder: Any = json.JSONDecoder(parse_constant=self._refuse)
        self._scan = decoder.raw_decode
        self._scan_once = decoder.scan_once  # raw_decode without its wrapper; documented in json.scanner only
        self._text = ""
        self._at = 0
        self._dropped = 0
        self._lines = 0
        self._ended = False

    @property
    def offset(self) -> int:
        """Characters read so far."""
        return self._dropped + self._at

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            self._at = self._space()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def array(self) -> Iterator[int]:
        """Steps to each element of the array that begins here; the caller reads or skips it."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        index = 0
        while True:
            yield index
            index += 1
            if self._next_or_end("]"):
                return

    def object(self) -> Iterator[str]:
        """Steps to the value of each member of the object that begins here, giving its name."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._error("a member's name in quotes")
            key = self.value()
            self._take(":")
            yield key
            if self._next_or_end("}"):
                return

    def item(self) -> Json:
        """The value that begins here, which may have no more than 8 MB."""
        self.peek()
        start = self.offset
        value = self.value()
        length = self.offset - start
        if length > SURELY_SMALL:
            begin = self._at - length
            if len(self._text[begin : self._at].encode()) > ITEM_LIMIT_BYTES:
                self._at = begin
                raise self._too_large()
        return value

    def value(self) -> Json:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                ahead = max(error.pos - self._at, 0)
                if len(self._text) - self._at > 2 * ITEM_LIMIT_BYTES:
                    raise self._too_large() from error
                if not self._more():
                    self._at += ahead
                    raise self._error(_expectation(error.msg)) from error
                continue
            except RecursionError as error:
                raise self._error("a value that is nested less deeply") from error
            if self._may_go_on(end) and self._more():
                continue
            self._at = end
            return value

    def _may_go_on(self, end: int) -> bool:
        """Whether the value before `end` may be the first part of a number: 1 of 1.5, of 1e5 and of 1E-5."""
        rest = self._text[end : end + 3]
        return len(rest) < 3 and not rest.strip(".eE+-") and self._text[end - 1] not in '"]}'

    def plain_elements(self, values: list[Json], most: int) -> None:
        """Add elements up to `most`, each as long as its comma is in the buffer. The place stays at an element's begin.

        The same could be done a `value` at a time; this is the fast road, and leaves all that is odd to that one.
        """
        text, at, scan, comma = self._text, self._at, self._scan_once, _COMMA.match
        while len(values) < most:
            try:
                value, end = scan(text, at)
            except (StopIteration, ValueError, RecursionError):
                break
            found = comma(text, end)
            if found is None or found.end() == len(text) or end - at > SURELY_SMALL:
                break
            values.append(value)
            at = found.end()
        self._at = at

    def skip(self) -> None:
        """Leave out the value that begins here, without keeping any of it."""
        if self.peek() not in ("[", "{", '"'):
            self.value()
            return
        depth, quoted = 0, False
        while True:
            found = (_QUOTE_OR_BACKSLASH if quoted else _BRACKET_OR_QUOTE).search(self._text, self._at)
            if found is None:
                self._at = len(self._text)
                if not self._more():
                    raise self._error("the end of an array or object")
                continue
            mark = found.group()
            self._at = found.end()
            if mark == "\\":
                if self._at == len(self._text) and not self._more():
                    raise self._error("a character behind the backslash")
                self._at += 1
            elif mark == '"':
                quoted = not quoted
                if not quoted and not depth:
                    return
            elif mark in "[{":
                depth += 1
            else:
                depth -= 1
                if not depth:
                    return

    def expect_end(self) -> None:
        """Nothing may follow the document."""
        if self.peek():
            raise self._error("the end of the document")

    def _take(self, mark: str) -> None:
        if self.peek() != mark:
            raise self._error(repr(mark))
        self._at += 1

    def _next_or_end(self, end: str) -> bool:
        mark = self.peek()
        if mark not in (",", end) or not mark:
            raise self._error(f"',' or '{end}'")
        self._at += 1
        return mark == end

    def _space(self) -> int:
        found = _SPACE.match(self._text, self._at)
        return found.end() if found else self._at

    def _more(self) -> bool:
        """Read on, as much again as is waiting, so that a long value is not scanned for every block. False at the end."""
        if self._ended:
            return False
        rest = self._text[self._at :]
        self._lines += self._text.count("\n", 0, self._at)
        self._dropped += self._at
        parts, wanted = [rest], len(rest)
        self._text, self._at = rest, 0
        while True:
            block = next(self._blocks, None)
            try:
                parts.append(self._decoder.decode(block or b"", final=block is None))
            except UnicodeDecodeError as error:
                self._text, self._at = "".join(parts), sum(map(len, parts))
                raise self._error(f"text in UTF-8, not byte 0x{error.object[error.start]:02x}") from error
            wanted -= len(parts[-1])
            self._ended = block is None
            if self._ended or (parts[-1] and wanted <= 0):
                break
        self._text = "".join(parts)
        return len(self._text) > len(rest)

    def _line(self) -> int:
        return self._lines + self._text.count("\n", 0, self._at) + 1

    def _too_large(self) -> ItemReaderError:
        return ItemReaderError(
            f"{self.source}, line {self._line()}: the item that begins here has more than {ITEM_LIMIT_BYTES} bytes "
            "(8 MB), the most that one item may have."
        )

    def _error(self, expected: str) -> ItemReaderError:
        line = self._line()
        text = self._text[self._at : self._at + 20]
        found = repr(text) if text else "the end of the object"
        return ItemReaderError(f"{self.source}, line {line}: the document is not JSON at {found}; expected {expected}.")

    def _refuse(self, constant: str) -> None:
        raise json.JSONDecodeError(f"{constant} is no JSON value", self._text, self._at)
