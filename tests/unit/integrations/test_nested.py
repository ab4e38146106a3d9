"""`states:startExecution`: in its four patterns, stopped with its parent, and found again after a restart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.store import open_store
from tests.unit.engine.world import World, opened
from tests.unit.integrations.fakes import REQUEST, FakeClients, refused
from tests.unit.integrations.tasks import call, call_with_input, failure, middle, output_of

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:child"
CHILD = "arn:aws:states:us-east-1:123456789012:execution:child:name"
MOMENT = datetime(2025, 1, 31, 12, tzinfo=UTC)
MILLISECONDS = 1738324800000
ARGUMENTS = {"StateMachineArn": MACHINE, "Input": {"a": 1}}


def described(status: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    """DescribeExecution's answer."""
    return {
        "executionArn": CHILD,
        "stateMachineArn": MACHINE,
        "name": "name",
        "status": status,
        "startDate": MOMENT,
        "stopDate": MOMENT,
        "input": '{"a":1}',
        "inputDetails": {"included": True},
        "redriveCount": 0,
        **more,
    }


@pytest.fixture
def started(clients: FakeClients) -> FakeClients:
    clients.answer("stepfunctions", "StartExecution", {"executionArn": CHILD, "startDate": MOMENT})
    return clients


class TestRequestResponse:
    async def test_the_result_is_the_start(self, world: World, started: FakeClients) -> None:
        """With metadata, the date in milliseconds; the Input is sent as text, under a name of the attempt's own."""
        ended = await world.run(call("states:startExecution", ARGUMENTS))

        assert list(ended.output) == ["ExecutionArn", "SdkHttpMetadata", "SdkResponseMetadata", "StartDate"]
        assert ended.output["StartDate"] == MILLISECONDS
        (sent,) = started.sent("StartExecution")
        assert sent["stateMachineArn"] == MACHINE
        assert sent["input"] == '{"a":1}'
        assert len(sent["name"]) == 36

    async def test_a_name_that_is_taken_fails_the_task(self, world: World, clients: FakeClients) -> None:
        """`StepFunctions.ExecutionAlreadyExistsException`, in the older words."""
        clients.answer(
            "stepfunctions", "StartExecution", refused("ExecutionAlreadyExists", f"Execution Already Exists: '{CHILD}'")
        )

        found = await failure(world, "states:startExecution", {**ARGUMENTS, "Name": "name"})

        assert found == (
            "StepFunctions.ExecutionAlreadyExistsException",
            (
                f"Execution Already Exists: '{CHILD}' (Service: AWSStepFunctions; Status Code: 400; "
                f"Error Code: ExecutionAlreadyExists; Request ID: {REQUEST}; Proxy: null)"
            ),
        )

    async def test_other_parameters_of_the_api_are_refused(self, world: World) -> None:
        """Input, Name and StateMachineArn are taken."""
        ended = await world.run(call_with_input("states:startExecution"), {"TraceHeader": "t"})

        assert (ended.row.cause or "").endswith(
            '[The field "TraceHeader" is not supported by Step Functions, '
            "The field 'StateMachineArn' is required but was missing]"
        )


class TestWaiting:
    async def test_sync_gives_the_execution_with_its_payloads_as_text(self, world: World, started: FakeClients) -> None:
        """Members by name, dates in milliseconds, no metadata; TaskSubmitted has the start's answer."""
        started.answer(
            "stepfunctions", "DescribeExecution", described(output='{"b":2}', outputDetails={"included": True})
        )

        ended = await world.run(call("states:startExecution.sync", ARGUMENTS))

        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
        assert output_of(ended, "TaskSubmitted")["ExecutionArn"] == CHILD
        assert ended.output == {
            "ExecutionArn": CHILD,
            "Input": '{"a":1}',
            "InputDetails": {"Included": True},
            "Name": "name",
            "Output": '{"b":2}',
            "OutputDetails": {"Included": True},
            "RedriveCount": 0,
            "StartDate": MILLISECONDS,
            "StateMachineArn": MACHINE,
            "Status": "SUCCEEDED",
            "StopDate": MILLISECONDS,
        }

    async def test_sync_2_gives_them_as_json(self, world: World, started: FakeClients) -> None:
        """Input and Output."""
        started.answer("stepfunctions", "DescribeExecution", described(output='{"b":2}'))

        ended = await world.run(call("states:startExecution.sync:2", ARGUMENTS))

        assert (ended.output["Input"], ended.output["Output"]) == ({"a": 1}, {"b": 2})

    @pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
    async def test_an_execution_that_does_not_succeed_is_the_cause(
        self, world: World, started: FakeClients, status: str
    ) -> None:
        """States.TaskFailed, with the description as JSON, its members in order of their names."""
        started.answer("stepfunctions", "DescribeExecution", described(status, error="Boom", cause="why"))

        error, cause = await failure(world, "states:startExecution.sync:2", ARGUMENTS)

        assert error == "States.TaskFailed"
        assert cause == (
            f'{{"Cause":"why","Error":"Boom","ExecutionArn":"{CHILD}","Input":"{{\\"a\\":1}}",'
            f'"InputDetails":{{"Included":true}},"Name":"name","RedriveCount":0,"StartDate":{MILLISECONDS},'
            f'"StateMachineArn":"{MACHINE}","Status":"{status}","StopDate":{MILLISECONDS}}}'
        )

    async def test_one_that_is_not_started_fails_in_submission(self, world: World, clients: FakeClients) -> None:
        """TaskSubmitFailed."""
        clients.answer("stepfunctions", "StartExecution", refused("StateMachineDoesNotExist"))

        ended = await world.run(call("states:startExecution.sync", ARGUMENTS))

        assert ended.details("TaskSubmitFailed")["error"] == "StepFunctions.StateMachineDoesNotExistException"

    async def test_stopping_the_parent_stops_the_child(self, world: World, started: FakeClients) -> None:
        """StopExecution is called for it."""
        started.answer("stepfunctions", "DescribeExecution", described("RUNNING"))
        started.answer("stepfunctions", "StopExecution", {"stopDate": MOMENT})
        parent = await world.start(call("states:startExecution.sync", ARGUMENTS))
        await world.until(lambda: bool(started.sent("DescribeExecution")))

        await world.stop(parent)

        await world.until(lambda: bool(started.sent("StopExecution")))
        assert started.sent("StopExecution") == [{"executionArn": CHILD}]

    async def test_a_restart_leaves_the_child_alone_and_finds_it_again(
        self, tmp_path: Path, started: FakeClients
    ) -> None:
        """It is not stopped; the attempt starts it under the same name, is told that it exists, and follows it."""
        started.answer("stepfunctions", "DescribeExecution", described("RUNNING"))
        async with open_store(tmp_path) as store, opened(store, clients=started) as world:
            parent = await world.start(call("states:startExecution.sync", ARGUMENTS))
            await world.until(lambda: bool(started.sent("DescribeExecution")))
        taken = refused("ExecutionAlreadyExists", f"Execution Already Exists: '{CHILD}'")
        started.answer("stepfunctions", "StartExecution", taken)
        started.answer("stepfunctions", "DescribeExecution", described(output="{}"))

        async with open_store(tmp_path) as store, opened(store, clients=started) as world:
            await world.engine.resume()
            ended = await world.end(parent)

        first, second = started.sent("StartExecution")
        assert first == second
        assert started.sent("StopExecution") == []
        assert json.loads(ended.row.output or "")["Status"] == "SUCCEEDED"
