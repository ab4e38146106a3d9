"""Where CSV records end when quoted fields hold newlines: found by reading all that lies before.

Quotes are the only thing that is looked at. Between two of them the text is inside of a field or outside of all, in turns,
and that this is so is checked at each: outside, a field begins before an opening quote and ends behind a closing one.
A quote that stands elsewhere is an error, so that a cut is never made on a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mapfold.splits.errors import Place, SplitError
from mapfold.splits.records import RECORD_LIMIT, Block, Located, last_end, whole_records

_STRAY = "Double it and quote its field, or, if no field holds a newline, declare the source without quoted_newlines"


def record_ends(
    chunks: Iterable[Located], targets: Iterable[int], place: Place, *, delimiter: str, longest: int | None = None
) -> Iterator[int]:
    """For each of the rising `targets`, the first byte at or behind it at which a record begins or the text ends.

    None twice. The first chunk begins with a record. SplitError for a quote that neither opens nor closes a field, for a
    record over `longest` or RECORD_LIMIT, and for a last record whose quotes are not closed.
    """
    quotes = _Quotes(delimiter.encode())
    wanted = iter(targets)
    target = next(wanted, None)
    begin: int | None = None
    for block in whole_records(chunks, place):
        position, data, inside = block.position, block.data, quotes.inside
        begin = position if begin is None else begin  # of the record at hand
        quotes.follow(block)
        behind, odd = 0, inside
        while target is not None and target <= position + len(data):
            newline = data.find(b"\n", max(behind, target - 1 - position))
            if newline < 0:
                break
            odd ^= data.count(b'"', behind, newline) % 2 == 1
            behind = newline + 1
            if odd:
                continue
            if before := last_end(data[:newline], inside):
                begin = position + before
            found = position + newline + 1
            _check_length(place, begin, found, longest)
            yield found
            while target is not None and target <= found:
                target = next(wanted, None)
        if before := last_end(data, inside):
            begin = position + before
        _check_length(place, begin, position + len(data), RECORD_LIMIT)
    if quotes.inside and begin is not None:
        raise place.error(begin, "the record that begins here has a quote that nothing closes", "Put its quotes right")


class _Quotes:
    """Follows quotes from block to block. `inside`: what comes next is inside of them.

    Two quotes that touch, doubled ones in a field or those of an empty one, change nothing and are left out first. What is left
    is matched as a whole by a pattern that is compiled for the delimiter: ten times as fast as looking at each.
    """

    def __init__(self, delimiter: bytes) -> None:
        self.inside = False
        self._before_opening = frozenset((b"", delimiter, b"\n"))
        self._behind_closing = frozenset((b"", delimiter, b"\r", b"\n"))
        between = re.escape(delimiter)
        opening, closing = rb'(?<![^%s\n])"' % between, rb'"(?![^%s\r\n])' % between
        fields = rb'(?:[^"]*+%s[^"]*+%s)*+[^"]*+(?:%s[^"]*+)?' % (opening, closing, opening)
        self._from_outside = re.compile(fields)
        self._from_inside = re.compile(rb'[^"]*+(?:%s%s)?' % (closing, fields))

    def follow(self, block: Block) -> None:
        """Go on behind the block. SplitError for a quote in it that neither opens nor closes a field.

        A block is made of lines, so that what stands before and behind a quote is in it.
        """
        began_inside = self.inside
        pattern = self._from_inside if began_inside else self._from_outside
        if pattern.fullmatch(block.data.replace(b'""', b"")) is None:
            raise self._stray(block, _spans(block.data.split(b'"'), began_inside))
        self.inside ^= block.data.count(b'"') % 2 == 1

    def _stray(self, block: Block, spans: list[tuple[int, int]]) -> SplitError:
        data = block.data
        for first, last in spans:
            if first and data[first : min(last, first + 1)] not in self._behind_closing:
                return block.error(first - 1, "this quote closes a field in which more follows", _STRAY)
            if last < len(data) and last > first and data[last - 1 : last] not in self._before_opening:
                return block.error(last, "this quote stands inside of a field that does not begin with one", _STRAY)
        raise AssertionError("called for a block in which every quote is in its place")


def _spans(parts: list[bytes], began_inside: bool) -> list[tuple[int, int]]:
    """First and last byte, the last exclusive, of every second part of a text that was split at quotes."""
    spans, offset, inside = [], 0, began_inside
    for part in parts:
        if not inside:
            spans.append((offset, offset + len(part)))
        offset += len(part) + 1
        inside = not inside
    return spans


def _check_length(place: Place, begin: int, end: int, longest: int | None) -> None:
    if longest is not None and end - begin > longest:
        limit = f"split_bytes is {longest:,}" if longest != RECORD_LIMIT else f"{longest:,} are the most"
        problem = f"the record that begins here has {end - begin:,} bytes or more, and {limit}"
        fix = "Give larger split_bytes, or leave them out" if longest != RECORD_LIMIT else "Look for a quote too few"
        raise place.error(begin, problem, fix)
