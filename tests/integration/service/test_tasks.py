"""Answers to task tokens over the wire: SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mapfold.local.engine.tokens import Answer, OpenToken
from mapfold.local.json_faults import name_fault
from mapfold.states.effects import TaskFailed, TaskSucceeded
from mapfold.states.task_token import make_token
from tests.integration.service.conftest import FakeEngine, Running, error_of

CLOSED = ("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
INVALID = ("InvalidToken", "Invalid Token: 'Invalid token'")

Send = Callable[[Running, str], Mapping[str, Any]]

SENDS: list[Send] = [
    lambda service, token: service.client.send_task_success(taskToken=token, output="{}"),
    lambda service, token: service.client.send_task_failure(taskToken=token),
    lambda service, token: service.client.send_task_heartbeat(taskToken=token),
]
every_send = pytest.mark.parametrize("send", SENDS, ids=["success", "failure", "heartbeat"])


class Waiting:
    """A token of a running execution that is waited for."""

    def __init__(self, service: Running) -> None:
        self.service = service
        self.token = make_token(service.start("run"), 0, 2)
        self.opened = self.open()

    def open(self) -> OpenToken:
        async def happen(engine: FakeEngine) -> OpenToken:
            return engine.tokens.open(self.token, heartbeat_seconds=None)

        return self.service.tell(happen)

    def answer(self) -> Answer:
        return self.service.tell(lambda _: self.opened.answer())

    def close(self) -> None:
        async def happen(_: FakeEngine) -> None:
            self.opened.close()

        self.service.tell(happen)


@pytest.fixture
def waiting(service: Running) -> Waiting:
    return Waiting(service)


def test_the_output_is_kept_as_it_was_sent(waiting: Waiting) -> None:
    """Blanks too; the answer of the call is empty."""
    waiting.service.client.send_task_success(taskToken=waiting.token, output=' {"a": 1} ')

    assert waiting.answer() == TaskSucceeded({"a": 1}, ' {"a": 1} ')


def test_a_failure_has_error_and_cause(waiting: Waiting) -> None:
    """Both may be left out."""
    waiting.service.client.send_task_failure(taskToken=waiting.token, error="E", cause="because")

    assert waiting.answer() == TaskFailed("E", "because")


@pytest.mark.parametrize("output", ["", "{", "{a: 1}", "NaN", "1 2"])
def test_an_output_that_is_not_json_is_refused_and_the_token_stays_open(waiting: Waiting, output: str) -> None:
    """InvalidOutput: the worker may send a better one."""
    client = waiting.service.client
    code, message = error_of(lambda: client.send_task_success(taskToken=waiting.token, output=output))
    client.send_task_success(taskToken=waiting.token, output="1")

    assert (code, message) == ("InvalidOutput", f"Invalid Output: '{name_fault(output)}'")
    assert waiting.answer() == TaskSucceeded(1, "1")


def test_a_broken_output_is_explained_as_a_broken_input_is(waiting: Waiting) -> None:
    """The service reads both with one parser, and repeats what that says."""
    send = waiting.service.client.send_task_success
    refused = error_of(lambda: send(taskToken=waiting.token, output="{a: 1}"))

    assert refused == (
        "InvalidOutput",
        "Invalid Output: 'Unexpected character ('a' (code 97)): was expecting double-quote to start field name'",
    )


def test_an_output_has_at_most_256_kib_of_utf_8(waiting: Waiting) -> None:
    """The limit counts bytes (API Reference: SendTaskSuccess); what was sent is not repeated in the message."""
    send = waiting.service.client.send_task_success
    code, message = error_of(lambda: send(taskToken=waiting.token, output=f'"{"é" * 131_072}"'))
    send(taskToken=waiting.token, output=f'"{"a" * 262_142}"')

    assert code == "ValidationException"
    assert message.endswith(
        "at 'output' failed to satisfy constraint: Member must have length less than or equal to 262144"
    )


@every_send
def test_only_the_first_answer_counts(waiting: Waiting, send: Send) -> None:
    """TaskTimedOut for all that come after it."""
    waiting.service.client.send_task_success(taskToken=waiting.token, output="1")

    assert error_of(lambda: send(waiting.service, waiting.token)) == CLOSED


@every_send
def test_after_a_timeout_or_a_stop_no_answer_counts(waiting: Waiting, send: Send) -> None:
    """TaskTimedOut."""
    waiting.close()

    assert error_of(lambda: send(waiting.service, waiting.token)) == CLOSED


@every_send
@pytest.mark.parametrize("token", ["x", "AAAAKgAAAAIAAAAA", "{}"])
def test_what_is_no_token_is_refused(service: Running, send: Send, token: str) -> None:
    """InvalidToken."""
    assert error_of(lambda: send(service, token)) == INVALID


@every_send
def test_a_token_of_an_execution_that_nobody_knows_is_refused(service: Running, send: Send) -> None:
    """TaskDoesNotExist: it is from another data directory."""
    token = make_token("arn:aws:states:us-east-1:123456789012:execution:other:run", 0, 2)

    assert error_of(lambda: send(service, token))[0] == "TaskDoesNotExist"
