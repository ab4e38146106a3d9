"""`lambda:invoke` with all its parameters, and with a task token."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.local.store import KeptAnswer
from tests.unit.engine.fakes import FunctionError
from tests.unit.engine.world import World, function
from tests.unit.integrations.tasks import call, call_with_input, middle, output_of

ECHO = function("echo")


@pytest.fixture
def _echo(world: World) -> None:
    world.functions.handlers["echo"] = lambda event: event


@pytest.mark.usefixtures("_echo")
class TestInvoke:
    async def test_the_response_has_its_members_in_order(self, world: World) -> None:
        """Payload as JSON between the version and the metadata; the headers are those that Lambda sends."""
        ended = await world.run(call("lambda:invoke", {"FunctionName": ECHO, "Payload": {"a": 1}}))

        assert list(ended.output) == [
            "ExecutedVersion",
            "Payload",
            "SdkHttpMetadata",
            "SdkResponseMetadata",
            "StatusCode",
        ]
        assert ended.output["Payload"] == {"a": 1}
        assert list(ended.output["SdkHttpMetadata"]["HttpHeaders"]) == [
            "Connection",
            "Content-Length",
            "Content-Type",
            "Date",
            "X-Amz-Executed-Version",
            "x-amzn-Remapped-Content-Length",
            "x-amzn-RequestId",
            "X-Amzn-Trace-Id",
        ]
        assert list(ended.output["SdkHttpMetadata"]["AllHttpHeaders"]) == [
            "X-Amz-Executed-Version",
            "x-amzn-Remapped-Content-Length",
            "Connection",
            "x-amzn-RequestId",
            "Content-Length",
            "Date",
            "X-Amzn-Trace-Id",
            "Content-Type",
        ]

    async def test_an_event_is_queued_and_has_no_payload(self, world: World) -> None:
        """InvocationType Event: status 202, no version, the function is called."""
        ended = await world.run(call("lambda:invoke", {"FunctionName": ECHO, "InvocationType": "Event"}))

        assert list(ended.output) == ["SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"]
        assert ended.output["StatusCode"] == 202
        assert world.functions.events == [("echo", {})]

    async def test_the_log_and_the_client_context(self, world: World) -> None:
        """LogType Tail gives the log in base64; a ClientContext is decoded for the function."""
        arguments = {"FunctionName": ECHO, "LogType": "Tail", "ClientContext": "eyJhIjoxfQ=="}

        ended = await world.run(call("lambda:invoke", arguments))

        assert ended.output["LogResult"] == "bG9n"
        assert world.functions.contexts == [b'{"a":1}']

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({"Payload": 1}, "The field 'FunctionName' is required but was missing"),
            ({"FunctionName": ECHO, "TaskToken": "t"}, 'The field "TaskToken" is not supported by Step Functions'),
            ({"FunctionName": 5}, "The value of the field 'FunctionName' has an invalid format"),
            (
                {"FunctionName": ECHO, "InvocationType": "Later"},
                "The value of the field 'InvocationType' has an invalid format",
            ),
        ],
    )
    async def test_refusals(self, world: World, arguments: Any, problem: str) -> None:
        """States.Runtime, before the task is scheduled."""
        ended = await world.run(call_with_input("lambda:invoke"), arguments)

        assert ended.types == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
        assert (ended.row.cause or "").endswith(f"could not be used to start the Task: [{problem}]")


class TestTokens:
    ARGUMENTS = {"FunctionName": ECHO, "Payload": {"token.$": "$$.Task.Token"}}  # noqa: RUF012

    async def test_the_answer_to_the_token_is_the_result(self, world: World) -> None:
        """What the function returns is in TaskSubmitted alone, also where it has answered its token before that."""
        taken: list[bool] = []

        def answer(event: Any) -> Any:
            taken.append(world.engine.tokens.answer(event["token"], KeptAnswer(output='"approved"')))
            return event

        world.functions.handlers["echo"] = answer

        ended = await world.run(call("lambda:invoke.waitForTaskToken", self.ARGUMENTS))

        assert taken == [True]
        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
        assert output_of(ended, "TaskSubmitted")["Payload"] == world.functions.calls[0][1]
        assert ended.output == "approved"

    async def test_a_function_that_fails_fails_the_task(self, world: World) -> None:
        """With its own error; the token takes no answer any more."""

        def fail(event: Any) -> Any:
            raise FunctionError("ValueError")

        world.functions.handlers["echo"] = fail

        ended = await world.run(call("lambda:invoke.waitForTaskToken", self.ARGUMENTS))

        assert ended.details("TaskFailed")["error"] == "ValueError"
        token = world.functions.calls[0][1]["token"]
        assert not world.engine.tokens.answer(token, KeptAnswer(output="1"))
