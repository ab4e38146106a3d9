"""What a map run that goes on does before it starts children as usual.

    1. Children that have a snapshot go on from it.
    2. Rows of ended children are read in the order of their indexes, and give their results again. Where a row is
       missing its child had begun, and left nothing: it is started again, from its item.
    3. Unsuccessful children of earlier attempts are redriven.

After that the usual slots start the children that never began. Items are read again only where a child needs one, and
those that are passed over must still be what they were: otherwise children would be skipped or run twice.

Nothing is kept but the indexes of snapshots, which are as many as ran at once.
"""

from __future__ import annotations

from typing import Protocol

from mapfold.local.map_run.encoding import decode
from mapfold.local.map_run.former import FormerRun
from mapfold.local.map_run.model import Child, FormerLife, ItemReaderError, MapRunError
from mapfold.local.store import ChildRow
from mapfold.states.effects import Json, StateError

MAX_CHILD_EVENTS = 24_999
REDRIVABLE_SECONDS = 14 * 24 * 3600
OLDEST_SECONDS = 365 * 24 * 3600
"""A STANDARD child that has as many events, ended so long ago, or began so long ago, cannot be redriven."""

LISTED = frozenset({"Etag", "Key", "LastModified", "Size", "StorageClass"})
"""What an item of a listing has (readers/listing.py)."""

SHOWN = 80
"""Characters of an item that an error shows."""


class Host(Protocol):
    """What going on needs of its map run."""

    async def start(self, child: Child) -> bool:
        """Run a child as soon as there is room. False: no child is started any more, because the run is ending."""
        ...

    async def next_built(self) -> Child | None:
        """The next child of the items, or None when there are no more. Raises what reading and selecting raise."""
        ...

    async def recall(self, row: ChildRow) -> None:
        """Take the result of a child that ended before."""
        ...

    async def keep_unsuccessful(self, row: ChildRow, reason: str) -> None:
        """Leave a child that waited for redrive as it is; `reason` is its redriveStatusReason."""
        ...

    async def leave_pending(self, child: Child) -> None:
        """Note a child that is not started, because the run is ending."""
        ...

    async def leave_aborted(self, child: Child) -> None:
        """Note a child that had begun, and does not go on, because the run is ending."""
        ...

    def fail(self, error: StateError | MapRunError) -> None:
        """Fail the run: no child is started any more."""
        ...

    def now(self) -> float:
        """Epoch seconds."""
        ...


class GoingOn:
    """`run` leads a map run to where its usual slots take over.

    `compares_inputs`: a child's input follows from its items alone, so that it must be what it was.
    """

    def __init__(self, former: FormerRun, host: Host, *, express: bool, compares_inputs: bool, source: str) -> None:
        self._former = former
        self._host = host
        self._express = express
        self._compares_inputs = compares_inputs
        self._source = source
        self._saved: set[int] = set()
        self._redriven: set[int] = set()
        """Those of `_saved` that have a row, too."""
        self._built = -1
        """The index of the child that was built last."""

    async def run(self) -> bool:
        """Go on. True: there may be items left for children that never began."""
        await self._run_snapshots()
        reads = not self._former.all_started or self._gaps() > 0
        reads = await self._walk(reads)
        await self._redrive()
        return reads

    def _gaps(self) -> int:
        """How many children began and left nothing. Known when all have been started."""
        unended = sum(1 for index in self._saved if index not in self._redriven)
        return self._former.executions - self._former.ended_children - unended

    # --- 1. snapshots -------------------------------------------------------------------------------------

    async def _run_snapshots(self) -> None:
        async for row, events in self._former.snapshots():
            former = FormerLife(row.start, events, row.redrive_count, row.redrive_date, redriven=False)
            self._saved.add(row.index)
            if former.waits_for_redrive:
                self._redriven.add(row.index)
            assert row.input is not None
            child = Child(row.index, row.item_count, row.input, former)
            if not await self._host.start(child) and not former.waits_for_redrive:
                await self._host.leave_aborted(child)

    # --- 2. rows ------------------------------------------------------------------------------------------

    async def _walk(self, reads: bool) -> bool:
        async for row in self._former.rows():
            if reads:
                reads = await self._read_to(row.index, row)
            if row.index not in self._saved and not self._former.waits(row):
                await self._host.recall(row)
        last_saved = max(self._saved, default=-1)
        if reads and self._built < last_saved:
            reads = await self._read_to(last_saved, None)
        return reads

    async def _read_to(self, index: int, row: ChildRow | None) -> bool:
        """Build children up to the one at `index`, and start those that left nothing. False: the run has failed."""
        try:
            while self._built < index:
                child = await self._host.next_built()
                if child is None:
                    raise self._changed(f"they end before child execution {index}")
                self._built = child.index
                if row is not None and child.index == row.index:
                    self._compare(child, row)
                elif child.index not in self._saved and not await self._host.start(child):
                    await self._host.leave_pending(child)
        except (StateError, MapRunError) as error:
            self._host.fail(error)
            return False
        return True

    def _compare(self, child: Child, row: ChildRow) -> None:
        if child.item_count != row.item_count:
            raise self._changed(
                f"child execution {row.index} had {row.item_count} of them, it would have {child.item_count} now"
            )
        if self._compares_inputs and child.input_text != row.input and not _list_the_same(child.input_text, row.input):
            raise self._changed(
                f"the input of child execution {row.index} was {_shown(row.input or '')}, "
                f"it would be {_shown(child.input_text)} now"
            )

    def _changed(self, how: str) -> ItemReaderError:
        return ItemReaderError(
            f"The items of {self._source} have changed since the run began: {how}. Start a new execution."
        )

    # --- 3. redrives --------------------------------------------------------------------------------------

    async def _redrive(self) -> None:
        if not self._former.waiting:
            return
        now = self._host.now()
        async for row, events in self._former.to_redrive():
            if row.index in self._saved:
                continue
            reason = self._reason_against(row, len(events), now)
            if reason is not None:
                await self._host.keep_unsuccessful(row, reason)
                continue
            former = FormerLife(row.start, events, row.redrive_count, row.redrive_date, redriven=True)
            assert row.input is not None
            if not await self._host.start(Child(row.index, row.item_count, row.input, former)):
                return

    def _reason_against(self, row: ChildRow, events: int, now: float) -> str | None:
        """Why a child cannot be redriven, in AWS's words. An EXPRESS one always can (Redriving Map Runs)."""
        if self._express:
            return None
        if row.start < now - OLDEST_SECONDS:
            return "Execution has exceeded the max execution time"
        if (row.stop or now) < now - REDRIVABLE_SECONDS:
            return "Execution redrivable period exceeded"
        if events >= MAX_CHILD_EVENTS:
            return "Execution history event limit exceeded"
        return None


def _list_the_same(one: str, other: str | None) -> bool:
    """Whether two inputs name the same objects: one that was put back as it was has another LastModified."""
    now, then = (_without_dates(decode(text or "null")) for text in (one, other))
    return now is not None and now == then


def _without_dates(data: Json) -> Json:
    """The objects of a listing in a child's input, without their dates; None if the input holds anything else."""
    items = data["Items"] if isinstance(data, dict) and "Items" in data else [data]
    listed = all(isinstance(item, dict) and item.keys() >= LISTED for item in items)
    return [{**item, "LastModified": 0} for item in items] if listed else None


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
