"""What the handlers of Lambda's REST API share: bodies in, pages and documents out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mapfold.local.lambda_.errors import invalid_parameter, request_too_large, validation_failed
from mapfold.local.lambda_.requests import parsed_body

T = TypeVar("T")

MAX_BODY_BYTES = 70_167_211
"""What Lambda takes as the body of any request: a zip of 50 MB in base64."""


async def read_body(request: Request, limit: int) -> bytes:
    """The body, read no further than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise request_too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


async def read_document(request: Request) -> dict[str, Any]:
    """The body's JSON object."""
    return parsed_body(await read_body(request, MAX_BODY_BYTES))


def take_page(
    found: Sequence[T], query: Mapping[str, str], *, key: Callable[[T], str], most: int = 50
) -> tuple[Sequence[T], dict[str, Any]]:
    """A page of what was `found`, which is in the order of `key`, and the member NextMarker if there is more.

    At most MaxItems, and at most `most`; the marker is the key of the page's last.
    """
    try:
        size = int(query.get("MaxItems", most))
    except ValueError as error:
        raise validation_failed(query["MaxItems"], at="maxItems", rule="be a number") from error
    if not 1 <= size <= 10_000:
        raise validation_failed(size, at="maxItems", rule="have value between 1 and 10000")
    after = _read_marker(query.get("Marker"))
    remaining = [each for each in found if key(each) > after]
    page = remaining[: min(size, most)]
    more = len(remaining) > len(page)
    return page, {"NextMarker": base64.urlsafe_b64encode(key(page[-1]).encode()).decode()} if more else {}


def json_response(document: Mapping[str, Any], *, status: int = 200) -> Response:
    """An answer with a JSON document."""
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")


def _read_marker(marker: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(marker).decode() if marker else ""
    except (binascii.Error, ValueError) as error:
        raise invalid_parameter("Invalid Marker.") from error
