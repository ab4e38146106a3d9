"""Duplicates: items that name the same object as an earlier one, found before a run starts.

One pass over the names puts each into a filter (a Bloom filter whose bits for one name lie in one word of 64). A name that
the filter may hold already is a candidate; mostly there is none, and the pass was all. Otherwise the candidates, which
another filter keeps, are counted exactly (by 128 bits of BLAKE2b) in further passes, each over a slice of all hashes that
is small enough to be held.

Memory: 16 to 32 bits a name and at most 128 MiB, a quarter of it for the candidates, and some 100 MiB for a slice; a bit
a name to tell which are repeated. Ten million names take 32 + 8 MiB, a hundred million 128 + 32 + 12 MiB, the slice
beside it, also when each name is there twice: then there are more passes, one for each 500,000 duplicates.
Time, reading included (Python 3.11, seconds of one core): 0.8 µs a name and pass over plain lines of a manifest, 1.5 µs over
an inventory, 1.1 µs where each is counted. Of millions of names a few are candidates by chance, so that there are two
passes: ten million lines take 16 s. Lambda has a third of a core at 512 MiB: a hundred million lines take 8 minutes there.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any

from mapfold.runs.deadline import RESERVE_SECONDS, OutOfTime, SecondsLeft

Chunks = Callable[[], Iterable[Sequence[str]]]
"""Gives the names from the first on, as often as it is called."""

SHOWN = 5
"""Names that are reported, and places of each."""

MOST_WORDS = 1 << 24
SLICE_NAMES = 500_000
"""Names that are counted in one pass: some 100 bytes each, their digest, their place and the dict's."""

_PATTERNS = 4096
_BITS_A_NAME = 4
_MORE_TIME = (
    "Raise the memory of the job's functions (`others_memory_mb` of the stage), which comes with more of a processor, "
    'or declare Job(on_duplicate="ignore")'
)


class DuplicateItems(Exception):
    """The source names an object twice, and the job refuses that."""


DuplicateItems.__name__ = "Mapfold.DuplicateItems"  # what Step Functions and whoever reads a failed run sees


@dataclass(slots=True)
class Repeated:
    """A name that is there more than once, with its first few places."""

    name: str
    indexes: list[int]


@dataclass(slots=True)
class Duplicates:
    """names: all. items: those that name what an earlier one does. first: the first of them, by their names."""

    names: int
    items: int = 0
    first: list[Repeated] = field(default_factory=list)
    _repeats: bytearray = field(default_factory=bytearray)

    def repeats(self, index: int) -> bool:
        """Whether the item at this place names what an earlier one does."""
        return bool(self._repeats) and bool(self._repeats[index >> 3] & (1 << (index & 7)))

    def as_event(self, shown: Callable[[str], str]) -> dict[str, Any]:
        """{"items", "first": [{"key", "indexes"}]}: what the run reports."""
        first = [{"key": shown(each.name), "indexes": each.indexes} for each in self.first]
        return {"items": self.items, "first": first}


