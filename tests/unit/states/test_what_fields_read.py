"""What Assign, Output and Credentials read in each state, and which of them counts where several could."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import EndScope, Json, TaskFailed, TaskSucceeded, compile_machine

from .conftest import FUNCTION, RunMachine, one_state

INTEGRATION = "arn:aws:states:::sqs:sendMessage"
ECHO = {"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}}
NESTED = {"in": {"n": 1, "items": [1, 2]}}


def then_read(state: dict[str, Json], **more: Json) -> dict[str, Json]:
    """A machine of the state S, after which A gives the variable `v` that S assigns."""
    after = {"Type": "Pass", "QueryLanguage": "JSONPath", "Parameters": {"v.$": "$v"}, "End": True}
    next_ = {} if "Choices" in state else {"Next": "A"}
    return {"StartAt": "S", "States": {"S": {**state, **next_}, "A": after}, **more}


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"Type": "Pass", "Parameters": {"p.$": "$.n"}, "ResultPath": "$.r"}, {"p": 1}),
        ({"Type": "Pass", "Result": "literal", "OutputPath": "$"}, "literal"),
        ({"Type": "Wait", "Seconds": 0, "OutputPath": "$.n"}, {"n": 1, "items": [1, 2]}),
        ({"Type": "Task", "Resource": FUNCTION, "ResultSelector": {"x": 1}, "ResultPath": None}, {"raw": 5}),
        ({"Type": "Parallel", "Branches": [ECHO], "ResultSelector": {"x": 1}}, [{"n": 1, "items": [1, 2]}]),
        ({"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": ECHO, "ResultSelector": {"x": 1}}, [1, 2]),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsPresent": False, "Next": "A"}], "Default": "A"},
            {"n": 1, "items": [1, 2]},
        ),
    ],
)
def test_assign_of_a_jsonpath_state_reads(run_machine: RunMachine, fields: dict[str, Json], read: Json) -> None:
    """The raw result of work, the result of a Pass, the input after InputPath of a Wait and a Choice."""
    state = {**fields, "InputPath": "$.in", "Assign": {"v.$": "$"}}

    end, _ = run_machine(then_read(state), NESTED, answers={FUNCTION: [TaskSucceeded({"raw": 5})]})

    assert end == EndScope({"v": read})


def test_a_catcher_is_spared_the_steps_after_the_work(run_machine: RunMachine) -> None:
    """Neither ResultSelector nor OutputPath nor the state's Assign; its ResultPath writes into the raw input."""
    state = {
        "Type": "Task",
        "Resource": FUNCTION,
        "InputPath": "$.in",
        "ResultSelector": {"x.$": "$.nowhere"},
        "OutputPath": "$.nowhere",
        "Assign": {"v": "the state's"},
        "Catch": [
            {"ErrorEquals": ["States.ALL"], "Next": "A", "ResultPath": "$.error", "Assign": {"v.$": "$.Error"}},
        ],
    }
    machine = then_read(state)
    machine["States"]["A"]["Parameters"]["all.$"] = "$"

    end, _ = run_machine(machine, NESTED, answers={FUNCTION: [TaskFailed("E", "why")]})

    assert end == EndScope({"v": "E", "all": {**NESTED, "error": {"Error": "E", "Cause": "why"}}})


def jsonata_choice(rule: dict[str, Json]) -> dict[str, Any]:
    """A JSONata Choice whose first rule matches even numbers; its own Output and Assign are beside the rule's."""
    state = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input % 2 = 0 %}", "Next": "A", **rule}],
        "Default": "A",
        "Output": "the state's",
        "Assign": {"v": "the state's"},
    }
    machine = then_read(state, QueryLanguage="JSONata")
    after = {"Type": "Succeed", "Output": {"all": "{% $states.input %}", "v": "{% $exists($v) ? $v : 'unset' %}"}}
    machine["States"]["A"] = after
    return machine


@pytest.mark.parametrize(
    ("rule", "data", "output"),
    [
        ({"Output": "{% $states.input + 1 %}", "Assign": {"v": 7}}, 2, {"all": 3, "v": 7}),
        ({"Output": "the rule's"}, 2, {"all": "the rule's", "v": "unset"}),
        ({"Assign": {"v": 7}}, 2, {"all": 2, "v": 7}),
        ({"Output": "the rule's", "Assign": {"v": 7}}, 1, {"all": "the state's", "v": "the state's"}),
    ],
)
def test_a_choice_rule_that_matched_has_the_say(
    run_machine: RunMachine, rule: dict[str, Json], data: Json, output: Json
) -> None:
    """Its Output and Assign stand in for the state's, which are for Default alone: without Output it gives its input."""
    end, _ = run_machine(jsonata_choice(rule), data)

    assert end == EndScope(output)


