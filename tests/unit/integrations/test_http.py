"""`http:invoke` and `apigateway:invoke`: requests, answers, failures and what is refused."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mapfold.local.engine.integrations import http_transport
from mapfold.local.engine.integrations.api_gateway_call import ApiGatewayCall
from mapfold.local.engine.integrations.calls import Caller, ClientFault
from mapfold.local.engine.integrations.form_encoding import encode_form
from mapfold.local.engine.integrations.http_task import HttpTask
from mapfold.local.engine.integrations.http_transport import HttpAnswer, answer_of, is_loopback
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.signing import signer
from mapfold.states.effects import HttpTrace, Resource, RunTask, TaskFailed
from tests.unit.engine.world import World
from tests.unit.integrations.fakes import FakeClients, refused
from tests.unit.integrations.tasks import call

CONNECTION = "arn:aws:events:us-east-1:123456789012:connection/mine/0b1c"
URL = "https://api.example.com/things?page=1"


class FakeHttp:
    """Answers every request alike, and keeps them."""

    def __init__(self, answer: HttpAnswer | ClientFault) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str, Mapping[str, str], bytes | None]] = []

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer | ClientFault:
        self.requests.append((method, url, dict(headers), body))
        return self.answer


def answer(status: int = 200, reason: str = "OK", body: bytes = b'{"a":1}') -> HttpAnswer:
    return HttpAnswer(status, reason, {"content-type": ["application/json"]}, body)


def connection(clients: FakeClients, kind: str, secret: Any) -> None:
    """A connection of EventBridge with what it keeps in Secrets Manager."""
    clients.answer("events", "DescribeConnection", {"AuthorizationType": kind, "SecretArn": "secret"})
    clients.answer("secretsmanager", "GetSecretValue", {"SecretString": json.dumps(secret)})


async def run(clients: FakeClients, http: FakeHttp, trace: HttpTrace | None = None, **arguments: Any) -> Any:
    """The answer of an HTTP Task."""
    effect = RunTask(
        Resource("arn:aws:states:::http:invoke", "task", "http", "invoke", ""),
        {"ApiEndpoint": URL, "Method": "GET", "InvocationConfig": {"ConnectionArn": CONNECTION}, **arguments},
        trace=trace,
    )
    task = HttpTask(Caller(clients), "us-east-1", http)
    return await task.submit(effect, cast(Progress, lambda: None))


class TestTrace:
    @pytest.mark.parametrize(("reveals", "secret"), [(False, ""), (True, ", X-Key: v")])
    async def test_request_and_answer_are_left_for_who_tests_the_task(
        self, clients: FakeClients, reveals: bool, secret: str
    ) -> None:
        """What the connection adds is told only where secrets are to be revealed; it is sent in any case."""
        connection(clients, "API_KEY", {"api_key_name": "X-Key", "api_key_value": "v"})
        http, trace = FakeHttp(answer()), HttpTrace(reveals)

        await run(clients, http, trace=trace, Headers={"Mine": "h"})

        assert http.requests[0][2]["X-Key"] == "v"
        assert trace.request == {
            "protocol": "https",
            "method": "GET",
            "url": URL,
            "headers": (
                f"[Mine: h{secret}, User-Agent: Amazon|StepFunctions|HttpInvoke|us-east-1, Range: bytes=0-262144]"
            ),
        }
        assert trace.response == {
            "protocol": "https",
            "statusCode": "200",
            "statusMessage": "OK",
            "headers": "[content-type: application/json]",
            "body": '{"a":1}',
        }

    async def test_the_guide_s_request(self, clients: FakeClients) -> None:
        """What the task says, the authorization, what else the connection adds, the service's own; no Content-Type."""
        secret = {
            "username": "u",
            "password": "p",
            "invocation_http_parameters": {
                "header_parameters": [{"key": "CustomHeader1", "value": "CustomHeaderValue1"}],
                "query_string_parameters": [{"key": "QueryParam1", "value": "QueryParamValue1"}],
                "body_parameters": [{"key": "BodyKey1", "value": "BodyValue1"}],
            },
        }
        connection(clients, "BASIC", secret)
        http, trace = FakeHttp(answer()), HttpTrace(reveals=True)

        await run(
            clients, http, trace=trace, ApiEndpoint="https://httpbin.org/get", Headers={"definitionHeader": "h1"},
            RequestBody={"message": "Hello from Step Functions!"}, QueryParameters={"queryParam": "q1"},
        )  # fmt: skip

        assert trace.request == {
            "protocol": "https",
            "method": "GET",
            "url": "https://httpbin.org/get?queryParam=q1&QueryParam1=QueryParamValue1",
            "headers": (
                "[definitionHeader: h1, Authorization: Basic dTpw, CustomHeader1: CustomHeaderValue1, "
                "User-Agent: Amazon|StepFunctions|HttpInvoke|us-east-1, Range: bytes=0-262144]"
            ),
            "body": '{"message":"Hello from Step Functions!","BodyKey1":"BodyValue1"}',
        }
        assert http.requests[0][2]["Content-Type"] == "application/json; charset=UTF-8"


