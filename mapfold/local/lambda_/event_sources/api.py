"""The part of Lambda's REST API that is about event source mappings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from mapfold.local.lambda_.answers import json_response, read_document, take_page
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping, configuration
from mapfold.local.lambda_.event_sources.mappings import EventSourceMappings

PATH = "/2015-03-31/event-source-mappings"

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
    mapping = await mappings.create(await read_document(request))
    return _answer(mappings, mapping, state="Creating", status=202)


async def _get(mappings: EventSourceMappings, request: Request) -> Response:
    mapping = mappings.get(request.path_params["uuid"])
    return _answer(mappings, mapping, state=mappings.state(mapping))


async def _list(mappings: EventSourceMappings, request: Request) -> Response:
    query = request.query_params
    found = mappings.all(queue=query.get("EventSourceArn"), function=query.get("FunctionName"))
    page, more = take_page(found, query, key=lambda mapping: mapping.uuid, most=100)
    documents = [configuration(each, mappings.scope, mappings.state(each)) for each in page]
    return json_response({"EventSourceMappings": documents} | more)


async def _update(mappings: EventSourceMappings, request: Request) -> Response:
    uuid = request.path_params["uuid"]
    was_enabled = mappings.get(uuid).enabled
    mapping = await mappings.update(uuid, await read_document(request))
    changed = "Enabling" if mapping.enabled else "Disabling"
    return _answer(mappings, mapping, state="Updating" if mapping.enabled == was_enabled else changed, status=202)


async def _delete(mappings: EventSourceMappings, request: Request) -> Response:
    mapping = await mappings.delete(request.path_params["uuid"])
    return _answer(mappings, mapping, state="Deleting", status=202)


def _answer(mappings: EventSourceMappings, mapping: EventSourceMapping, *, state: str, status: int = 200) -> Response:
    return json_response(configuration(mapping, mappings.scope, state), status=status)
