"""The protocol below boto3: headers, errors, and who may call."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.service.conftest import Running

TARGET = {"X-Amz-Target": "AWSStepFunctions.ListStateMachines"}


def ask(
    service: Running, method: str, path: str, *, headers: Mapping[str, str], body: str = "{}"
) -> tuple[int, Mapping[str, str], Any]:
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())
    finally:
        connection.close()


def test_an_answer_has_the_protocol_s_type_and_a_request_id(service: Running) -> None:
    """application/x-amz-json-1.0."""
    status, headers, body = ask(service, "POST", "/", headers=TARGET)

    assert (status, body) == (200, {"stateMachines": []})
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert len(headers["x-amzn-requestid"]) == 36


@pytest.mark.parametrize("target", ["AWSStepFunctions.BakeCake", "DynamoDB_20120810.ListTables", ""])
def test_an_unknown_action_is_refused(service: Running, target: str) -> None:
    """UnknownOperationException, in the body and in the header."""
    status, headers, body = ask(service, "POST", "/", headers={"X-Amz-Target": target})

    assert (status, body["__type"]) == (400, "UnknownOperationException")
    assert headers["x-amzn-errortype"] == "UnknownOperationException"


@pytest.mark.parametrize("body", ["{", "[]", '{"maxResults":"many"}'])
def test_a_body_that_cannot_be_read_is_refused(service: Running, body: str) -> None:
    """SerializationException: not JSON, not an object, a member of another type."""
    status, _, answer = ask(service, "POST", "/", headers=TARGET, body=body)

    assert (status, answer["__type"]) == (400, "SerializationException")


def test_all_that_is_wrong_with_a_request_is_said_at_once(service: Running) -> None:
    """In ValidationException's words."""
    _, _, answer = ask(service, "POST", "/", headers={"X-Amz-Target": "AWSStepFunctions.CreateStateMachine"})

    assert answer["message"].startswith("3 validation errors detected: Value null at 'roleArn' failed to satisfy")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8083", "sync-localhost:8083", "sync-127.0.0.1"])
def test_this_machine_may_call_by_any_of_its_names(service: Running, host: str) -> None:
    """With or without a port, and with the SDKs' prefix for StartSyncExecution."""
    assert ask(service, "POST", "/", headers={**TARGET, "Host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8083", "", "localhost:x"])
def test_another_name_for_us_is_refused(service: Running, host: str) -> None:
    """A web page whose name was made to point here (DNS rebinding)."""
    status, _, answer = ask(service, "POST", "/", headers={**TARGET, "Host": host})

    assert (status, answer["__type"]) == (403, "AccessDeniedException")


def test_a_web_page_from_elsewhere_is_refused(service: Running) -> None:
    """Its requests carry its Origin."""
    assert ask(service, "POST", "/", headers={**TARGET, "Origin": "https://evil.example"})[0] == 403
    assert ask(service, "POST", "/", headers={**TARGET, "Origin": service.url})[0] == 200


def test_health_says_where_the_rest_is(service: Running) -> None:
    """200 and JSON."""
    status, _, answer = ask(service, "GET", "/health", headers={})

    assert (status, answer) == (200, {"status": "ok", "aws": "http://127.0.0.1:1"})
