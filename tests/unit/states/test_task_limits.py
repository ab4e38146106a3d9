"""TimeoutSeconds and HeartbeatSeconds of tasks: how they are found, what events show, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.states import FailScope, RunTask, TaskFailed, TaskSucceeded
from tests.unit.states.conftest import FUNCTION, RunMachine, one_state

CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:review"
PREFIX = "An error occurred while executing the state 'S' (entered at the event id #1). "


def state(resource: str = CALLBACK, **fields: Any) -> dict[str, Any]:
    return one_state({"Type": "Task", "Resource": resource, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"TimeoutSeconds": 60, "HeartbeatSeconds": 5},
        {"TimeoutSecondsPath": "$.most", "HeartbeatSecondsPath": "$.beat"},
        {"TimeoutSecondsPath": "$.whole", "HeartbeatSecondsPath": "$.beat"},
        {"QueryLanguage": "JSONata", "TimeoutSeconds": "{% 60 %}", "HeartbeatSeconds": "{% $states.input.beat %}"},
    ],
)
def test_limits_are_shown_as_whole_seconds(run_machine: RunMachine, fields: dict[str, Any]) -> None:
    """However they were written; the work is told the same."""
    _, world = run_machine(
        state(**fields), {"most": 60, "beat": 5, "whole": "60"}, answers={CALLBACK: [TaskSucceeded({})]}
    )

    details = world.details("TaskScheduled")
    effect = next(effect for effect in world.effects if isinstance(effect, RunTask))
    shown = details["timeoutInSeconds"], details["heartbeatInSeconds"]
    assert shown == (effect.timeout_seconds, effect.heartbeat_seconds) == (60, 5)
    assert all(type(seconds) is int for seconds in shown)


def test_limits_that_are_not_set_are_not_shown(run_machine: RunMachine) -> None:
    """Neither member is there (seen on the service)."""
    _, world = run_machine(state(), answers={CALLBACK: [TaskSucceeded({})]})

    assert {"timeoutInSeconds", "heartbeatInSeconds"} & world.details("TaskScheduled").keys() == set()


def test_a_function_s_event_has_no_heartbeat(run_machine: RunMachine) -> None:
    """LambdaFunctionScheduledEventDetails has a timeout alone (API Reference)."""
    limits = {"TimeoutSeconds": 60, "HeartbeatSeconds": 5}
    _, world = run_machine(state(FUNCTION, **limits), answers={FUNCTION: [TaskSucceeded({})]})

    details = world.details("LambdaFunctionScheduled")
    assert details["timeoutInSeconds"] == 60
    assert "heartbeatInSeconds" not in details


@pytest.mark.parametrize("field", ["TimeoutSecondsPath", "HeartbeatSecondsPath"])
def test_a_path_that_leads_nowhere_fails_the_execution(run_machine: RunMachine, field: str) -> None:
    """In the words of an InputPath (seen on the service); nothing is scheduled, and nobody may catch it."""
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "S"}]

    end, world = run_machine(state(**{field: "$.no"}, Catch=catch))

    assert end == FailScope(
        "States.Runtime", f"{PREFIX}Invalid path '$.no' : No results for path: $['no']", catchable=False
    )
    assert world.types == ["TaskStateEntered"]


@pytest.mark.parametrize("value", ["6 s", 60.0, 1.5, None, True, [1], 0, -1])
def test_a_value_that_is_no_positive_whole_number_fails_the_execution(run_machine: RunMachine, value: Any) -> None:
    """States.Runtime, before anything is scheduled (the words are unconfirmed)."""
    end, world = run_machine(state(TimeoutSecondsPath="$.most"), {"most": value})

    assert isinstance(end, FailScope)
    assert (end.error, end.catchable) == ("States.Runtime", False)
    assert world.types == ["TaskStateEntered"]


def test_a_heartbeat_is_shorter_than_the_timeout_at_run_time_too(run_machine: RunMachine) -> None:
    """The Developer Guide asks for it; that AWS checks it for paths is unconfirmed."""
    limits = {"TimeoutSecondsPath": "$.most", "HeartbeatSecondsPath": "$.beat"}

    end, _ = run_machine(state(**limits), {"most": 5, "beat": 5})

    assert end == FailScope(
        "States.Runtime", f"{PREFIX}HeartbeatSeconds must be smaller than TimeoutSeconds.", catchable=False
    )


@pytest.mark.parametrize("resource", [CALLBACK, ACTIVITY])
def test_the_context_object_has_a_token_where_somebody_answers_it(run_machine: RunMachine, resource: str) -> None:
    """`$states.context.Task.Token` in JSONata, another at each attempt."""
    fields = {
        "QueryLanguage": "JSONata",
        "Arguments": {"QueueUrl": "q", "MessageBody": "{% $states.context.Task.Token %}"},
        "Retry": [{"ErrorEquals": ["E"]}],
    }
    answers = {resource: [TaskFailed("E", None), TaskSucceeded({})]}

    _, world = run_machine(state(resource, **fields), answers=answers)

    efforts = [effect for effect in world.effects if isinstance(effect, RunTask)]
    tokens = [effect.arguments["MessageBody"] for effect in efforts]
    assert tokens == [effect.token for effect in efforts]
    assert len(set(tokens)) == 2


def test_every_attempt_has_another_token_though_its_arguments_are_the_same(run_machine: RunMachine) -> None:
    """Arguments that do not read it are evaluated once."""
    fields = {"Retry": [{"ErrorEquals": ["E"]}]}
    answers = {ACTIVITY: [TaskFailed("E", None), TaskSucceeded({})]}

    _, world = run_machine(state(ACTIVITY, **fields), answers=answers)

    assert len({effect.token for effect in world.effects if isinstance(effect, RunTask)}) == 2


def test_other_tasks_have_no_token(run_machine: RunMachine) -> None:
    """`$$.Task.Token` leads nowhere in a task that its call's answer ends."""
    end, _ = run_machine(state(FUNCTION, Parameters={"token.$": "$$.Task.Token"}))

    assert isinstance(end, FailScope)
    assert end.error == "States.Runtime"
    assert "'$$.Task.Token' specified for the field 'token.$' could not be found" in (end.cause or "")


@pytest.mark.parametrize(
    "credentials",
    [{"RoleArn": "arn:r"}, {"RoleArn.$": "$.role"}, {"RoleArn.$": "States.Format('arn:{}', $.name)"}],
)
def test_the_role_of_a_task_is_in_its_scheduled_event(run_machine: RunMachine, credentials: dict[str, str]) -> None:
    """Written down, found by a path, or made by an intrinsic function."""
    _, world = run_machine(
        state(Credentials=credentials), {"role": "arn:r", "name": "r"}, answers={CALLBACK: [TaskSucceeded({})]}
    )

    assert world.details("TaskScheduled")["taskCredentials"] == {"roleArn": "arn:r"}