class TestHttpTask:
    def test_headers_of_the_result_stand_as_in_the_guide_s_example(self) -> None:
        """In the order of a Java HashMap."""
        names = "date content-type content-length server access-control-allow-origin access-control-allow-credentials"
        headers = {name: ["v"] for name in names.split()}

        shown = HttpAnswer(200, "OK", headers, b"").shown()["Headers"]

        assert isinstance(shown, dict)
        assert " ".join(shown) == (
            "date access-control-allow-origin content-length server access-control-allow-credentials content-type"
        )

    async def test_the_result_is_the_answer(self, clients: FakeClients) -> None:
        """Body as JSON, headers with their values in lists, status and its text."""
        connection(clients, "BASIC", {"username": "u", "password": "p"})

        result = await run(clients, FakeHttp(answer()))

        assert result == {
            "Headers": {"content-type": ["application/json"]},
            "ResponseBody": {"a": 1},
            "StatusCode": 200,
            "StatusText": "OK",
        }
        assert clients.sent("DescribeConnection") == [{"Name": "mine"}]

    async def test_a_body_that_is_no_json_is_text(self, clients: FakeClients) -> None:
        """As it came."""
        connection(clients, "BASIC", {"username": "u", "password": "p"})

        assert (await run(clients, FakeHttp(answer(body=b"hello"))))["ResponseBody"] == "hello"

    @pytest.mark.parametrize(
        ("kind", "secret", "header", "value"),
        [
            (
                "BASIC",
                {"username": "u", "password": "p"},
                "Authorization",
                f"Basic {base64.b64encode(b'u:p').decode()}",
            ),
            ("API_KEY", {"api_key_name": "X-Key", "api_key_value": "v"}, "X-Key", "v"),
        ],
    )
    async def test_the_connection_authorizes(
        self, clients: FakeClients, kind: str, secret: Any, header: str, value: str
    ) -> None:
        """By a user's name and password, or by a key."""
        connection(clients, kind, secret)
        http = FakeHttp(answer())

        await run(clients, http)

        assert http.requests[0][2][header] == value

    async def test_what_the_connection_says_goes_before_what_the_task_says(self, clients: FakeClients) -> None:
        """Headers, query and body; the task's own stay beside them."""
        more = {
            "header_parameters": [{"key": "X-Both", "value": "connection"}],
            "query_string_parameters": [{"key": "both", "value": "connection"}],
            "body_parameters": [{"key": "both", "value": "connection"}],
        }
        connection(clients, "API_KEY", {"api_key_name": "K", "api_key_value": "v", "invocation_http_parameters": more})
        http = FakeHttp(answer())

        await run(
            clients,
            http,
            Method="POST",
            Headers={"X-Both": "task", "X-Own": "task"},
            QueryParameters={"both": "task", "own": ["1", "2"]},
            RequestBody={"both": "task", "own": 1},
        )

        ((method, url, headers, body),) = http.requests
        assert (method, url) == ("POST", "https://api.example.com/things?page=1&own=1&own=2&both=connection")
        assert headers == {
            "User-Agent": "Amazon|StepFunctions|HttpInvoke|us-east-1",
            "Range": "bytes=0-262144",
            "X-Both": "connection",
            "X-Own": "task",
            "K": "v",
            "Content-Type": "application/json; charset=UTF-8",
        }
        assert json.loads(body or b"") == {"both": "connection", "own": 1}

    async def test_oauth_asks_for_a_token_once(self, clients: FakeClients) -> None:
        """With the client's credentials, at the connection's endpoint; then the token is the authorization."""
        connection(
            clients,
            "OAUTH_CLIENT_CREDENTIALS",
            {
                "client_parameters": {"client_id": "i", "client_secret": "s"},
                "authorization_endpoint": "https://login.example.com/token",
                "http_method": "POST",
            },
        )
        http = FakeHttp(answer(body=b'{"access_token":"t","expires_in":3600}'))
        task = HttpTask(Caller(clients), "us-east-1", http)
        effect = RunTask(
            Resource("", "task", "http", "invoke", ""),
            {"ApiEndpoint": URL, "Method": "GET", "InvocationConfig": {"ConnectionArn": CONNECTION}},
        )

        for _ in range(2):
            await task.submit(effect, cast(Progress, lambda: None))

        asked, first, second = http.requests
        assert asked[1] == "https://login.example.com/token"
        assert asked[3] == b"grant_type=client_credentials&client_id=i&client_secret=s"
        assert first[2]["Authorization"] == second[2]["Authorization"] == "Bearer t"

    async def test_a_body_may_be_a_form(self, clients: FakeClients) -> None:
        """Transform with URL_ENCODED; the Content-Type says so."""
        connection(clients, "API_KEY", {"api_key_name": "K", "api_key_value": "v"})
        http = FakeHttp(answer())

        await run(
            clients, http, Method="POST", RequestBody={"a": [1, 2]}, Transform={"RequestBodyEncoding": "URL_ENCODED"}
        )

        assert http.requests[0][2]["Content-Type"] == "application/x-www-form-urlencoded"
        assert http.requests[0][3] == b"a%5B0%5D=1&a%5B1%5D=2"

    @pytest.mark.parametrize(
        ("format_", "form"),
        [
            ("INDICES", b"a%5B0%5D=1&a%5B1%5D=x%20y&b%5Bc%5D=true"),
            ("REPEAT", b"a=1&a=x%20y&b%5Bc%5D=true"),
            ("COMMAS", b"a=1%2Cx%20y&b%5Bc%5D=true"),
            ("BRACKETS", b"a%5B%5D=1&a%5B%5D=x%20y&b%5Bc%5D=true"),
        ],
    )
    def test_arrays_of_a_form(self, format_: str, form: bytes) -> None:
        """ArrayFormat names their elements; inner objects have their keys in brackets."""
        assert encode_form({"a": [1, "x y"], "b": {"c": True}}, format_) == form

    async def test_a_status_beyond_the_two_hundreds_fails_the_task(self, clients: FakeClients) -> None:
        """States.Http.StatusCode.<n>; the cause is the status's text."""
        connection(clients, "BASIC", {"username": "u", "password": "p"})

        result = await run(clients, FakeHttp(answer(429, "Too Many Requests", b"slow down")))

        assert result == TaskFailed("States.Http.StatusCode.429", "Too Many Requests")

    async def test_no_answer_is_a_failure_of_the_socket(self, clients: FakeClients) -> None:
        """States.Http.Socket."""
        connection(clients, "BASIC", {"username": "u", "password": "p"})

        result = await run(clients, FakeHttp(ClientFault("timed out")))

        assert result == TaskFailed("States.Http.Socket", "timed out")

    async def test_a_connection_that_is_not_there_fails_the_task(self, clients: FakeClients) -> None:
        """No request is made."""
        clients.answer("events", "DescribeConnection", refused("ResourceNotFoundException"))
        http = FakeHttp(answer())

        result = await run(clients, http)

        assert result == TaskFailed("Events.ConnectionResource.ResourceNotFound", "no")
        assert http.requests == []

    @pytest.mark.parametrize(
        ("state", "error"), [("DEAUTHORIZED", "InvalidConnectionState"), ("AUTHORIZING", "AuthInProgress")]
    )
    async def test_a_connection_must_be_authorized(self, clients: FakeClients, state: str, error: str) -> None:
        """Else the guide's errors say why it is not."""
        clients.answer("events", "DescribeConnection", {"AuthorizationType": "BASIC", "ConnectionState": state})

        result = await run(clients, FakeHttp(answer()))

        assert result.error == f"Events.ConnectionResource.{error}"

    @pytest.mark.parametrize(
        ("kind", "body", "is_read"),
        [
            ("image/png", b"png", False),
            ("application/octet-stream", b"{}", False),
            ("text/plain", b"\xff\xfe", False),
            ("text/plain; charset=utf-8", "ä".encode(), True),
            ("text/plain", "ä".encode()[:1], True),
        ],
    )
    async def test_an_answer_must_be_text(self, clients: FakeClients, kind: str, body: bytes, is_read: bool) -> None:
        """What is binary, or says that it is, is a States.Runtime error; text may be cut off at the limit."""
        connection(clients, "BASIC", {"username": "u", "password": "p"})

        result = await run(clients, FakeHttp(HttpAnswer(200, "OK", {"Content-Type": [kind]}, body)))

        assert is_read is not (isinstance(result, TaskFailed) and result.error == "States.Runtime")

    async def test_text_and_the_connection_s_body_do_not_merge(self, clients: FakeClients) -> None:
        """States.Runtime, and no request is made."""
        more = {"body_parameters": [{"key": "k", "value": "v"}]}
        connection(clients, "API_KEY", {"api_key_name": "K", "api_key_value": "v", "invocation_http_parameters": more})
        http = FakeHttp(answer())

        result = await run(clients, http, Method="POST", RequestBody="text")

        assert (result.error, result.catchable, http.requests) == ("States.Runtime", False, [])

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({"ApiEndpoint": "http://example.com"}, "The value of the field 'ApiEndpoint' has an invalid format"),
            ({"Method": "BREW"}, "The value of the field 'Method' has an invalid format"),
            ({"QueryParameters": "?a=b"}, "The value of the field 'QueryParameters' has an invalid format"),
            ({"Headers": {"Host": "x"}}, "The value of the field 'Headers' has an invalid format"),
            ({"Headers": {"cache-control": "x"}}, "The value of the field 'Headers' has an invalid format"),
            ({"Body": {}}, 'The field "Body" is not supported by Step Functions'),
            ({"InvocationConfig": {}}, "The field 'InvocationConfig' is required but was missing"),
        ],
    )
    async def test_refusals(self, world: World, arguments: Any, problem: str) -> None:
        """Before the task is scheduled; of http only on this machine, TLS everywhere else."""
        given = {"ApiEndpoint": URL, "Method": "GET", "InvocationConfig": {"ConnectionArn": CONNECTION}, **arguments}

        ended = await world.run(call("http:invoke", given))

        assert ended.types == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
        assert (ended.row.cause or "").endswith(f"could not be used to start the Task: [{problem}]")


