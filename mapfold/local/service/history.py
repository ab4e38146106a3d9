"""GetExecutionHistory: what the store has, and behind it what the engine still holds (history-events 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mapfold.local.arns import Kind
from mapfold.local.service.context import Service
from mapfold.local.service.executions import find_child, find_execution
from mapfold.local.service.faults import execution_missing, type_not_supported
from mapfold.local.service.pages import cut_page, read_token, with_token
from mapfold.local.service.request import Request
from mapfold.local.store import Page, WireEvent


async def get_execution_history(service: Service, request: Request) -> dict[str, Any]:
    """GetExecutionHistory, of a STANDARD execution or a STANDARD child; `reverseOrder` only turns the order."""
    reverse = request.flag("reverseOrder", default=False)
    with_data = request.flag("includeExecutionData", default=True)
    size = request.page_size()
    token = request.text("nextToken", most=1024, needed=False)
    arn = request.arn("executionArn", Kind.EXECUTION, Kind.EXPRESS)
    if arn.kind is Kind.EXPRESS:
        raise type_not_supported()
    question = ["GetExecutionHistory", str(arn), reverse, with_data]
    page = Page(size + 1, read_token(token, question))
    # Memory first: what it no longer holds was given to the store before now, and a read of the store flushes.
    live = service.engine.live_execution(str(arn))
    newest: Sequence[WireEvent] = () if live is None else list(live.events_from(1))
    if arn.is_child:
        map_run, index = await find_child(service, arn)
        if map_run.child_type == "EXPRESS":
            raise type_not_supported()
        if live is None:
            if await service.store.child(map_run.id, index) is None:
                raise execution_missing(str(arn))
            newest = await service.store.child_events(map_run.id, index)
        kept: list[WireEvent] = []
    else:
        row = (await find_execution(service, arn))[0] if live is None else live.row
        if row.type == "EXPRESS":
            raise type_not_supported()
        kept = await _kept(service, row.id, page, newest, reverse=reverse)
    events = _in_page([*kept, *newest], page, reverse=reverse)
    shown, token = cut_page(events, size, question, key=lambda event: int(event["id"]))
    if not with_data:
        shown = [without_data(event) for event in shown]
    return with_token({"events": shown}, token)


async def _kept(
    service: Service, execution_id: int, page: Page, newest: Sequence[WireEvent], *, reverse: bool
) -> list[WireEvent]:
    """The page's events that are in the store and not in `newest`."""
    if not newest:
        return await service.store.events(execution_id, page, reverse=reverse)
    first = int(newest[0]["id"])
    if reverse:
        before = first if page.after is None else min(first, page.after)
        return await service.store.events(execution_id, Page(page.limit, before), reverse=True)
    kept = await service.store.events(execution_id, page)
    return [event for event in kept if event["id"] < first]


def _in_page(events: Sequence[WireEvent], page: Page, *, reverse: bool) -> list[WireEvent]:
    after = page.after
    if after is not None:
        events = [event for event in events if (event["id"] < after if reverse else event["id"] > after)]
    return sorted(events, key=lambda event: int(event["id"]), reverse=reverse)[: page.limit]


def without_data(event: WireEvent) -> WireEvent:
    """An event without payloads, for includeExecutionData=false."""
    return {
        name: {key: item for key, item in value.items() if key not in ("input", "output", "parameters")}
        if isinstance(value, dict)
        else value
        for name, value in event.items()
    }
