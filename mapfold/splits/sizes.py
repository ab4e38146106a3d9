"""How large a piece of an object is, and how many pieces make a batch.

A worker's time bounds a piece: Lambda gives a function one core for each 1,769 MB of its memory (Lambda's guide), and
a map function in Python is taken to work on 8 MiB a second and core, of which a piece is to take a quarter of
the timeout. With the defaults, 512 MB and 60 s, that is 35 MiB, and ten gigabytes are 274 pieces. Memory does not bound it:
rows are read as a stream.

A smaller object is cut into PIECES ones, so that they run side by side, but none is under SMALLEST_PIECE, for which starting
a child costs about as much as reading it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

PIECES = 200
SMALLEST_PIECE = 4 * 1024 * 1024
MOST_AT_ONCE = 1024
"""Splits in a batch, at most."""

_BYTES_PER_SECOND = 8 * 1024 * 1024
_MEMORY_MB_PER_CORE = 1_769
_SHARE_OF_TIMEOUT = 4
GZIP_RATIO = 5
"""How much text shrinks: what a gzip member holds is not known before it is read."""


def largest_piece(*, memory_mb: int, timeout_seconds: int) -> int:
    """Bytes, before compression, that a worker should take on at once."""
    cores = memory_mb / _MEMORY_MB_PER_CORE
    return max(SMALLEST_PIECE, int(cores * _BYTES_PER_SECOND * timeout_seconds / _SHARE_OF_TIMEOUT))


def piece_bytes(size: int, largest: int) -> int:
    """About how long a piece of an object of `size` bytes is to be."""
    return max(SMALLEST_PIECE, min(largest, math.ceil(size / PIECES)))


def piece_ranges(start: int, end: int, piece: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of pieces of about the same length, at most `piece`, between two bytes; none where there is nothing.

    As they are taken: a job may ask for small ones, and then there are millions.
    """
    count = math.ceil((end - start) / piece)
    if count < 1:
        return iter(())
    return pairwise(start + (end - start) * number // count for number in range(count + 1))


class BatchSizes:
    """Counts the bytes of batches of 1, 2, 4, … splits as the splits pass by, and says which of these is right."""

    def __init__(self) -> None:
        self.splits = self.bytes = 0
        self._open = {2**power: 0 for power in range(MOST_AT_ONCE.bit_length())}
        self._largest = dict.fromkeys(self._open, 0)

    def add(self, size: int) -> None:
        """The next split's bytes."""
        self.splits += 1
        self.bytes += size
        for items in self._open:
            self._open[items] += size
            self._largest[items] = max(self._largest[items], self._open[items])
            if self.splits % items == 0:
                self._open[items] = 0

    def choose(self, largest: int, *, given: int | None = None) -> int:
        """The most splits in a batch, so that none has more bytes than a piece of all of them together would have.

        given: how long pieces are, where the job says so.
        """
        target = given or piece_bytes(self.bytes, largest)
        return max(_fitting(self._largest.items(), target), default=1)


def _fitting(batches: Iterable[tuple[int, int]], target: int) -> list[int]:
    return [items for items, size in batches if size <= target]
