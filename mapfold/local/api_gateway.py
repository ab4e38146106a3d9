"""What API Gateway does with a REST API of one proxy resource, at `/api` on Mapfold's port.

A request becomes the event of a Lambda proxy integration (v1), the function `mapfold-api` is invoked with it, and its
answer becomes the response. What comes below `/api` is the path; `api` stands for the stage.

Unlike API Gateway it asks nobody who they are: the port is for programs on this machine alone (`service/guard.py`).
Nor may a page that another port of this machine serves change anything: a browser sends a form's POST to any port.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mapfold.local.lambda_ import Invocation, LambdaError
from mapfold.local.lambda_.errors import TOO_LARGE

log = logging.getLogger(__name__)
T = TypeVar("T")
U = TypeVar("U")

FUNCTION = "mapfold-api"
STAGE = "api"
TIMEOUT_SECONDS = 29.0
"""How long API Gateway waits for an integration."""

MAX_BODY_BYTES = 10 * 1024 * 1024
_LARGE_BYTES = 256 * 1024
"""Beyond this a thread builds and parses JSON: requests and calls of workers do not wait for it."""

_READING = frozenset({"GET", "HEAD"})
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
"""Headers of an answer that the server makes itself."""


class Functions(Protocol):
    """What the gateway takes of `LambdaService`."""

    async def invoke(self, function: str, payload: bytes, *, is_json: bool = False) -> Invocation: ...


def routes(functions: Functions, *, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Route]:
    """`/api` and all below it, for a Starlette app's root."""

    async def endpoint(request: Request) -> Response:
        return await _answer(request, functions, timeout_seconds)

    return [Route(path, endpoint, methods=_METHODS) for path in (f"/{STAGE}", f"/{STAGE}/{{proxy:path}}")]


async def _answer(request: Request, functions: Functions, timeout_seconds: float) -> Response:
    if request.method not in _READING and (problem := _of_another_page(request)):
        return _json(403, {"error": "Forbidden", "message": problem})
    body = await _body(request)
    if body is None:
        return _refusal(413, "Request Too Long")
    event = proxy_event(request, body, request_id=str(uuid.uuid4()), now=time.time())
    try:
        async with asyncio.timeout(timeout_seconds):
            payload = await _without_blocking(orjson.dumps, event, size=len(body))
            outcome = await functions.invoke(FUNCTION, payload, is_json=True)
    except TimeoutError:
        log.warning("%s %s: %s did not answer in %.0f s", request.method, event["path"], FUNCTION, timeout_seconds)
        return _refusal(504, "Endpoint request timed out")
    except LambdaError as error:
        return _not_invoked(error)
    if outcome.function_error:
        return _malfunction(request, outcome, "failed")
    response = await _without_blocking(http_response, outcome.payload, size=len(outcome.payload))
    return response or _malfunction(request, outcome, "gave no answer that a proxy integration may give")


def _of_another_page(request: Request) -> str | None:
    """Why a request that changes something is refused; None if it comes from a program, or from a page of our own."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none") or origin not in (None, f"http://{request.headers.get('host')}"):
        return (
            f"A page of {origin or 'another site'} may not change anything here. Ask from a program, or from a page of "
            "this host and port."
        )
    return None


async def _without_blocking(work: Callable[[T], U], given: T, *, size: int) -> U:
    """What `work` makes of `given`, in a thread where that has so many bytes that all others would wait for it."""
    return await asyncio.to_thread(work, given) if size > _LARGE_BYTES else work(given)


async def _body(request: Request) -> bytes | None:
    """The body whole; None if it is larger than API Gateway takes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def proxy_event(request: Request, body: bytes, *, request_id: str, now: float) -> dict[str, Any]:
    """The event of a Lambda proxy integration, payload format 1.0.

    A body that is no UTF-8 is base64, as where the API says that its media type is binary.
    """
    proxy = request.path_params.get("proxy", "")
    path, resource = f"/{proxy}", "/{proxy+}" if proxy else "/"
    headers = _multi((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    query = _multi(parse_qsl(request.url.query, keep_blank_values=True))
    text, is_base64 = _text(body)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": proxy} if proxy else None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "local",
            "resourcePath": resource,
            "operationName": None,
            "httpMethod": request.method,
            "extendedRequestId": request_id,
            "requestId": request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "path": f"/{STAGE}{path if proxy else ''}",
            "accountId": "123456789012",
            "protocol": f"HTTP/{request.scope.get('http_version', '1.1')}",
            "stage": STAGE,
            "domainPrefix": "local",
            "domainName": request.headers.get("host", ""),
            "apiId": "local",
            "identity": {
                **dict.fromkeys(("accessKey", "accountId", "apiKey", "apiKeyId", "caller", "user", "userArn")),
                **dict.fromkeys(("cognitoAuthenticationProvider", "cognitoAuthenticationType")),
                **dict.fromkeys(("cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId")),
                "sourceIp": request.client.host if request.client else "127.0.0.1",
                "userAgent": request.headers.get("user-agent"),
            },
        },
        "body": text,
        "isBase64Encoded": is_base64,
    }


def http_response(payload: bytes) -> Response | None:
    """The response that a function's proxy answer means; None if it is none (API Gateway then answers 502)."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    try:
        status = int(answer.get("statusCode", 200))
        content = _content(answer.get("body"), is_base64=bool(answer.get("isBase64Encoded")))
        headers = list(_headers(answer))
    except (TypeError, ValueError, AttributeError):
        return None
    if not 100 <= status <= 599:
        return None
    response = Response(content, status_code=status)
    for name, value in headers:
        response.headers.append(name, value)
    if "content-type" not in response.headers:
        response.headers["content-type"] = "application/json"  # API Gateway's own default
    return response


def _content(body: object, *, is_base64: bool) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError("a body is text")
    try:
        return base64.b64decode(body, validate=True) if is_base64 else body.encode()
    except binascii.Error as error:
        raise ValueError("a body that calls itself base64 is not") from error


def _headers(answer: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Those with one value and those with many; a name that is in both has the values of the many."""
    many = {name: [*values] for name, values in (answer.get("multiValueHeaders") or {}).items()}
    known = {name.lower() for name in many}
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() not in known:
            many[name] = [value]
    for name, values in many.items():
        if name.lower() not in _OF_THE_CONNECTION:
            yield from ((name, str(value).lower() if isinstance(value, bool) else str(value)) for value in values)


def _multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _last(values: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: all_of_it[-1] for name, all_of_it in values.items()}


def _text(body: bytes) -> tuple[str | None, bool]:
    if not body:
        return None, False
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True


def _not_invoked(error: LambdaError) -> Response:
    if error.code == "ResourceNotFoundException":
        message = (
            f"The function {FUNCTION}, which answers here, is not deployed. Deploy it with: mapfold deploy "
            "(mapfold local does so by itself where it finds jobs)."
        )
        return _json(503, {"error": "NotDeployed", "message": message})
    if error.code == TOO_LARGE:
        return _refusal(413, "Request Too Long")
    log.warning("%s could not be invoked: %s", FUNCTION, error)
    return _refusal(500, "Internal server error")


def _malfunction(request: Request, outcome: Invocation, what: str) -> Response:
    reason = outcome.payload[:1000].decode(errors="replace")
    log.warning(
        "%s %s: %s %s, request %s: %s", request.method, request.url.path, FUNCTION, what, outcome.request_id, reason
    )
    return _refusal(502, "Internal server error")


def _refusal(status: int, message: str) -> Response:
    return _json(status, {"message": message})


def _json(status: int, document: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")
