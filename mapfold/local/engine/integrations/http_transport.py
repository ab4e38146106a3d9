"""One HTTP request of a Task, and its answer as `http:invoke` and `apigateway:invoke` show it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from mapfold.local.engine.integrations.calls import ClientFault, in_thread
from mapfold.states.effects import Json
from mapfold.states.frame import PAYLOAD_LIMIT
from mapfold.states.java_hash import names_in_map_order

SECONDS = 60
"""How long an API may take, all in all."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

FORBIDDEN_BEGINNINGS = ("x-forwarded", "x-amz")
"""Beginnings of headers that no task may set (developer guide, both pages); each page lists more of its own."""

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, its text, headers as they came, and at most so much of the body as a result may have."""

    status: int
    reason: str
    headers: Mapping[str, list[str]]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def traced(self) -> dict[str, str]:
        """The answer as TestState tells it."""
        told = {"statusCode": str(self.status), "statusMessage": self.reason, "body": self.text}
        return {**told, "headers": shown_headers((name, one) for name, all_ in self.headers.items() for one in all_)}

    def shown(self) -> dict[str, Json]:
        """The task's result: the body as JSON if it is some, as text if not. Headers stand as in a Java HashMap."""
        return {
            "Headers": {name: self.headers[name] for name in names_in_map_order(self.headers)},
            "ResponseBody": _parsed(self.text),
            "StatusCode": self.status,
            "StatusText": self.reason,
        }


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer | ClientFault:
    """Send a request and read its answer; redirects are not followed. Blocks: call it in a thread."""
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict
    from botocore.exceptions import BotoCoreError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    proxies: dict[str, str] = {} if is_loopback(url) else get_environ_proxies(url)
    session = URLLib3Session(timeout=SECONDS, proxies=proxies)
    given: Any = HeadersDict(headers)
    try:
        response: Any = session.send(AWSPreparedRequest(method, url, given, body, stream_output=True))
        raw = response.raw
        content = raw.read(PAYLOAD_LIMIT + 1, decode_content=True) or b""
        received: dict[str, list[str]] = {}
        for name, value in raw.headers.items():
            received.setdefault(name, []).append(value)
        return HttpAnswer(response.status_code, _reason(response.status_code, raw.reason), received, content)
    except (BotoCoreError, OSError) as error:
        return ClientFault(str(error))
    finally:
        session.close()


def traced(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
    """A request as TestState tells it."""
    told = {"protocol": urlsplit(url).scheme, "method": method, "url": url, "headers": shown_headers(headers.items())}
    return told if body is None else {**told, "body": body.decode(errors="replace")}


def shown_headers(pairs: Iterable[tuple[str, str]]) -> str:
    """Headers in one text: `[name: value, name: value]`."""
    return f"[{', '.join(f'{name}: {value}' for name, value in pairs)}]"


async def answer_of(request: Callable[[], HttpAnswer | ClientFault]) -> HttpAnswer | ClientFault:
    """What `request` gives, made in a thread. An API that sends a little now and then is waited for no longer, either."""
    try:
        async with asyncio.timeout(SECONDS):
            return await in_thread(request)
    except TimeoutError:
        return ClientFault("Read timed out")


def is_loopback(url: str) -> bool:
    """Whether `url` leads to this machine, where there need be no TLS."""
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:  # no URL at all
        return False


def is_forbidden(header: str, names: frozenset[str]) -> bool:
    """Whether a task may not set this header. `names`: those that its integration has for itself, in small letters."""
    small = header.lower()
    return small in names or small.startswith(FORBIDDEN_BEGINNINGS)


def header_pairs(value: Json) -> Pairs | None:
    """Headers of a task: each name has a value, or a list of them. None: they have another form."""
    return _pairs(value)


def query_pairs(value: Json) -> Pairs | None:
    """Query parameters of a task, in the same form."""
    return _pairs(value)


def text_of(value: Json) -> str:
    """A scalar as it stands in a header or a query."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _pairs(value: Json) -> Pairs | None:
    if value is None:
        return ()
    if not isinstance(value, dict):
        return None
    pairs = []
    for name, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict | list):
                return None
            pairs.append((name, text_of(one)))
    return pairs


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _reason(status: int, given: str | None) -> str:
    if given:
        return given
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
