"""Where CSV records end when quoted fields hold newlines: found by reading all that lies before.

Quotes are the only thing that is looked at. Between two of them the text is inside of a field or outside of all, in turns,
and that this is so is checked at each: outside, a field begins before an opening quote and ends behind a closing one.
A quote that stands elsewhere is an error, so that a cut is never made on a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapfold.splits.errors import Place, SplitError
from mapfold.splits.records import RECORD_LIMIT, Block, Located, whole_records

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
        position, data = block.position, block.data
        begin = position if begin is None else begin  # of the record at hand
        spans = quotes.spans_outside(block)
        if target is None or target > position + len(data):
            begin = _last_begin(block, spans, begin)
            spans = []
        for first, last in spans:
            while target is not None:
                newline = data.find(b"\n", max(first, target - 1 - position), last)
                if newline < 0:
                    break
                begin = _behind(data, first, newline, position) or begin
                found = position + newline + 1
                _check_length(place, begin, found, longest)
                yield found
                while target is not None and target <= found:
                    target = next(wanted, None)
            begin = _behind(data, first, last, position) or begin
        _check_length(place, begin, position + len(data), RECORD_LIMIT)
    if quotes.inside and begin is not None:
        raise place.error(begin, "the record that begins here has a quote that nothing closes", "Put its quotes right")


class _Quotes:
    """Follows quotes from block to block. `inside`: what comes next is inside of them."""

    def __init__(self, delimiter: bytes) -> None:
        self.inside = False
        self._before_opening = frozenset((b"", delimiter, b"\n"))
        self._behind_closing = frozenset((b"", delimiter, b"\r", b"\n"))

    def spans_outside(self, block: Block) -> list[tuple[int, int]]:
        """Where in the block it is outside of quotes. SplitError for a quote that neither opens nor closes a field.

        A block is made of lines, so that what stands before and behind a quote is in it. Two quotes that touch are no end
        of a field: they have nothing between them.
        """
        parts = block.data.split(b'"')
        began_inside, self.inside = self.inside, self.inside ^ (len(parts) % 2 == 0)
        outside = parts[began_inside::2]
        ends = {part[-1:] for part in (outside if self.inside else outside[:-1])}
        begins = {part[:1] for part in (outside if began_inside else outside[1:])}
        spans = _spans(parts, began_inside) if began_inside or len(parts) > 1 else [(0, len(block.data))]
        if not (ends <= self._before_opening and begins <= self._behind_closing):
            raise self._stray(block, spans)
        return spans

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


def _last_begin(block: Block, spans: list[tuple[int, int]], begin: int) -> int:
    """Where the last record begins, from the end on; `begin` where none does in this block."""
    for first, last in reversed(spans):
        if found := _behind(block.data, first, last, block.position):
            return found
    return begin


def _behind(data: bytes, first: int, last: int, position: int) -> int | None:
    """Behind the last newline of a part of the data that lies at `position`."""
    newline = data.rfind(b"\n", first, last)
    return position + newline + 1 if newline >= 0 else None


def _check_length(place: Place, begin: int, end: int, longest: int | None) -> None:
    if longest is not None and end - begin > longest:
        limit = f"split_bytes is {longest:,}" if longest != RECORD_LIMIT else f"{longest:,} are the most"
        problem = f"the record that begins here has {end - begin:,} bytes or more, and {limit}"
        fix = "Give larger split_bytes, or leave them out" if longest != RECORD_LIMIT else "Look for a quote too few"
        raise place.error(begin, problem, fix)
