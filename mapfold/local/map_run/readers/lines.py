"""Whole lines out of a stream of bytes, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

from mapfold.local.map_run.model import ItemReaderError
from mapfold.local.map_run.readers.objects import S3Object

ITEM_LIMIT_BYTES = 8 * 1024**2
"""The most that one raw item of a CSV, JSON or JSON Lines object may hold (ItemReader, Map: quotas)."""


class LineBlocks:
    """Blocks that end with a line's end (the last one may not). Being cut there, each is valid UTF-8 by itself.

    Lines end with LF or CR LF; where a block has no LF at all, with CR. `lines_before` is the number of lines before
    the block that was given last, `bytes_given` the size of all blocks so far: readers tell their place by them.
    """

    def __init__(self, source: S3Object, blocks: Iterator[bytes]) -> None:
        self._source = source
        self._blocks = blocks
        self._lines_given = 0
        self.lines_before = 0
        self.bytes_given = 0

    def __iter__(self) -> Iterator[bytes]:
        rest: list[bytes] = []
        waiting = 0
        for block in self._blocks:
            cut = _last_line_end(block)
            if not cut:
                rest.append(block)
                waiting += len(block)
                if waiting > ITEM_LIMIT_BYTES:
                    raise ItemReaderError(
                        f"{self._source}, line {self._lines_given + 1}: the line has more than {ITEM_LIMIT_BYTES} bytes "
                        "(8 MB), the most that one item may have."
                    )
                continue
            rest.append(block[:cut])
            yield self._give(b"".join(rest))
            rest = [block[cut:]]
            waiting = len(block) - cut
        if last := b"".join(rest):
            yield self._give(last)

    def texts(self) -> Iterator[str]:
        """The blocks as text. Bytes that are not UTF-8 are an error that names the line."""
        for block in self:
            try:
                yield block.decode()
            except UnicodeDecodeError as error:
                line = self.lines_before + block.count(b"\n", 0, error.start) + 1
                raise ItemReaderError(
                    f"{self._source}, line {line}: byte 0x{block[error.start]:02x} is not UTF-8; expected text in UTF-8."
                ) from error

    def _give(self, block: bytes) -> bytes:
        self.lines_before = self._lines_given
        self._lines_given += block.count(b"\n")
        self.bytes_given += len(block)
        return block


def _last_line_end(block: bytes) -> int:
    """Where to cut: behind the last LF, or behind the last CR that is surely not the first half of CR LF."""
    cut = block.rfind(b"\n") + 1
    return cut or block.rfind(b"\r", 0, len(block) - 1) + 1