@pytest.mark.parametrize(
    ("credentials", "language"),
    [
        ({"RoleArn": "arn:r1"}, "JSONPath"),
        ({"RoleArn.$": "$.role"}, "JSONPath"),
        ({"RoleArn.$": "States.Format('arn:{}1', $.letter)"}, "JSONPath"),
        ({"RoleArn": "arn:r1"}, "JSONata"),
        ({"RoleArn": "{% 'arn:' & $states.input.letter & '1' %}"}, "JSONata"),
    ],
)
def test_credentials_name_a_role(run_machine: RunMachine, credentials: dict[str, Json], language: str) -> None:
    """As it is, by a path, by an intrinsic function, by an expression; the Scheduled event has it."""
    state = {"Type": "Task", "Resource": INTEGRATION, "QueryLanguage": language, "Credentials": credentials}
    given = {"Arguments" if language == "JSONata" else "Parameters": {"QueueUrl": "q", "MessageBody": "b"}}
    data = {"role": "arn:r1", "letter": "r"}

    end, world = run_machine(one_state({**state, **given}), data, answers={INTEGRATION: [TaskSucceeded({})]})

    assert end == EndScope({})
    assert world.details("TaskScheduled")["taskCredentials"] == {"roleArn": "arn:r1"}


@pytest.mark.parametrize(
    ("credentials", "language", "problem"),
    [
        ({}, "JSONPath", "The field 'RoleArn' is required but was missing"),
        ({"RoleArn": "r", "Other": 1}, "JSONPath", "Field 'Other' is not supported"),
        (
            {"RoleArn": "r", "RoleArn.$": "$.r"},
            "JSONPath",
            "There should only be one of the following fields: [RoleArn, RoleArn.$]",
        ),
        (
            {"RoleArn.$": "r"},
            "JSONPath",
            "The value for the field 'RoleArn.$' must be a valid JSONPath or a valid intrinsic function call",
        ),
        (
            {"RoleArn": "{% $states.result %}"},
            "JSONata",
            "Reference to '$states.result' is not supported.",
        ),
    ],
)
def test_credentials_that_name_none(credentials: dict[str, Json], language: str, problem: str) -> None:
    """Reported at creation."""
    state = {"Type": "Task", "Resource": FUNCTION, "QueryLanguage": language, "Credentials": credentials}

    with pytest.raises(DefinitionError) as caught:
        compile_machine(one_state(state))

    assert [found.text for found in caught.value.problems] == [problem]


@pytest.mark.parametrize(
    "work",
    [
        {"Type": "Task", "Resource": FUNCTION, "Parameters": {"n.$": "$$.State.RetryCount"}},
        {"Type": "Parallel", "Branches": [ECHO], "Parameters": {"n.$": "$$.State.RetryCount"}},
        {"Type": "Map", "ItemProcessor": ECHO, "ItemSelector": {"n.$": "$$.State.RetryCount"}},
    ],
)
def test_a_state_that_does_work_has_a_retry_count(run_machine: RunMachine, work: dict[str, Json]) -> None:
    """0 at the first attempt, with or without a Retry."""
    end, world = run_machine(one_state(work), [1], answers={FUNCTION: [TaskSucceeded([{"n": 0}])]})

    assert end == EndScope([{"n": 0}])
    scheduled = [event.details["input"] for event in world.history.events if event.type == "LambdaFunctionScheduled"]
    assert scheduled == (['{"n":0}'] if work["Type"] == "Task" else [])


def test_a_conflict_of_paths_is_a_failure_with_a_name(run_machine: RunMachine) -> None:
    """States.ReferencePathConflict may be named in ErrorEquals, and is caught."""
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": ECHO,
        "Catch": [{"ErrorEquals": ["States.ReferencePathConflict"], "Next": "A", "Assign": {"v.$": "$.Error"}}],
        "Assign": {"v": 1},
    }

    end, _ = run_machine(then_read(state), {})

    assert end == EndScope({"v": "States.ReferencePathConflict"})
