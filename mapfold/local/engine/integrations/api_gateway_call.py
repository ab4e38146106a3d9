"""`apigateway:invoke`: an endpoint of API Gateway, called as it stands (guide: Create API Gateway REST APIs)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from mapfold.local.engine.integrations.calls import ClientFault
from mapfold.local.engine.integrations.http_task import METHODS, Send
from mapfold.local.engine.integrations.http_transport import (
    HttpAnswer,
    answer_of,
    header_pairs,
    is_forbidden,
    is_loopback,
    query_pairs,
    send,
)
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.requests import could_not_start, invalid_format, not_supported, required
from mapfold.states.effects import Json, Resource, RunTask, TaskFailed

FIELDS = frozenset(
    (
        "AllowNullValues",
        "ApiEndpoint",
        "AuthType",
        "Headers",
        "Method",
        "Path",
        "QueryParameters",
        "RequestBody",
        "Stage",
    )
)
FORBIDDEN_HEADERS = frozenset(
    (
        "authorization",
        "connection",
        "content-md5",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "www-authenticate",
    )
)
"""Headers that a task may not set, beside those that begin as no header of a task may."""

AUTH_TYPES = frozenset(("NO_AUTH", "IAM_ROLE", "RESOURCE_POLICY"))
AT_ONCE = 64

Sign = Callable[[str, str, Mapping[str, str], bytes | None], dict[str, str]]
"""(method, URL, headers, body) -> the headers with a signature of version 4."""


@dataclass(slots=True)
class ApiGatewayCall:
    """Calls APIs."""

    sign: Sign
    send: Send = send
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled, or None."""
        problems = _problems(arguments)
        return could_not_start(arguments, problems) if problems else None

    def is_ready(self, resource: Resource) -> bool:
        """There is nothing to be read first."""
        return True

    async def submit(self, effect: RunTask, progress: Progress) -> Json | TaskFailed:
        """Make the request: the task's result, or its failure."""
        arguments = effect.arguments
        method, url, body = str(arguments["Method"]), _url(arguments), _body(arguments)
        headers: dict[str, str] = {}
        for name, value in header_pairs(arguments.get("Headers")) or ():
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        signs = arguments.get("AuthType", "NO_AUTH") != "NO_AUTH"

        def request() -> HttpAnswer | ClientFault:
            return self.send(method, url, self.sign(method, url, headers, body) if signs else headers, body)

        async with self._slots:
            progress()
            answer = await answer_of(request)
        if isinstance(answer, ClientFault):
            return TaskFailed("ApiGateway.SdkClientException", f"Unable to execute HTTP request: {answer.message}")
        if not answer.is_success:
            return TaskFailed(f"ApiGateway.{answer.status}", answer.text)
        return answer.shown()


def _problems(arguments: Json) -> list[str]:
    if not isinstance(arguments, dict):
        return ["The Parameters must be a JSON object"]
    problems = [not_supported(name) for name in arguments if name not in FIELDS]
    problems += [required(name) for name in ("ApiEndpoint", "Method") if arguments.get(name) is None]
    checks: dict[str, Callable[[Json], bool]] = {
        "ApiEndpoint": lambda value: isinstance(value, str) and "/" not in value,
        "Method": lambda value: value in METHODS,
        "Stage": lambda value: isinstance(value, str),
        "Path": lambda value: isinstance(value, str),
        "AllowNullValues": lambda value: isinstance(value, bool),
        "AuthType": lambda value: value in AUTH_TYPES,
        "Headers": _are_headers,
        "QueryParameters": lambda value: query_pairs(value) is not None,
    }
    for name, is_well in checks.items():
        if arguments.get(name) is not None and not is_well(arguments[name]):
            problems.append(invalid_format(name))
    return problems


def _are_headers(value: Json) -> bool:
    pairs = header_pairs(value)
    return pairs is not None and not any(is_forbidden(name, FORBIDDEN_HEADERS) for name, _ in pairs)


def _url(arguments: Mapping[str, Json]) -> str:
    host = str(arguments["ApiEndpoint"])
    scheme = "http" if is_loopback(f"http://{host}") else "https"
    parts = [str(arguments[name]).strip("/") for name in ("Stage", "Path") if arguments.get(name)]
    query = urlencode(query_pairs(arguments.get("QueryParameters")) or ())
    return f"{scheme}://{host}/{quote('/'.join(parts))}{'?' if query else ''}{query}"


def _body(arguments: Mapping[str, Json]) -> bytes | None:
    """The request's body: members that are null are left out unless AllowNullValues says otherwise."""
    body = arguments.get("RequestBody")
    if body is None:
        return None
    if not arguments.get("AllowNullValues"):
        body = _without_nulls(body)
    return (body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))).encode()


def _without_nulls(value: Json) -> Json:
    """Through its text: no Python call a level, however deeply it is nested."""
    return json.loads(
        json.dumps(value),
        object_pairs_hook=lambda pairs: {name: inner for name, inner in pairs if inner is not None},
    )
