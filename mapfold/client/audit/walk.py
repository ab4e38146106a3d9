"""The walk: the manifest in the order of its places, beside the claims of the batches and the failed items.

All three come sorted, so at any place only those batches are in memory that had it: one, where all holds. No I/O is here but
that of the iterators.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import groupby

from mapfold.client.audit.claims import Claim, Failed, Told
from mapfold.client.audit.values import Finding, Kind, Totals
from mapfold.client.values import Json
from mapfold.runs.identity import item_digest
from mapfold.runs.partials import dumps
from mapfold.runs.source_items import UNREAD

_BEHIND_ALL = 1 << 62
_MASK = (1 << 64) - 1


def walk(
    entries: Iterable[tuple[int, Json]],
    told: Told,
    failures: Iterable[Failed],
    totals: Totals,
    *,
    is_whole: bool,
) -> Iterator[Finding]:
    """What does not hold, in the order of the places; `totals` is kept up to date meanwhile.

    entries: (index, item) of the manifest, indexes rising; `UNREAD` for an item of which only the place is known.
    is_whole: False of a run that was stopped before all was read, so that items without a batch are not missing.
    """
    return _Walk(told, failures, totals, is_whole=is_whole).over(entries)


class _Open:
    """A range that the walk is inside of, and what was seen in it."""

    __slots__ = ("claim", "digest", "failed", "is_read", "last", "seen")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.last = claim.last
        self.digest = self.failed = self.seen = 0
        self.is_read = True


class _Walk:
    def __init__(self, told: Told, failures: Iterable[Failed], totals: Totals, *, is_whole: bool) -> None:
        self._told, self._totals, self._is_whole = told, totals, is_whole
        self._claims = told.claims()
        self._failures = iter(failures)
        self._claim = next(self._claims, None)
        self._failed = next(self._failures, None)
        self._open: list[_Open] = []

    def over(self, entries: Iterable[tuple[int, Json]]) -> Iterator[Finding]:
        note, totals, before = self._totals.note, self._totals, -1
        for index, item in entries:
            if index != before + 1:
                yield from map(note, self._gap(before + 1, index - 1))
            if index == before:
                yield note(Finding(Kind.TWICE, index, item, detail="the manifest itself has this place twice"))
                continue
            while self._claim is not None and self._claim.first == index:
                self._open.append(_Open(self._claim))
                self._claim = next(self._claims, None)
            failed, reached = 0, True
            if self._failed is not None and self._failed.index <= index:
                failed, reached = yield from self._failures_at(index, item)
            totals.manifest += 1
            before = index
            open_ = self._open
            if not open_:
                yield from self._without_batch(index, item)
                continue
            if not failed:
                totals.succeeded += 1
            elif reached:
                totals.failed += 1
            else:
                totals.not_reached += 1
            if len(open_) > 1:
                batches = f"{len(open_)} batches had it"
                yield note(Finding(Kind.TWICE, index, item, detail=batches))
            digest = None if item is UNREAD else item_digest(index, item)
            totals.compared += digest is not None
            totals.placed += digest is None
            is_over = False
            for each in open_:
                each.seen += 1
                each.failed += failed
                if digest is None:
                    each.is_read = False
                else:
                    each.digest += digest
                is_over = is_over or each.last == index
            if is_over:
                yield from map(note, self._close(index))
        yield from map(note, self._gap(before + 1, _BEHIND_ALL))
        yield from map(note, self._spread())

    def _without_batch(self, index: int, item: Json) -> Iterator[Finding]:
        if self._is_whole:
            yield self._totals.note(Finding(Kind.MISSING, index, None if item is UNREAD else item))
        else:
            self._totals.not_reached += 1
            self._totals.unread += 1

    def _gap(self, first: int, last: int) -> Iterator[Finding]:
        """The manifest has no place from `first` to `last`: what batches had there, or failed there, is unknown."""
        while self._claim is not None and self._claim.first <= last:
            self._open.append(_Open(self._claim))
            self._claim = next(self._claims, None)
        for each in self._open:
            begin, end = max(first, each.claim.first), min(last, each.last)
            if begin <= end:
                detail = "a batch had what the manifest does not have"
                yield Finding(Kind.UNKNOWN, begin, None, end, detail)
        while self._failed is not None and self._failed.index <= last:
            detail = "failures.jsonl lists what the manifest does not have"
            yield Finding(Kind.UNKNOWN, self._failed.index, self._failed.item, detail=detail)
            self._failed = next(self._failures, None)
        yield from self._close(last)

    def _failures_at(self, index: int, item: Json) -> Generator[Finding, None, tuple[int, bool]]:
        """How many lines failures.jsonl has of this item, and whether the run reached it."""
        found, reached = 0, True
        while self._failed is not None and self._failed.index == index:
            found += 1
            reached = self._failed.is_reached
            if item is not UNREAD and self._failed.item != item:
                detail = f"failures.jsonl has another item at this place: {dumps(self._failed.item).decode()}"
                yield self._totals.note(Finding(Kind.ALTERED, index, item, detail=detail))
            self._failed = next(self._failures, None)
        if found > 1:
            detail = f"failures.jsonl lists it {found} times"
            yield self._totals.note(Finding(Kind.FAILURES, index, None if item is UNREAD else item, detail=detail))
        return found, reached

    def _close(self, index: int) -> Iterator[Finding]:
        """Compare what ends at `index` or before."""
        for each in [one for one in self._open if one.last <= index]:
            claim = each.claim
            if claim.ranges == 1:
                yield from _differences(claim, each.seen, each.failed, each.digest & _MASK, is_read=each.is_read)
            else:
                line = f"{claim.batch} {each.seen} {each.failed} {each.digest & _MASK} {int(each.is_read)} "
                self._told.spread.add(claim.batch, line.encode() + claim.line())
        self._open = [one for one in self._open if one.last > index]

    def _spread(self) -> Iterator[Finding]:
        """Compare the batches of several ranges, put together from what was seen of each."""
        for _, lines in groupby(self._told.spread, key=lambda pair: pair[0]):
            seen = failed = digest = 0
            is_read, claim = True, None
            for _, line in lines:
                numbers = line.split(b" ", 5)
                seen, failed, digest = seen + int(numbers[1]), failed + int(numbers[2]), digest + int(numbers[3])
                is_read = is_read and numbers[4] == b"1"
                part = Claim.of_line(numbers[5])
                claim = part if claim is None or part.first < claim.first else claim
            if claim is not None:
                yield from _differences(claim, seen, failed, digest & _MASK, is_read=is_read)


def _differences(claim: Claim, seen: int, failed: int, digest: int, *, is_read: bool) -> Iterator[Finding]:
    last = claim.last if claim.ranges == 1 else None
    more = "" if claim.ranges == 1 else f" (in {claim.ranges} ranges, of which this is the first)"
    if seen == claim.items and is_read and digest != claim.digest:
        detail = f"the batch had {claim.items} items{more} with digest {claim.digest:016x}; the manifest's have {digest:016x}"
        yield Finding(Kind.ALTERED, claim.first, None, last, detail)
    elif seen != claim.items:
        detail = f"the batch says that it had {claim.items} items{more}; at its places the manifest has {seen}"
        yield Finding(Kind.ALTERED, claim.first, None, last, detail)
    if failed != claim.failed:
        detail = f"{claim.failed} of the batch's items{more} failed, and failures.jsonl lists {failed}"
        yield Finding(Kind.FAILURES, claim.first, None, last, detail)
