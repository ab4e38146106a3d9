"""`/api` on Mapfold's port (rules: `mapfold/local/api_gateway.py`), with functions that are Python's own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Message

from mapfold.local.api_gateway import MAX_BODY_BYTES, routes
from mapfold.local.lambda_ import Invocation
from mapfold.local.lambda_.errors import LambdaError, function_not_found, request_too_large
from mapfold.local.service.guard import LoopbackOnly

Answer = Callable[[dict[str, Any]], Any]


class FakeLambda:
    """Invokes one function, `answer`, and keeps the last event."""

    def __init__(self, answer: Answer, *, error: str | None = None) -> None:
        self.answer, self.error = answer, error
        self.event: dict[str, Any] = {}

    async def invoke(self, function: str, payload: bytes, *, is_json: bool = False) -> Invocation:
        assert function == "mapfold-api"
        self.event = json.loads(payload)
        answer = self.answer(self.event)
        if isinstance(answer, Awaitable):
            answer = await answer
        return Invocation(json.dumps(answer).encode(), self.error, "r", "$LATEST")


@dataclass(frozen=True)
class Answered:
    """A response, its headers in order."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    def all_of(self, header: str) -> list[str]:
        return [value for name, value in self.headers if name == header]


async def ask(
    functions: FakeLambda,
    method: str,
    target: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    timeout_seconds: float = 29.0,
) -> Answered:
    """Ask the gateway, behind the guard of Mapfold's port, as a server does."""
    app = Starlette(routes=routes(functions, timeout_seconds=timeout_seconds), middleware=[Middleware(LoopbackOnly)])
    path, _, query = target.partition("?")
    given = {"host": "127.0.0.1:8083", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "http_version": "1.1",
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8083),
        "scheme": "http",
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Answered(sent[0]["status"], found, b"".join(message["body"] for message in sent[1:]))


def fine(event: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "body": "{}"}


async def test_a_request_becomes_a_proxy_event() -> None:
    """The path is without /api; of what came twice, the last value counts where one is wanted, and all are there."""
    functions = FakeLambda(fine)

    target = "/api/runs/r-1/stop?a=1&a=2&empty="
    await ask(functions, "POST", target, b'{"x": 1}', {"X-Own": "yes", "User-Agent": "me"})

    event = functions.event
    assert (event["path"], event["httpMethod"], event["resource"]) == ("/runs/r-1/stop", "POST", "/{proxy+}")
    assert event["pathParameters"] == {"proxy": "runs/r-1/stop"}
    assert event["queryStringParameters"] == {"a": "2", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "empty": [""]}
    assert (event["headers"]["x-own"], event["multiValueHeaders"]["x-own"]) == ("yes", ["yes"])
    assert (event["body"], event["isBase64Encoded"], event["stageVariables"]) == ('{"x": 1}', False, None)
    context = event["requestContext"]
    assert (context["stage"], context["path"], context["httpMethod"]) == ("api", "/api/runs/r-1/stop", "POST")
    assert context["identity"]["userAgent"] == "me"
    assert context["requestId"]


async def test_a_request_without_query_and_body_says_null() -> None:
    """As API Gateway does: null, not empty objects."""
    functions = FakeLambda(fine)

    await ask(functions, "GET", "/api")

    event = functions.event
    assert (event["path"], event["resource"], event["pathParameters"]) == ("/", "/", None)
    assert (event["queryStringParameters"], event["multiValueQueryStringParameters"], event["body"]) == (None,) * 3


async def test_a_body_that_is_no_text_is_base64() -> None:
    """And so is an answer that says so."""
    functions = FakeLambda(lambda event: {"statusCode": 200, "body": event["body"], "isBase64Encoded": True})

    answer = await ask(functions, "PUT", "/api/x", b"\xff\x00")

    assert (functions.event["isBase64Encoded"], functions.event["body"]) == (
        True,
        base64.b64encode(b"\xff\x00").decode(),
    )
    assert answer.content == b"\xff\x00"


async def test_an_answer_has_its_status_headers_and_body() -> None:
    """Headers with several values are several headers, and stand before one of the same name."""
    functions = FakeLambda(
        lambda event: {
            "statusCode": 201,
            "headers": {"Location": "/runs/r", "x-both": "one"},
            "multiValueHeaders": {"X-Both": ["a", "b"], "Content-Type": ["text/plain"]},
            "body": "made",
        }
    )

    answer = await ask(functions, "POST", "/api/runs")

    assert (answer.status, answer.content, answer.all_of("location")) == (201, b"made", ["/runs/r"])
    assert (answer.all_of("x-both"), answer.all_of("content-type")) == (["a", "b"], ["text/plain"])


