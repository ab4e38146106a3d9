"""Closes map runs that nobody goes on with: their execution came to its end while the engine was away.

And children that began before it was, where their map run has ended before their turn came again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from mapfold.local.arns import parse_arn
from mapfold.local.map_run import MapRunIdentity
from mapfold.local.store import ChildRow, MapRunRow, Page, Store, WireEvent

PAGE_ROWS = 1_000


async def close_map_run(store: Store, run: MapRunRow, *, now: float) -> None:
    """Close `run` as ABORTED, with its children that were running, and counters that add up.

    Of those children only the ones with a snapshot are there to be closed; a redrive goes on with them where they were.
    Of the others nothing is known but their number. Result files are not written.
    """
    await abort_saved(store, run, now=now, redriven=True)
    ended = await store.child_counts(run.id)
    executions = _closed_counts(run.execution_counts, {status: count for status, (count, _) in ended.items()})
    items = _closed_counts(run.item_counts, {status: count for status, (_, count) in ended.items()})
    store.map_run_saved(replace(run, status="ABORTED", stop=now, execution_counts=executions, item_counts=items))


async def abort_saved(store: Store, run: MapRunRow, *, now: float, redriven: bool) -> None:
    """Give the children of `run` that have a snapshot their end, ABORTED, and close the map runs that they have open.

    `redriven`: also those that were redriven. Otherwise they stay what the row of their last end says.
    """
    identity = MapRunIdentity(run.arn, parse_arn(run.arn).machine, run.label, run.execution_arn)
    after: int | None = None
    while saved := await store.saved_children(run.id, Page(PAGE_ROWS, after)):
        for child, events in saved:
            if redriven or not child.redrive_count:
                _abort(store, child, events, attempt=run.redrive_count, now=now)
            await _close_open_runs(store, identity.child_arn(child.index), now=now)
        after = saved[-1][0].index


async def _close_open_runs(store: Store, execution_arn: str, *, now: float) -> None:
    before: int | None = None
    while rows := await store.map_runs(execution_arn, Page(PAGE_ROWS, before)):
        for row in rows:
            if row.status == "RUNNING":
                await close_map_run(store, row, now=now)
        before = rows[-1].id


def _abort(store: Store, child: ChildRow, events: list[WireEvent], *, attempt: int, now: float) -> None:
    last = len(events)
    end = {"timestamp": now, "type": "ExecutionAborted", "id": last + 1, "previousEventId": 0}
    end["executionAbortedEventDetails"] = {}
    store.child_ended(
        child.map_run_id,
        child.index,
        "ABORTED",
        child.start,
        now,
        child.item_count,
        child.input or "",
        None,
        events=orjson.dumps([*events, end]),
        redrive_count=child.redrive_count,
        redrive_date=child.redrive_date,
        attempt=attempt,
        was_saved=True,
    )


_COUNTERS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut", "ABORTED": "aborted"}


def _closed_counts(saved: Mapping[str, int], ended: Mapping[str, int]) -> dict[str, int]:
    """Counters with the rows of children as the truth: what had not begun is pending, and all else was aborted."""
    counts = {name: ended.get(status, 0) for status, name in _COUNTERS.items()}
    rows = sum(counts.values())
    total = max(saved.get("total", 0), rows)
    pending = min(saved.get("pending", 0), total - rows)
    counts["aborted"] += total - rows - pending
    return {**saved, **counts, "pending": pending, "running": 0, "pendingRedrive": 0, "total": total}
