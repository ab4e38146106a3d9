"""The context object: which member is there in which state, and where `$$` may stand."""

from __future__ import annotations

import pytest

from mapfold.states import EndScope, Json, TaskFailed, TaskSucceeded

from .conftest import EXECUTION, FUNCTION, RunMachine, one_state

ENTERED = "2025-01-31T12:00:00.250Z"


def test_the_whole_of_it(run_machine: RunMachine) -> None:
    """`$$` alone; a state that does no work has no RetryCount, and only tasks with a token have Task."""
    end, _ = run_machine(one_state({"Type": "Pass", "Parameters": {"all.$": "$$"}}))

    assert end == EndScope({"all": {**EXECUTION, "State": {"Name": "S", "EnteredTime": ENTERED}}})


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({"Type": "Pass", "InputPath": "$$.Execution.Name"}, "run-1"),
        ({"Type": "Succeed", "OutputPath": "$$.State.Name"}, "S"),
        ({"Type": "Pass", "InputPath": "$$.Execution", "Parameters": {"n.$": "$.Name"}}, {"n": "run-1"}),
        ({"Type": "Pass", "Parameters": {"n.$": "States.Format('{}!', $$.StateMachine.Name)"}}, {"n": "demo!"}),
        ({"Type": "Pass", "Parameters": {"n.$": "$$['Execution']['RedriveCount']"}}, {"n": 0}),
        ({"Type": "Pass", "Parameters": {"n.$": "$$.StateMachine.*"}}, {"n": list(EXECUTION["StateMachine"].values())}),
    ],
)
def test_a_path_into_it_may_stand_where_a_path_may(
    run_machine: RunMachine, fields: dict[str, Json], output: Json
) -> None:
    """InputPath, OutputPath, templates and arguments of intrinsic functions."""
    end, _ = run_machine(one_state(fields))

    assert end == EndScope(output)


def test_a_choice_reads_it_on_both_sides(run_machine: RunMachine) -> None:
    """Variable and the …Path operators."""
    rule = {"Variable": "$$.Execution.Name", "StringEqualsPath": "$$.Execution.Name", "Next": "E"}
    states = {"S": {"Type": "Choice", "Choices": [rule]}, "E": {"Type": "Succeed"}}

    end, _ = run_machine({"StartAt": "S", "States": states}, {"a": 1})

    assert end == EndScope({"a": 1})


def test_the_retry_count_goes_up_with_every_attempt(run_machine: RunMachine) -> None:
    """0 at first."""
    state = {
        "Type": "Task",
        "Resource": FUNCTION,
        "Parameters": {"n.$": "$$.State.RetryCount"},
        "ResultSelector": {"n.$": "$$.State.RetryCount"},
        "Retry": [{"ErrorEquals": ["States.ALL"]}],
    }

    end, world = run_machine(one_state(state), answers={FUNCTION: [TaskFailed("E", None), TaskSucceeded({})]})

    sent = [event.details["input"] for event in world.history.events if event.type == "LambdaFunctionScheduled"]
    assert sent == ['{"n":0}', '{"n":1}']
    assert end == EndScope({"n": 1})


def test_an_item_is_there_for_its_selector(run_machine: RunMachine) -> None:
    """`$` is the Map's input, `$$.Map.Item` the item with its index."""
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "all.$": "$.k"},
        "ItemProcessor": {"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}},
    }

    end, _ = run_machine(one_state(state), {"items": ["x", None], "k": 1})

    assert end == EndScope([{"i": 0, "v": "x", "all": 1}, {"i": 1, "v": None, "all": 1}])
