"""`http:invoke`: an HTTPS API, called with the authorization of an EventBridge connection (guide: Call HTTPS APIs)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from mapfold.local.engine.integrations.calls import Answer, Caller, ClientFault, ServiceError
from mapfold.local.engine.integrations.form_encoding import ARRAY_FORMATS, encode_form
from mapfold.local.engine.integrations.http_transport import (
    HttpAnswer,
    answer_of,
    header_pairs,
    is_forbidden,
    is_loopback,
    query_pairs,
    send,
    traced,
)
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.requests import could_not_start, invalid_format, not_supported, required
from mapfold.states.effects import Json, Resource, RunTask, TaskFailed

FIELDS = frozenset(
    (
        "ApiEndpoint",
        "Authentication",
        "Headers",
        "InvocationConfig",
        "Method",
        "QueryParameters",
        "RequestBody",
        "Transform",
    )
)
FORBIDDEN_HEADERS = frozenset(
    (
        "a-im",
        "accept-charset",
        "accept-datetime",
        "accept-encoding",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-md5",
        "date",
        "expect",
        "forwarded",
        "from",
        "host",
        "http2-settings",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "max-forwards",
        "origin",
        "pragma",
        "proxy-authorization",
        "referer",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "warning",
    )
)
"""Headers that a task may not set, beside those that begin as no header of a task may."""

CONNECTION_ERRORS: Mapping[str, str] = {
    "AccessDeniedException": "AccessDenied",
    "ConcurrentModificationException": "ConcurrentModification",
    "ResourceNotFoundException": "ResourceNotFound",
}
"""What a refusal of EventBridge is called after `Events.ConnectionResource.`; whatever else is an InternalError."""

IN_PROGRESS = frozenset(("ACTIVE", "AUTHORIZING", "CREATING", "UPDATING"))
"""States of a connection that will be AUTHORIZED."""

UNREADABLE_TYPES = ("application/octet-stream", "audio/", "image/", "video/")
"""How the content types of answers begin that a task cannot have."""

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))

AT_ONCE = 64
"""HTTP requests of tasks that run at once."""

MOST_TOKENS = 100
"""OAuth tokens that are kept until they expire."""

Send = Callable[[str, str, Mapping[str, str], bytes | None], HttpAnswer | ClientFault]


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a connection adds to a request; it goes before what the task says."""

    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class HttpTask:
    """Runs HTTP Tasks."""

    caller: Caller
    region: str
    send: Send = send
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled, or None."""
        problems = _problems(arguments)
        return could_not_start(arguments, problems) if problems else None

    def is_ready(self, resource: Resource) -> bool:
        """There is nothing to be read first."""
        return True

    async def submit(self, effect: RunTask, progress: Progress) -> Json | TaskFailed:
        """Make the request: the task's result, or its failure."""
        async with self._slots:
            progress()
            authorization = await self._authorization(_connection_arn(effect.arguments))
            if isinstance(authorization, TaskFailed):
                return authorization
            if authorization.body and isinstance(effect.arguments.get("RequestBody"), str):
                return _broken(
                    "The RequestBody is a string, which the connection's body parameters cannot be added to."
                )
            method, url, headers, body = self._request(effect.arguments, authorization)
            trace = effect.trace
            if trace is not None:
                told = authorization if trace.reveals else Authorization()
                trace.request = traced(*self._request(effect.arguments, told, with_type=False))
            answer = await answer_of(lambda: self.send(method, url, headers, body))
        if isinstance(answer, ClientFault):
            return TaskFailed("States.Http.Socket", answer.message)
        if trace is not None:
            trace.response = {"protocol": urlsplit(url).scheme, **answer.traced()}
        if not answer.is_success:
            return TaskFailed(f"States.Http.StatusCode.{answer.status}", answer.reason)
        return answer.shown() if _is_readable(answer) else _broken("The response is not text.")

    def _request(
        self, arguments: Mapping[str, Json], authorization: Authorization, *, with_type: bool = True
    ) -> tuple[str, str, dict[str, str], bytes | None]:
        """Method, URL, headers in the service's order, body. `with_type`: with the Content-Type that the body brings."""
        body_json = arguments.get("RequestBody")
        if authorization.body:
            body_json = {**(body_json if isinstance(body_json, dict) else {}), **authorization.body}
        headers: dict[str, str] = {}
        for name, value in [*(header_pairs(arguments.get("Headers")) or ()), *authorization.headers.items()]:
            known = next((other for other in headers if other.lower() == name.lower()), None)
            if known is not None:
                del headers[known]
            headers[name] = value
        own = {"User-Agent": f"Amazon|StepFunctions|HttpInvoke|{self.region}", "Range": "bytes=0-262144"}
        given = {name.lower() for name in headers}
        headers |= {name: value for name, value in own.items() if name.lower() not in given}
        body = _body(body_json, arguments.get("Transform") or {}, headers if with_type else headers.copy())
        query = [*(query_pairs(arguments.get("QueryParameters")) or ())]
        query = [pair for pair in query if pair[0] not in authorization.query] + list(authorization.query.items())
        return str(arguments["Method"]), _with_query(str(arguments["ApiEndpoint"]), query), headers, body

    async def _authorization(self, connection_arn: str) -> Authorization | TaskFailed:
        name = connection_arn.partition(":connection/")[2].partition("/")[0]
        described = await self.caller.call("events", "DescribeConnection", {"Name": name})
        if not isinstance(described, Answer):
            return _no_connection(described)
        state = described.output.get("ConnectionState", "AUTHORIZED")
        if state != "AUTHORIZED":
            error = "AuthInProgress" if state in IN_PROGRESS else "InvalidConnectionState"
            return TaskFailed(f"Events.ConnectionResource.{error}", f"The connection is {state}.")
        secret = await self.caller.call(
            "secretsmanager", "GetSecretValue", {"SecretId": described.output.get("SecretArn", "")}
        )
        if not isinstance(secret, Answer):
            return _no_connection(secret)
        values = json.loads(secret.output["SecretString"])
        more = values.get("invocation_http_parameters") or {}
        headers: dict[str, str] = {}
        kind = described.output.get("AuthorizationType")
        if kind == "BASIC":
            pair = f"{values['username']}:{values['password']}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        elif kind == "API_KEY":
            headers[values["api_key_name"]] = values["api_key_value"]
        elif kind == "OAUTH_CLIENT_CREDENTIALS":
            token = await self._token(connection_arn, values)
            if isinstance(token, TaskFailed):
                return token
            headers["Authorization"] = f"Bearer {token}"
        return Authorization(
            headers | _listed(more.get("header_parameters")) | headers,
            _listed(more.get("query_string_parameters")),
            _listed(more.get("body_parameters")),
        )

    async def _token(self, connection_arn: str, values: Mapping[str, Any]) -> str | TaskFailed:
        """The access token of an OAuth connection, asked for again when it has expired."""
        known = self._tokens.get(connection_arn)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        client = values["client_parameters"]
        form = {
            "grant_type": "client_credentials",
            "client_id": client["client_id"],
            "client_secret": client.get("client_secret", ""),
        }
        more = values.get("o_auth_http_parameters") or values.get("oauth_http_parameters") or {}
        form.update(_listed(more.get("body_parameters")))
        url = _with_query(values["authorization_endpoint"], list(_listed(more.get("query_string_parameters")).items()))
        headers = {"Content-Type": "application/x-www-form-urlencoded", **_listed(more.get("header_parameters"))}
        method = values.get("http_method", "POST")
        answer = await answer_of(lambda: self.send(method, url, headers, urlencode(form).encode()))
        if isinstance(answer, ClientFault):
            return TaskFailed("States.Http.Socket", answer.message)
        granted = answer.shown()["ResponseBody"]
        if not answer.is_success or not isinstance(granted, dict) or "access_token" not in granted:
            return TaskFailed(f"States.Http.StatusCode.{answer.status}", answer.reason)
        while len(self._tokens) >= MOST_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        token = str(granted["access_token"])
        self._tokens[connection_arn] = (time.monotonic() + float(granted.get("expires_in", 60)) - 5, token)
        return token


