"""Whole lines out of a stream of bytes, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

from mapfold.local.map_run.model import ItemReaderError
from mapfold.local.map_run.readers.objects import S3Object

ITEM_LIMIT_BYTES = 8 * 1024**2
"""The most that one raw item of a CSV, JSON or JSON Lines object may hold (ItemReader, Map: quotas)."""


class LineBlocks:
    """Blocks that end with a line's end (the last one may not). Being cut there, each is valid UTF-8 by itself.

    Lines end with LF or CR LF; with `lone_cr`, and where a block has no LF at all, with CR too. `lines_before` is the
    number of lines (by LF) before the block that was given last: readers tell their place by it.
    """

    def __init__(self, source: S3Object, blocks: Iterator[bytes], *, lone_cr: bool = False) -> None:
        self._source = source
        self._blocks = blocks
        self._lone_cr = lone_cr
        self._lines_given = 0
        self.lines_before = 0

    def __iter__(self) -> Iterator[bytes]:
        """Raises `ItemReaderError` for a line that is larger than an item may be."""
        rest: list[bytes] = []
        waiting = 0
        for block in self._blocks:
            if waiting + len(block) > ITEM_LIMIT_BYTES:
                self._check_line(waiting, rest, block)
            cut = self._last_line_end(block)
            if not cut:
                rest.append(block)
                waiting += len(block)
                continue
            rest.append(block[:cut])
            yield self._give(b"".join(rest))
            rest = [block[cut:]]
            waiting = len(block) - cut
        if last := b"".join(rest):
            yield self._give(last)

    def not_utf_8(self, block: bytes, error: UnicodeDecodeError) -> ItemReaderError:
        """The error for a byte of the block that was given last, naming its line."""
        line = self.lines_before + block.count(b"\n", 0, error.start) + 1
        return ItemReaderError(
            f"{self._source}, line {line}: byte 0x{block[error.start]:02x} is not UTF-8; expected text in UTF-8."
        )

    def _give(self, block: bytes) -> bytes:
        self.lines_before = self._lines_given
        self._lines_given += block.count(b"\n")
        return block

    def _check_line(self, waiting: int, rest: list[bytes], block: bytes) -> None:
        """The line that has begun with `rest`, `waiting` bytes, and goes on in `block`. Its line end does not count."""
        end = block.find(b"\n")
        if end < 0 and self._lone_cr:
            end = block.find(b"\r")
        head = block if end < 0 else block[:end]
        ends_with_cr = (head or (rest[-1] if rest else b"")).endswith(b"\r")
        if waiting + len(head) - ends_with_cr > ITEM_LIMIT_BYTES:
            raise ItemReaderError(
                f"{self._source}, line {self._lines_given + 1}: the line has more than {ITEM_LIMIT_BYTES} bytes "
                "(8 MB), the most that one item may have."
            )

    def _last_line_end(self, block: bytes) -> int:
        """Where to cut: behind the last LF, or behind the last CR that is surely not the first half of CR LF."""
        cut = block.rfind(b"\n") + 1
        if cut or not self._lone_cr:
            return cut
        return block.rfind(b"\r", 0, len(block) - 1) + 1
