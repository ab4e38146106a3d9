"""The journal anew, without what is not needed any more.

What is needed is worked out for a beginning of the file, up to some record, and holds whatever comes after it: the
state at that record is the same. So all but the last step is done while changes go on.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mapfold.local.aws_journal.bodies import Bodies
from mapfold.local.aws_journal.effects import Effects
from mapfold.local.aws_journal.journal import Journal
from mapfold.local.aws_journal.liveness import live
from mapfold.local.aws_journal.records import BEGUN, FAILED, FIRST_LINE, Entry, Record, SideBody, read_entries

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
MOST_UPDATES = 16

_SMALL = 64 << 10
"""Bytes: below that, nothing is gained."""


@dataclass(frozen=True, slots=True)
class Place:
    """A settled record: its bytes in the file, its own and those of its side file, and whether it is needed."""

    start: int
    end: int
    side: SideBody | None
    needed: bool

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.end - self.start + (0 if self.side is None else self.side.size)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a journal holds, up to `end`."""

    places: list[Place]
    end: int
    often_updated: list[Record]
    """The last update of each item that was updated more often than `MOST_UPDATES` since it was put."""

    @property
    def needed(self) -> int:
        """How many records are needed."""
        return sum(place.needed for place in self.places)

    @property
    def is_worth_compacting(self) -> bool:
        """Whether half of it, by records or by bytes, is not needed."""
        size = sum(place.size for place in self.places)
        kept = sum(place.size for place in self.places if place.needed)
        return size > _SMALL and (2 * kept < size or 2 * self.needed < len(self.places))


def survey(path: Path, bodies: Bodies, *, up_to: int | None = None) -> Survey:
    """Read a journal, up to the record that ends at `up_to`, and see what is needed. JournalError if it is damaged."""
    effects = Effects(lambda record: bodies.load(record.body, record.side))
    entries, found = [], []
    last_updates: dict[int, Record] = {}
    end = len(FIRST_LINE)
    with path.open("rb") as file:
        for entry in read_entries(file, path, up_to=up_to):
            end = entry.end
            if entry.went != BEGUN:  # else it was never answered
                entries.append((entry.start, entry.end, entry.record.side))
                found.append(effects.of(entry.record, failed=entry.went == FAILED))
                if found[-1].updates and entry.record.side is None:
                    last_updates[found[-1].changes[0]] = entry.record
    needed = live(found)
    updates = Counter(effect.changes[0] for effect, keep in zip(found, needed, strict=True) if keep and effect.updates)
    often = [last_updates[cell] for cell, times in updates.items() if times > MOST_UPDATES and cell in last_updates]
    return Survey([Place(*entry, keep) for entry, keep in zip(entries, needed, strict=True)], end, often)


def needed_entries(path: Path, surveyed: Survey) -> Iterator[Entry]:
    """The records that are needed, in order."""
    needed = {place.start for place in surveyed.places if place.needed}
    with path.open("rb") as file:
        for entry in read_entries(file, path, up_to=surveyed.end):
            if entry.start in needed:
                yield entry


def write_compacted(path: Path, surveyed: Survey) -> Path:
    """A new file beside `path` with the records that are needed; not in its place yet."""
    partial = path.with_suffix(".partial")
    with path.open("rb") as source, partial.open("wb") as target:
        target.write(FIRST_LINE)
        for place in surveyed.places:
            if place.needed:
                source.seek(place.start)
                _copy(source, target, place.end - place.start)
        _sync(target)
    return partial


def put_in_place(journal: Journal, compacted: Path, surveyed: Survey) -> None:
    """Add what has come since the survey, and go on in the new file. Nobody else may write meanwhile."""
    with journal.path.open("rb") as source, compacted.open("r+b") as target:
        target.seek(0, os.SEEK_END)
        source.seek(surveyed.end)
        _copy(source, target, journal.end - surveyed.end)
        _sync(target)
        end = target.tell()
    journal.move_to(compacted, end=end)


def remove_bodies(bodies: Bodies, surveyed: Survey) -> None:
    """Remove the side files that only dropped records named."""
    for place in surveyed.places:
        if not place.needed:
            bodies.remove(place.side)


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size:
        chunk = source.read(min(_CHUNK, size))
        size -= len(chunk)
        target.write(chunk)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