def _problems(arguments: Json) -> list[str]:
    if not isinstance(arguments, dict):
        return ["The Parameters must be a JSON object"]
    problems = [not_supported(name) for name in arguments if name not in FIELDS]
    problems += [required(name) for name in ("ApiEndpoint", "Method") if arguments.get(name) is None]
    if not _connection_arn(arguments):
        problems.append(required("InvocationConfig"))
    endpoint, method, transform = arguments.get("ApiEndpoint"), arguments.get("Method"), arguments.get("Transform")
    if endpoint is not None and not (isinstance(endpoint, str) and _is_allowed(endpoint)):
        problems.append(invalid_format("ApiEndpoint"))
    if method is not None and method not in METHODS:
        problems.append(invalid_format("Method"))
    headers = header_pairs(arguments.get("Headers"))
    if headers is None or any(is_forbidden(name, FORBIDDEN_HEADERS) for name, _ in headers):
        problems.append(invalid_format("Headers"))
    if query_pairs(arguments.get("QueryParameters")) is None:
        problems.append(invalid_format("QueryParameters"))
    if transform is not None and not _is_transform(transform):
        problems.append(invalid_format("Transform"))
    return problems


def _is_allowed(endpoint: str) -> bool:
    """HTTPS; without it only an API of this machine."""
    return endpoint.startswith("https://") or (endpoint.startswith("http://") and is_loopback(endpoint))


