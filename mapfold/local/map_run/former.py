"""What the store has of a map run that goes on, after a crash or by a redrive.

Children that ended have a row; of the others, those that ran for long have a snapshot. Both are read page by page, in
the order of their indexes, and never kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mapfold.local.map_run.readers import ObjectIdentity
from mapfold.local.store import ChildRow, MapRunRow, Page, WireEvent

PAGE_ROWS = 1_000

Totals = Mapping[str, tuple[int, int]]
"""Status -> (children, items)."""


class KeptChildren(Protocol):
    """The reads of the store that a map run makes; all pages are in the order of indexes."""

    async def ended_children(self, map_run_id: int, page: Page) -> list[ChildRow]: ...

    async def saved_children(self, map_run_id: int, page: Page) -> list[tuple[ChildRow, list[WireEvent]]]: ...

    async def children_to_redrive(
        self, map_run_id: int, page: Page, *, attempt: int
    ) -> list[tuple[ChildRow, list[WireEvent]]]: ...

    async def child_counts(self, map_run_id: int) -> dict[str, tuple[int, int]]: ...

    async def redrive_counts(self, map_run_id: int, *, attempt: int) -> dict[str, tuple[int, int]]: ...

    async def last_child_index(self, map_run_id: int) -> int: ...


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A map run as the store has it. `attempt` is its redrive count: unsuccessful children that ended at an earlier one
    wait for redrive (`waiting`); everything else that ended stays as it is.

    `redoes_aborted`: the engine ended while the run was ending, and aborted its children. What made it end may not come
    again (S3 answers now), so those children wait for redrive as well.
    """

    map_run_id: int
    attempt: int
    redoes_aborted: bool
    store: KeptChildren
    ended: Totals
    waiting: Totals
    last_index: int
    """The greatest index of a child that has a row or a snapshot; -1 if there is none."""
    items: int
    """Items that were known of when the row was saved last."""
    executions: int
    all_started: bool
    """The items were read to their end, and every child was started: there are as many as `executions` says."""
    source: ObjectIdentity | None
    """The object that the items were read from, if it was one."""
    result_files: Sequence[Mapping[str, Any]]

    @property
    def ended_children(self) -> int:
        """How many children have a row."""
        return sum(children for children, _ in self.ended.values())

    async def rows(self) -> AsyncIterator[ChildRow]:
        """The children that have ended, with payloads."""
        after: int | None = None
        while rows := await self.store.ended_children(self.map_run_id, Page(PAGE_ROWS, after)):
            for row in rows:
                yield row
            after = rows[-1].index

    async def snapshots(self) -> AsyncIterator[tuple[ChildRow, list[WireEvent]]]:
        """The children that ran when the engine ended, as far as they were saved."""
        after: int | None = None
        while rows := await self.store.saved_children(self.map_run_id, Page(PAGE_ROWS, after)):
            for row in rows:
                yield row
            after = rows[-1][0].index

    async def to_redrive(self) -> AsyncIterator[tuple[ChildRow, list[WireEvent]]]:
        """The children that wait for redrive."""
        after: int | None = None
        before = self.attempt + self.redoes_aborted
        while rows := await self.store.children_to_redrive(self.map_run_id, Page(PAGE_ROWS, after), attempt=before):
            for row, events in rows:
                if self.waits(row):
                    yield row, events
            after = rows[-1][0].index

    def waits(self, row: ChildRow) -> bool:
        """Whether a child waits for redrive."""
        if row.status == "SUCCEEDED":
            return False
        return row.attempt < self.attempt or (self.redoes_aborted and row.status == "ABORTED")


async def find_former(store: KeptChildren, row: MapRunRow) -> FormerRun:
    """What there is of the map run whose row is `row`."""
    last = await store.last_child_index(row.id)
    waiting = await store.redrive_counts(row.id, attempt=row.redrive_count)
    redoes_aborted = row.status in ("FAILED", "ABORTED")
    if redoes_aborted:
        all_unsuccessful = await store.redrive_counts(row.id, attempt=row.redrive_count + 1)
        waiting = {**waiting, "ABORTED": all_unsuccessful.get("ABORTED", (0, 0))}
    return FormerRun(
        map_run_id=row.id,
        attempt=row.redrive_count,
        redoes_aborted=redoes_aborted,
        store=store,
        ended=await store.child_counts(row.id),
        waiting=waiting,
        last_index=last,
        items=row.item_counts.get("total", 0),
        executions=row.execution_counts.get("total", 0),
        all_started=row.all_started,
        # Before the first child anything may still be mended: AWS then reads the source afresh.
        source=read_identity(row.source_etag) if last >= 0 else None,
        # An attempt that goes on writes its own files anew, under the same keys.
        result_files=[file for file in row.result_files if file["Attempt"] < row.redrive_count],
    )


def identity_text(identity: ObjectIdentity) -> str:
    """An object's identity as one text: its ETag, and its version after a space. An ETag has no space."""
    return identity.etag if identity.version is None else f"{identity.etag} {identity.version}"


def read_identity(text: str | None) -> ObjectIdentity | None:
    """The identity that `identity_text` wrote."""
    if text is None:
        return None
    etag, _, version = text.partition(" ")
    return ObjectIdentity(etag, version or None)
