"""The elements of an array, or the members of an object, in a JSON document that is read as it arrives.

The standard library decodes one value after the other out of a buffer that is refilled: memory is that of the largest
value, those beside a pointer's way included.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from mapfold.runs.looks.errors import SourceError

Json = Any

_SPACE = " \t\r\n"
_MORE_CHARACTERS = 256 * 1024


def read_members(blocks: Iterator[bytes], pointer: str, *, uri: str) -> Iterator[tuple[str | None, Json]]:
    """(key, value) of each member of what `pointer` (RFC 6901) names; of an array's elements the key is None.

    SourceError where the document ends in the middle, is no JSON, or has nothing there.
    """
    document = _Document(blocks, uri)
    for step in pointer.split("/")[1:]:
        document.descend(step.replace("~1", "/").replace("~0", "~"))
    for key, _ in document.members():
        yield key, document.value()


class _Document:
    """Text on its way; `at` is the place in the buffer."""

    def __init__(self, blocks: Iterator[bytes], uri: str) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._blocks, self._uri = blocks, uri
        self._buffer, self._at, self._ended = "", 0, False

    def descend(self, step: str) -> None:
        """Go to the member, or the element, that `step` names."""
        for key, number in self.members():
            if step == (str(number) if key is None else key):
                return
            self.value()
        raise SourceError(f"{self._uri} has no {step!r} where the job's pointer leads")

    def members(self) -> Iterator[tuple[str | None, int]]:
        """The key (None in an array) and number of each; its value has to be taken before the next."""
        opening = self._take()
        if opening not in ("[", "{"):
            raise SourceError(f"{self._uri}: there is neither an array nor an object where the job's pointer leads")
        closing = "]" if opening == "[" else "}"
        number = 0
        while self._peek() != closing:
            if number and self._take() != ",":
                raise SourceError(f"{self._uri} is no JSON: a comma is missing behind element {number}")
            key = None
            if opening == "{":
                key = str(self.value())
                self._take()
            yield key, number
            number += 1

    def value(self) -> Json:
        """The value that begins here. A number may go on in the next block, so one at the buffer's end is read again."""
        self._peek()
        while True:
            try:
                found, end = self._scan(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    raise SourceError(f"{self._uri} is no JSON, or ends in the middle: {error.msg}") from error
            else:
                if end < len(self._buffer) or self._ended:
                    self._at = end
                    return found
            self._fill()

    def _take(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _peek(self) -> str:
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                raise SourceError(f"{self._uri} ends in the middle: it is no whole JSON document")
            self._fill()

    def _fill(self) -> None:
        """More text, twice as much each time that a value needs it: a large one is scanned a few times, not hundreds."""
        rest = self._buffer[self._at :]
        wanted, parts = max(_MORE_CHARACTERS, len(rest)), [rest]
        while wanted > 0:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
                parts.append(self._decode(b"", final=True))
                break
            parts.append(self._decode(block))
            wanted -= len(parts[-1])
        self._buffer, self._at = "".join(parts), 0
