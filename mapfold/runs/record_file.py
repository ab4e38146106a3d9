"""The records of one of a ResultWriter's files, which is JSON Lines or one JSON array, as they are read."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

Json = Any

_CHUNK_CHARACTERS = 64 * 1024
_RECORD_CHARACTERS = 8 * 1024 * 1024
"""A record is far smaller: an input has at most 256 KiB, an escaped character takes up to twelve in a text in a text."""

_SPACE = " \t\r\n"


class BrokenRecords(Exception):
    """The file is cut off, or no JSON. The message begins with the place."""


def read_records(file: IO[bytes]) -> Iterator[tuple[str, Json]]:
    """Each record with its place in words. BrokenRecords where there is none that can be read."""
    first = _first_byte(file)
    if first == b"[":
        yield from _elements(file)
    elif first:
        yield from _lines(first, file)


def _first_byte(file: IO[bytes]) -> bytes:
    while (byte := file.read(1)).isspace():
        pass
    return byte


def _lines(first: bytes, file: IO[bytes]) -> Iterator[tuple[str, Json]]:
    for number, line in enumerate(file, 1):
        whole = first + line
        first = b""
        if not whole.strip():
            continue
        try:
            yield f"line {number}", json.loads(whole)
        except ValueError as error:
            raise BrokenRecords(f"line {number}: it is cut off, or no JSON: {error}") from error


def _elements(file: IO[bytes]) -> Iterator[tuple[str, Json]]:
    """The elements of an array whose opening bracket was read. Memory holds one of them, and what was read behind it."""
    decoder, text, number = json.JSONDecoder(), "", 0
    incoming = _decoded(file)
    ended = False
    while True:
        text = text.lstrip(_SPACE)
        if text.startswith("]"):
            return
        body = text[1:].lstrip(_SPACE) if number and text.startswith(",") else text
        if body and (number == 0 or text.startswith(",")):
            try:
                value, end = decoder.raw_decode(body)
            except ValueError as error:
                if ended or len(body) > _RECORD_CHARACTERS:
                    raise BrokenRecords(f"record {number + 1}: it is cut off, or no JSON: {error}") from error
            else:
                if end < len(body) or ended:  # a number that ends with the text may go on behind it
                    number += 1
                    yield f"record {number}", value
                    text = body[end:]
                    continue
        elif text and not ended and not text.startswith(","):
            raise BrokenRecords(f"behind record {number}: a comma or the array's end must come, not {text[:20]!r}")
        if ended:
            raise BrokenRecords(f"behind record {number}: the file is cut off, its array has no end")
        # Twice as much each time: a record of any size is decoded a few times, not once for every chunk.
        more = "".join(_take(incoming, max(len(text), 1)))
        ended, text = not more, text + more


def _take(chunks: Iterator[str], characters: int) -> Iterator[str]:
    taken = 0
    for chunk in chunks:
        yield chunk
        taken += len(chunk)
        if taken >= characters:
            return


def _decoded(file: IO[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while chunk := file.read(_CHUNK_CHARACTERS):
        yield decoder.decode(chunk)