class TestApiGateway:
    async def ask(self, http: FakeHttp, clients: FakeClients | None = None, **arguments: Any) -> Any:
        """The answer of an `apigateway:invoke` task."""
        effect = SimpleNamespace(
            arguments={"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "POST", **arguments}
        )
        api = ApiGatewayCall(signer(clients or FakeClients(), "us-east-1"), http)
        return await api.submit(cast(RunTask, effect), cast(Progress, lambda: None))

    async def test_the_url_is_put_together(self) -> None:
        """Endpoint, stage, path and query; lists are values of one name; the result is the answer."""
        http = FakeHttp(answer())

        result = await self.ask(
            http, Stage="prod", Path="/bills/new one", QueryParameters={"id": ["1", "2"]}, RequestBody={"a": 1}
        )

        ((method, url, headers, body),) = http.requests
        assert method == "POST"
        assert url == "https://abc.execute-api.us-east-1.amazonaws.com/prod/bills/new%20one?id=1&id=2"
        assert headers == {"Content-Type": "application/json"}
        assert body == b'{"a":1}'
        assert result["ResponseBody"] == {"a": 1}

    @pytest.mark.parametrize(
        ("allows", "body"), [(False, b'{"a":{},"c":[null]}'), (True, b'{"a":{"b":null},"c":[null]}')]
    )
    async def test_null_is_sent_to_who_allows_it(self, allows: bool, body: bytes) -> None:
        """Members that are null are left out, else."""
        http = FakeHttp(answer())

        await self.ask(http, AllowNullValues=allows, RequestBody={"a": {"b": None}, "c": [None]})

        assert http.requests[0][3] == body

    async def test_a_role_signs_the_request(self) -> None:
        """AuthType IAM_ROLE: version 4, for execute-api."""
        http = FakeHttp(answer())

        await self.ask(http, AuthType="IAM_ROLE")

        assert "/us-east-1/execute-api/aws4_request" in http.requests[0][2]["Authorization"]

    async def test_a_status_that_is_no_success_fails_the_task(self) -> None:
        """ApiGateway.<status>, with the body as the cause."""
        result = await self.ask(FakeHttp(answer(403, "Forbidden", b'{"message":"Missing Authentication Token"}')))

        assert result == TaskFailed("ApiGateway.403", '{"message":"Missing Authentication Token"}')

    async def test_query_parameters_of_another_form_are_refused(self, world: World) -> None:
        """In the words that AWS has for it."""
        arguments = {"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "GET", "QueryParameters": "?a"}

        ended = await world.run(call("apigateway:invoke", arguments))

        assert (ended.row.cause or "").endswith(
            "could not be used to start the Task: [The value of the field 'QueryParameters' has an invalid format]"
        )


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8080/a", True),
        ("http://user@localhost", True),
        ("http://[::1]:80/", True),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://[", False),
    ],
)
def test_this_machine_is_known_by_its_whole_name(url: str, is_here: bool) -> None:
    """A name that only begins like it is another machine's, which needs TLS."""
    assert is_loopback(url) is is_here


async def test_an_api_that_never_finishes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much it sends meanwhile: the time counts all in all."""
    monkeypatch.setattr(http_transport, "SECONDS", 0.05)
    ends = threading.Event()

    def request() -> HttpAnswer:
        ends.wait(5)
        return answer()

    given = await answer_of(request)
    ends.set()

    assert given == ClientFault("Read timed out")
