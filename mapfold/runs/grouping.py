"""What a worker does with a batch's records: folds them by key in memory, and in files when they become too many.

The records of an item count all or not at all: they are folded by themselves first, and only those of an item that
came to its end go into the batch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from mapfold.codec import Place, decode, encode
from mapfold.job import Job
from mapfold.runs.grouped import RecordFold, folded_lines, sort_key
from mapfold.runs.sorting import AT_ONCE_BYTES, SortedLines

_OF_MEMORY = 4
"""A quarter of the function's memory holds records; the rest is Python's, boto3's, and the author's own."""

_ENTRY = 160
"""A key and its place in a dict, beside the characters of the key."""


def most_held_bytes(job: Job) -> int:
    """How much of a worker's memory holds records before they go into files."""
    return job.memory_mb * 1024 * 1024 // _OF_MEMORY


class Grouping:
    """Records folded by key. In a `with` block: leaving it removes the files."""

    def __init__(self, job: Job, *, most_bytes: int | None = None) -> None:
        self._job = job
        self._fold = RecordFold(job)
        self._most = most_held_bytes(job) if most_bytes is None else most_bytes
        self._held: dict[str, Any] = {}
        self._held_bytes = 0
        self._spilled: SortedLines[bytes] = SortedLines(sort_key, at_once=min(AT_ONCE_BYTES, self._most))
        self.has_spilled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def held_bytes(self) -> int:
        """About the bytes of all records, in memory and in files."""
        return self._held_bytes + self._spilled.bytes

    def of_item(self, returned: Any) -> Grouping:
        """What the map function returned for an item, folded by itself. `absorb` it, or leave it, and it is not in."""
        item = Grouping(self._job, most_bytes=self._most // 2)
        try:
            for record in _records(self._job, returned):
                item._add(record)
        except BaseException:
            item.close()
            raise
        return item

    def absorb(self, item: Grouping) -> None:
        """Fold an item's records in; its files are removed."""
        for sorted_by, line in item._spilled:
            self._spilled.add(sorted_by, line)
        self.has_spilled = self.has_spilled or item.has_spilled
        size = item._held_bytes // max(1, len(item._held))
        for key, record in item._held.items():
            self._fold_in(key, record, size)
        item.close()

    def close(self) -> None:
        """Remove the files."""
        self._spilled.close()

    def lines(self) -> Iterator[bytes]:
        """A line for each key, sorted (`mapfold.runs.grouped`). Nothing may be added after it."""
        self._spill()
        return folded_lines((line for _, line in self._spilled), self._fold)

    def _add(self, record: Any) -> None:
        place = Place(self._job.name, "map")
        plain = encode(record, place, "record")
        key = self._job.group_by_function(record)
        if not isinstance(key, str):
            found = f"{key!r} (a {type(key).__name__})"
            raise Place(self._job.name, "group_by").error("the key", f"is {found}", "Keys are strings: use str(key)")
        # A copy: the author may hand out one object many times, and a fold may change what it is given.
        self._fold_in(
            str(key), decode(self._job.partial_type, plain, place, "record"), weight(plain) + len(key) + _ENTRY
        )

    def _fold_in(self, key: str, record: Any, size: int) -> None:
        if key in self._held:
            self._held[key] = self._fold.merged(self._held[key], record)
        else:
            self._held[key] = record
        self._held_bytes += size
        if self._held_bytes > self._most:
            self._look_again()

    def _look_again(self) -> None:
        """Spill, but only if what is held has grown: most records may have been folded into others."""
        place = Place(self._job.name, "fold")
        held = sum(weight(encode(record, place, "record")) + len(key) + _ENTRY for key, record in self._held.items())
        self._held_bytes = held
        if held > self._most // 2:
            self._spill()

    def _spill(self) -> None:
        for key, record in self._held.items():
            line = self._fold.line(key, record)
            self._spilled.add(sort_key(line), line)
        self.has_spilled = self.has_spilled or self._held_bytes > self._most // 2
        self._held, self._held_bytes = {}, 0


def weight(value: Any) -> int:
    """About the bytes that a plain JSON value takes as Python objects (sys.getsizeof on Python 3.11)."""
    if isinstance(value, str):
        return 56 + len(value)
    if isinstance(value, list):
        return 72 + sum(8 + weight(member) for member in value)
    if isinstance(value, dict):
        return 232 + sum(104 + weight(member) for member in value.values())
    return 32


def _records(job: Job, returned: Any) -> Iterator[Any]:
    if isinstance(returned, (str, bytes, Mapping)) or not hasattr(returned, "__iter__"):
        found = f"is a {type(returned).__name__}"
        fix = "With @job.group_by it returns a list of records, or another iterable of them"
        raise Place(job.name, "map").error("what it returned", found, fix)
    return iter(returned)
