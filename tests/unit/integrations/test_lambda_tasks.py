"""`lambda:invoke` with all its parameters, and with a task token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapfold.local.store import open_store
from mapfold.states.effects import TaskSucceeded
from tests.unit.engine.fakes import FunctionError
from tests.unit.engine.world import World, function, opened
from tests.unit.integrations.fakes import FakeTokens
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

    async def test_the_answer_to_the_token_is_the_result(self, tmp_path: Path) -> None:
        """What the function returns is in TaskSubmitted alone; the heartbeat's clock starts there."""
        tokens = FakeTokens(TaskSucceeded("approved"))
        async with open_store(tmp_path) as store, opened(store, tokens=tokens) as world:
            world.functions.handlers["echo"] = lambda event: event

            ended = await world.run(call("lambda:invoke.waitForTaskToken", self.ARGUMENTS))

        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
        assert output_of(ended, "TaskSubmitted")["Payload"] == {"token": tokens.opened[0][0]}
        assert ended.output == "approved"
        assert tokens.log == ["open", "beat", "close"]

    async def test_a_function_that_fails_fails_the_task(self, tmp_path: Path) -> None:
        """With its own error; the token is closed."""
        tokens = FakeTokens()

        def fail(event: Any) -> Any:
            raise FunctionError("ValueError")

        async with open_store(tmp_path) as store, opened(store, tokens=tokens) as world:
            world.functions.handlers["echo"] = fail

            ended = await world.run(call("lambda:invoke.waitForTaskToken", self.ARGUMENTS))

        assert ended.details("TaskFailed")["error"] == "ValueError"
        assert tokens.log == ["open", "close"]
