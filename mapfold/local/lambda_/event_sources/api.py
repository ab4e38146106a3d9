"""The part of Lambda's REST API that is about event source mappings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mapfold.local.lambda_.errors import invalid_parameter, validation_failed
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping, configuration
from mapfold.local.lambda_.event_sources.mappings import EventSourceMappings
from mapfold.local.lambda_.requests import parsed_body

PATH = "/2015-03-31/event-source-mappings"
_MOST_A_PAGE = 100

Handler = Callable[[EventSourceMappings, Request], Awaitable[Response]]


def handlers() -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each call."""
    return [
        ("POST", f"{PATH}/", _create),
        ("POST", PATH, _create),
        ("GET", f"{PATH}/", _list),
        ("GET", PATH, _list),
        ("GET", f"{PATH}/{{uuid}}", _get),
        ("PUT", f"{PATH}/{{uuid}}", _update),
        ("DELETE", f"{PATH}/{{uuid}}", _delete),
    ]


async def _create(mappings: EventSourceMappings, request: Request) -> Response:
    mapping = await mappings.create(parsed_body(await request.body()))
    return _answer(mappings, mapping, state="Creating", status=202)


async def _get(mappings: EventSourceMappings, request: Request) -> Response:
    mapping = mappings.get(request.path_params["uuid"])
    return _answer(mappings, mapping, state=mappings.state(mapping))


async def _list(mappings: EventSourceMappings, request: Request) -> Response:
    query = request.query_params
    try:
        size = int(query.get("MaxItems", _MOST_A_PAGE))
    except ValueError as error:
        raise validation_failed(query["MaxItems"], at="maxItems", rule="be a number") from error
    if not 1 <= size <= 10_000:
        raise validation_failed(size, at="maxItems", rule="have value between 1 and 10000")
    after = _uuid_of(query.get("Marker"))
    found = mappings.all(queue=query.get("EventSourceArn"), function=query.get("FunctionName"))
    remaining = [mapping for mapping in found if mapping.uuid > after]
    page = remaining[: min(size, _MOST_A_PAGE)]
    document: dict[str, Any] = {
        "EventSourceMappings": [configuration(each, mappings.scope, mappings.state(each)) for each in page]
    }
    if len(remaining) > len(page):
        document["NextMarker"] = base64.urlsafe_b64encode(page[-1].uuid.encode()).decode()
    return _json(document)


async def _update(mappings: EventSourceMappings, request: Request) -> Response:
    mapping = await mappings.update(request.path_params["uuid"], parsed_body(await request.body()))
    return _answer(mappings, mapping, state="Updating", status=202)


async def _delete(mappings: EventSourceMappings, request: Request) -> Response:
    mapping = await mappings.delete(request.path_params["uuid"])
    return _answer(mappings, mapping, state="Deleting", status=202)


def _uuid_of(marker: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(marker).decode() if marker else ""
    except (binascii.Error, ValueError) as error:
        raise invalid_parameter("Invalid Marker.") from error


def _answer(mappings: EventSourceMappings, mapping: EventSourceMapping, *, state: str, status: int = 200) -> Response:
    return _json(configuration(mapping, mappings.scope, state), status=status)


def _json(document: dict[str, Any], *, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")