def find_duplicates(
    chunks: Chunks, *, expected: int, seconds_left: SecondsLeft, slice_names: int = SLICE_NAMES
) -> Duplicates:
    """All names that are there more than once. `expected`: about how many names there are; more cost passes, not memory.

    OutOfTime, before the process is ended.
    """
    clock = _Clock(seconds_left)
    words = _words(expected)
    candidates = _Filter(words // 4, shift=52)
    names, hits = _first_pass(chunks(), _Filter(words, shift=40), candidates, clock)
    if not hits:
        return Duplicates(names)
    slices = -(-hits // slice_names)
    while True:
        found = Duplicates(names, _repeats=bytearray((names >> 3) + 1))
        try:
            for number in range(slices):
                _count(chunks(), candidates, number, slices, found, clock, most=2 * slice_names)
        except _TooMany:
            slices *= 2
            continue
        found.first.sort(key=lambda each: each.indexes[1])
        del found.first[SHOWN:]
        return found


def first_occurrences(items: Iterable[Any], duplicates: Duplicates) -> Iterator[tuple[int, Any]]:
    """The items without those that repeat an earlier one, each with the index that it has among all."""
    return ((index, item) for index, item in enumerate(items) if not duplicates.repeats(index))


def refused(duplicates: Duplicates, shown: Callable[[str], str]) -> DuplicateItems:
    """The error of a job that refuses them."""
    named = "; ".join(f"{shown(each.name)} at {', '.join(map(str, each.indexes))}" for each in duplicates.first)
    more = "" if duplicates.items <= len(duplicates.first) else ", and more"
    return DuplicateItems(
        f"{duplicates.items:,} of {duplicates.names:,} items name an object that an earlier item names: {named}{more} "
        '(counted from 0). Take them out of the source, or declare Job(on_duplicate="once") to run each object once.'
    )


def _words(expected: int) -> int:
    """A power of two, of words of 64 bits: 16 bits a name at least, as long as there are so many."""
    wanted = max(1024, expected // 4)
    return min(MOST_WORDS, 1 << (wanted - 1).bit_length())


class _Filter:
    """Words, and the bits of a name in one of them: which ones, its hash says from bit `shift` on.

    `hash` of a text is SipHash with a key of this process, so all passes are made in one.
    """

    __slots__ = ("mask", "patterns", "shift", "words")

    def __init__(self, words: int, *, shift: int) -> None:
        self.words = array("Q", bytes(8 * words))
        self.mask = words - 1
        self.shift = shift
        self.patterns = _patterns()


@cache
def _patterns() -> list[int]:
    """Four bits of 64, in 4,096 ways that are the same in every process: made once in each, which takes 4 ms."""
    found = []
    for number in range(_PATTERNS):
        picks = blake2b(number.to_bytes(2, "big"), digest_size=_BITS_A_NAME).digest()
        pattern = 0
        for pick in picks:
            pattern |= 1 << (pick & 63)
        found.append(pattern)
    return found


class _Clock:
    """Counts names, and sees to it that there is time for more."""

    def __init__(self, seconds_left: SecondsLeft) -> None:
        self._seconds_left = seconds_left
        self._names = 0

    def passed(self, names: int) -> None:
        """Note names that were looked at. OutOfTime."""
        self._names += names
        if self._seconds_left() < RESERVE_SECONDS:
            raise OutOfTime("duplicates were looked for", after=f"{self._names:,} names", fix=_MORE_TIME)


def _first_pass(chunks: Iterable[Sequence[str]], seen: _Filter, candidates: _Filter, clock: _Clock) -> tuple[int, int]:
    """How many names there are, and how many of them may have been there before; those go into `candidates`.

    One loop without a call: with a method for a name, it takes twice as long.
    """
    words, mask, shift, patterns = seen.words, seen.mask, seen.shift, seen.patterns
    c_words, c_mask, c_shift = candidates.words, candidates.mask, candidates.shift
    names = hits = 0
    for chunk in chunks:
        for hashed in map(hash, chunk):
            at = hashed & mask
            pattern = patterns[(hashed >> shift) & 4095]
            word = words[at]
            if word & pattern != pattern:
                words[at] = word | pattern
                continue
            hits += 1
            c_words[hashed & c_mask] |= patterns[(hashed >> c_shift) & 4095]
        names += len(chunk)
        clock.passed(len(chunk))
    return names, hits


class _TooMany(Exception):
    """More names are in a slice than may be held."""


def _count(
    chunks: Iterable[Sequence[str]],
    candidates: _Filter,
    number: int,
    slices: int,
    found: Duplicates,
    clock: _Clock,
    *,
    most: int,
) -> None:
    """Add the duplicates among the candidates in slice `number` of `slices`."""
    words, mask, shift, patterns = candidates.words, candidates.mask, candidates.shift, candidates.patterns
    firsts: dict[bytes, int] = {}
    shown: dict[bytes, Repeated] = {}
    start = 0
    for chunk in chunks:
        for index, hashed in enumerate(map(hash, chunk), start):
            pattern = patterns[(hashed >> shift) & 4095]
            if words[hashed & mask] & pattern != pattern or (hashed >> 8) % slices != number:
                continue
            name = chunk[index - start]
            digest = blake2b(name.encode(), digest_size=16).digest()
            first = firsts.setdefault(digest, index)
            if first == index:
                continue
            found.items += 1
            found._repeats[index >> 3] |= 1 << (index & 7)
            if digest in shown:
                places = shown[digest].indexes
                if len(places) < SHOWN:
                    places.append(index)
            elif len(shown) < SHOWN:
                shown[digest] = Repeated(name, [first, index])
        start += len(chunk)
        clock.passed(len(chunk))
        if len(firsts) > most:
            raise _TooMany
    found.first += shown.values()