def _is_transform(transform: Json) -> bool:
    if not isinstance(transform, dict) or transform.get("RequestBodyEncoding", "NONE") not in ("NONE", "URL_ENCODED"):
        return False
    options = transform.get("RequestEncodingOptions", {})
    return isinstance(options, dict) and options.get("ArrayFormat", "INDICES") in ARRAY_FORMATS


def _connection_arn(arguments: Json) -> str:
    """The connection's ARN, which stands in InvocationConfig, or in Authentication as it once was called."""
    for name in ("InvocationConfig", "Authentication"):
        config = arguments.get(name)
        if isinstance(config, dict) and isinstance(config.get("ConnectionArn"), str):
            return str(config["ConnectionArn"])
    return ""


def _body(body: Json, transform: Mapping[str, Json], headers: dict[str, str]) -> bytes | None:
    """The body's bytes; its Content-Type is added to `headers` where the task gives none."""
    if body is None:
        return None
    encoding = transform.get("RequestBodyEncoding", "NONE")
    kind = "application/json; charset=UTF-8"
    if encoding == "URL_ENCODED":
        kind = "application/x-www-form-urlencoded"
        content = encode_form(body, (transform.get("RequestEncodingOptions") or {}).get("ArrayFormat", "INDICES"))
    else:
        content = (body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))).encode()
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    return content


def _with_query(url: str, pairs: list[tuple[str, str]]) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *pairs], quote_via=quote)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _listed(parameters: Any) -> dict[str, str]:
    return {one["key"]: str(one["value"]) for one in parameters or ()}


def _no_connection(error: ServiceError | ClientFault) -> TaskFailed:
    """The failure of a task whose connection cannot be had (guide: Connection errors)."""
    if isinstance(error, ClientFault):
        return TaskFailed("Events.ConnectionResource.InternalError", error.message)
    name = CONNECTION_ERRORS.get(error.code, "InternalError")
    return TaskFailed(f"Events.ConnectionResource.{name}", error.message)


def _is_readable(answer: HttpAnswer) -> bool:
    """Whether the answer is text, by what it says and by what it is (guide: Unsupported HTTP Task responses)."""
    kinds = (value for name, values in answer.headers.items() if name.lower() == "content-type" for value in values)
    if any(kind.lower().startswith(UNREADABLE_TYPES) for kind in kinds):
        return False
    try:
        answer.body.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"  # cut off at the limit
    return True


def _broken(cause: str) -> TaskFailed:
    return TaskFailed("States.Runtime", cause, catchable=False)
