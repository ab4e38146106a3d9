"""GetExecutionHistory: what the store has, and behind it what the engine still holds (history-events 5).

Of an EXPRESS execution or child AWS gives no history; ours is at `GET /mapfold/history?executionArn=…`, with the same members (as
parameters) and the same answer, so that people can see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from mapfold.local.arns import Kind
from mapfold.local.execution_data import without_payloads
from mapfold.local.service.context import Service
from mapfold.local.service.executions import find_child, find_execution
from mapfold.local.service.faults import Fault, execution_missing, type_not_supported
from mapfold.local.service.pages import cut_page, read_token, with_token
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds
from mapfold.local.store import Page, WireEvent


async def get_execution_history(service: Service, request: Request) -> dict[str, Any]:
    """GetExecutionHistory, of a STANDARD execution or a STANDARD child; `reverseOrder` only turns the order."""
    return await _history(service, request, with_express=False)


def routes(service: Service) -> list[Route]:
    """The route of our own."""

    async def endpoint(http: HttpRequest) -> Response:
        try:
            answer = await _history(service, Request(_members(http.query_params)), with_express=True)
        except Fault as fault:
            return _json({"__type": fault.code, "message": fault.message}, status=fault.status)
        return _json(answer)

    return [Route("/mapfold/history", endpoint, methods=["GET"], name="history")]


def _members(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The request that a query stands for: numbers and booleans as in JSON, all else as text."""
    members: dict[str, Any] = dict(parameters)
    if members.get("maxResults", "").isdecimal():
        members["maxResults"] = int(members["maxResults"])
    for name in ("reverseOrder", "includeExecutionData"):
        if name in members:
            members[name] = {"true": True, "false": False}.get(members[name], members[name])
    return members


def _json(answer: Mapping[str, Any], *, status: int = 200) -> Response:
    return Response(orjson.dumps(answer), status_code=status, media_type="application/json")


async def _history(service: Service, request: Request, *, with_express: bool) -> dict[str, Any]:
    reverse = request.flag("reverseOrder", default=False)
    with_data = request.flag("includeExecutionData", default=True)
    size = request.page_size()
    token = request.text("nextToken", most=1024, needed=False)
    arn = request.arn("executionArn", Kind.EXECUTION, *([Kind.EXPRESS] if with_express else []))
    question = ["GetExecutionHistory", str(arn), reverse, with_data]
    page = Page(size + 1, read_token(token, question))
    # Memory first: what it no longer holds was given to the store before now, and a read of the store flushes.
    live = service.engine.live_execution(str(arn))
    newest: Sequence[WireEvent] = () if live is None else list(live.events_from(1))
    if arn.is_child:
        map_run, index = await find_child(service, arn)
        if map_run.child_type == "EXPRESS" and not with_express:
            raise type_not_supported()
        if live is None:
            if await service.store.child(map_run.id, index) is None:
                raise execution_missing(str(arn))
            newest = await service.store.child_events(map_run.id, index)
        kept: list[WireEvent] = []
    else:
        row = (await find_execution(service, arn))[0] if live is None else live.row
        kept = await _kept(service, row.id, page, newest, reverse=reverse)
    events = _in_page([*kept, *newest], page, reverse=reverse)
    shown, token = cut_page(events, size, question, key=lambda event: int(event["id"]))
    shown = [{**event, "timestamp": seconds(event["timestamp"])} for event in shown]
    if not with_data:
        shown = [_without_data(event) for event in shown]
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


def _without_data(event: WireEvent) -> WireEvent:
    """An event for includeExecutionData=false."""
    return {name: without_payloads(value) if isinstance(value, dict) else value for name, value in event.items()}
