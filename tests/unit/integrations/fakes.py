"""Clients of services that answer from functions of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError

REQUEST = "11111111-2222-4333-8444-555555555555"
Handler = Callable[..., Any]


class FakeClients:
    """`answers` by service and operation: a result, an exception, or a function of the parameters.

    `calls` are (service, operation in botocore's spelling, parameters), `credentials` those that clients were made with.
    """

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.credentials: list[Mapping[str, str] | None] = []

    def answer(self, service: str, operation: str, answer: Any) -> None:
        """What `operation` (PutItem) answers from now on."""
        self.answers[service, xform_name(operation)] = answer

    def task_client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        self.credentials.append(credentials)
        return FakeClient(self, service)

    def task_credentials(self) -> Any:
        return Credentials("key", "secret")

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of all calls of an operation."""
        return [params for _, name, params in self.calls if name == xform_name(operation)]


class FakeClient:
    """One service's client."""

    def __init__(self, clients: FakeClients, service: str) -> None:
        self._clients, self._service = clients, service

    def __getattr__(self, operation: str) -> Handler:
        def call(**params: Any) -> Any:
            self._clients.calls.append((self._service, operation, params))
            answer = self._clients.answers[self._service, operation]
            if callable(answer):
                answer = answer(**params)
            if isinstance(answer, Exception):
                raise answer
            return {**answer, "ResponseMetadata": metadata()}

        return call


def metadata(status: int = 200) -> dict[str, Any]:
    """botocore's ResponseMetadata."""
    headers = {"content-type": "application/x-amz-json-1.0", "server": "a stand-in", "x-amzn-requestid": REQUEST}
    return {"RequestId": REQUEST, "HTTPStatusCode": status, "HTTPHeaders": headers}


def refused(code: str, message: str = "no", status: int = 400, **more: str) -> ClientError:
    """A service's refusal, as botocore raises it."""
    error: dict[str, Any] = {"Code": code, "Message": message, **more}
    response: Any = {"Error": error, "ResponseMetadata": metadata(status)}
    return ClientError(response, "Operation")


def unreadable() -> ResponseParserError:
    """What answers is no service."""
    return ResponseParserError("Unable to parse response (syntax error: line 1, column 0), invalid XML received")


def unreachable() -> EndpointConnectionError:
    """Nobody answers at the endpoint."""
    return EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