def raising(error: LambdaError) -> Answer:
    def answer(event: dict[str, Any]) -> Any:
        raise error

    return answer


async def test_without_the_function_it_says_how_to_deploy() -> None:
    """503, in the form of the API's own errors."""
    answer = await ask(FakeLambda(raising(function_not_found("mapfold-api"))), "GET", "/api/jobs")

    assert (answer.status, answer.json()["error"]) == (503, "NotDeployed")
    assert "mapfold deploy" in answer.json()["message"]


@pytest.mark.parametrize(
    "answer", [None, "text", {"statusCode": "many"}, {"body": 7}, {"statusCode": 200, "headers": 1}]
)
async def test_what_is_no_proxy_answer_is_502(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns nothing, the log what it was."""
    said = await ask(FakeLambda(lambda event: answer), "GET", "/api/jobs")

    assert (said.status, said.json()) == (502, {"message": "Internal server error"})
    assert json.dumps(answer) in caplog.text


async def test_a_function_that_fails_is_502(caplog: pytest.LogCaptureFixture) -> None:
    """With the reason in the log."""
    said = await ask(FakeLambda(lambda event: {"errorMessage": "no such luck"}, error="Unhandled"), "GET", "/api/jobs")

    assert (said.status, said.json()) == (502, {"message": "Internal server error"})
    assert "no such luck" in caplog.text


async def test_a_function_that_takes_too_long_is_504() -> None:
    """After 29 s; here after less."""
    said = await ask(FakeLambda(lambda event: asyncio.sleep(60)), "GET", "/api/jobs", timeout_seconds=0.05)

    assert (said.status, said.json()) == (504, {"message": "Endpoint request timed out"})


async def test_a_body_that_is_too_large_is_413() -> None:
    """Of more than 10 MB, or of more than Lambda's 6 MB as an event; the function is not invoked with the first."""
    functions = FakeLambda(fine)
    too_large = await ask(functions, "POST", "/api/runs", b"x" * (MAX_BODY_BYTES + 1))
    too_large_for_lambda = await ask(FakeLambda(raising(request_too_large(6))), "POST", "/api/runs", b"x")

    assert (too_large.status, too_large_for_lambda.status, functions.event) == (413, 413, {})


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_a_web_page_may_not_call_it(headers: dict[str, str]) -> None:
    """The guard of the port is before it: no run is started by a page in the user's browser."""
    functions = FakeLambda(fine)

    answer = await ask(functions, "POST", "/api/runs", b"{}", headers)

    assert (answer.status, functions.event) == (403, {})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost:8083"},
        {"Origin": "https://127.0.0.1:8083"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8083"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_page_of_another_port_may_not_change_anything(method: str, headers: dict[str, str]) -> None:
    """A form needs no leave to send a POST: http://localhost:3000 could stop every run."""
    functions = FakeLambda(fine)

    answer = await ask(functions, method, "/api/runs/r/stop", b"a=1", headers)

    assert (answer.status, functions.event) == (403, {})


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {}),
        ("POST", {"Origin": "http://127.0.0.1:8083", "Sec-Fetch-Site": "same-origin"}),
        ("POST", {"Host": "localhost:9000", "Origin": "http://localhost:9000"}),
        ("POST", {"Sec-Fetch-Site": "none"}),
        ("GET", {"Sec-Fetch-Site": "same-site"}),
        ("HEAD", {"Origin": "http://localhost:3000"}),
    ],
)
async def test_programs_and_pages_of_our_own_may(method: str, headers: dict[str, str]) -> None:
    """SDKs and curl send neither header. What reads changes nothing, and another page does not see the answer."""
    functions = FakeLambda(fine)

    answer = await ask(functions, method, "/api/runs", headers=headers)

    assert (answer.status, functions.event["httpMethod"]) == (200, method)


async def test_megabytes_of_json_do_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are built and parsed in a thread; what is small is not worth one."""
    threaded: list[str] = []
    to_thread = asyncio.to_thread

    async def noting(work: Callable[..., Any], *given: Any) -> Any:
        threaded.append(work.__name__)
        return await to_thread(work, *given)

    monkeypatch.setattr(asyncio, "to_thread", noting)
    large = "x" * 300_000

    await ask(FakeLambda(fine), "POST", "/api/runs", b"x" * 1000)
    small_threaded = list(threaded)
    answer = await ask(FakeLambda(lambda event: {"body": event["body"]}), "POST", "/api/runs", large.encode())

    assert (small_threaded, threaded) == ([], ["dumps", "http_response"])
    assert answer.content.decode() == large
