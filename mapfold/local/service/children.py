"""ListExecutions of a map run: what runs now is in the engine's memory, what has ended is in the store.

In a redrive a child may be in both: its row is of its last end, until it has ended again. Rows of an earlier attempt are
those of children that run now, that wait for it (PENDING_REDRIVE), or that cannot be redriven.
"""

from __future__ import annotations

from collections.abc import Mapping

from mapfold.local.service.context import Service
from mapfold.local.service.redrivable import redrive_of
from mapfold.local.store import ChildFilter, ChildRow, MapRunRow, Page


async def list_children(
    service: Service, map_run: MapRunRow, page: Page, *, status: str | None, redriven: bool | None
) -> list[ChildRow]:
    """A page of a map run's children (as it is now), the last index first. `status` may be PENDING_REDRIVE."""
    running = {
        child.index: child
        for child in service.engine.live_children(map_run.arn)
        if page.after is None or child.index < page.after
    }
    ended = [] if status == "RUNNING" else await _ended(service, map_run, page, running, status, redriven)
    shown = {child.index: child for child in ended}
    if status in (None, "RUNNING"):
        for index, child in running.items():
            if redriven is None or redriven == (child.redrive_count > 0):
                shown.setdefault(index, child)
    return sorted(shown.values(), key=lambda child: child.index, reverse=True)[: page.limit]


async def _ended(
    service: Service,
    map_run: MapRunRow,
    page: Page,
    running: Mapping[int, ChildRow],
    status: str | None,
    redriven: bool | None,
) -> list[ChildRow]:
    """A page of those that do not run: whoever has a row, but not one that is of an earlier attempt than this run's.

    Reads on until the page is full: at most as many rows are left out as children run.
    """
    redrive = redrive_of(service, map_run)
    if status == "PENDING_REDRIVE":
        if redrive is None:
            return []
        status, chosen = None, ChildFilter(redriven, waiting=redrive)
    else:
        chosen = ChildFilter(redriven, settled=None if status is None else redrive)
    found: list[ChildRow] = []
    while True:
        rows = await service.store.children(map_run.id, page, status=status, filter=chosen)
        found += [row for row in rows if redrive is None or row.index not in running or not redrive.runs_again(row)]
        if len(rows) < page.limit or len(found) >= page.limit:
            return found
        page = Page(page.limit, rows[-1].index)
