"""Variables: their sizes, their scopes, and which states read them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import EndScope, FailScope, Frame, Json, compile_machine, variable_references
from mapfold.states.effects import StateError
from mapfold.states.variables import TOTAL_LIMIT, assign

from .conftest import RunMachine, World, one_state


def chain(*states: dict[str, Json], **top: Json) -> dict[str, Json]:
    """A machine of states S1, S2, … in a row."""
    named = {f"S{number}": state for number, state in enumerate(states, start=1)}
    names = list(named)
    for name, following in pairwise(names):
        named[name] = {**named[name], "Next": following}
    named[names[-1]] = {**named[names[-1]], "End": True}
    return {"StartAt": "S1", "States": named, **top}


def test_expressions_see_the_variables_as_they_were_at_entry(run_machine: RunMachine) -> None:
    """Assign and Output are evaluated from the same values; a swap needs no third variable."""
    machine = chain(
        {"Type": "Pass", "Assign": {"a": 1, "b": 2}},
        {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Output": "{% [$a, $b] %}"},
        {"Type": "Pass", "Output": "{% [$states.input, $a, $b] %}"},
        QueryLanguage="JSONata",
    )

    end, world = run_machine(machine)

    assert end == EndScope([1, 2, 2, 1])
    exits = [event.details for event in world.history.events if event.type == "PassStateExited"]
    assert exits[1]["assignedVariables"] == {"a": "2", "b": "1"}
    assert list(exits[0]["assignedVariables"]) == ["a", "b"]
    assert exits[0]["assignedVariablesDetails"] == {"truncated": False}


def test_what_one_assign_gives_may_have_256_kib(run_machine: RunMachine) -> None:
    """Of JSON text, all variables of the Assign together: one byte more fails the state, and nothing is assigned."""
    half = 131_072
    fits = {"a": "x" * (half - 2), "b": "y" * (half - 2)}

    end, _ = run_machine(one_state({"Type": "Pass", "Assign": fits}))
    too_large, world = run_machine(one_state({"Type": "Pass", "Assign": {**fits, "c": 1}}))

    assert isinstance(end, EndScope)
    assert isinstance(too_large, FailScope)
    assert too_large.error == "States.DataLimitExceeded"
    assert world.frame.variables == {}


def test_all_variables_that_a_scope_sees_may_have_10_mib(world_frame: Frame) -> None:
    """A variable that gets another value counts once; what the enclosing scopes hold counts too."""
    piece = "x" * (256 * 1024 - 2)
    for number in range(20):
        assign({f"v{number}": piece}, world_frame)
    inner = world_frame.fork(previous=0)
    for number in range(20):
        assign({f"w{number}": piece}, inner)

    assign({"w0": piece}, inner)

    assert inner.outer_bytes * 2 == TOTAL_LIMIT
    with pytest.raises(StateError, match="DataLimitExceeded"):
        assign({"more": 1}, inner)
    assert "more" not in inner.variables


@pytest.fixture
def world_frame() -> Frame:
    return World().frame


def test_variables_that_a_restart_brought_back_are_counted(world_frame: Frame) -> None:
    """Their sizes were not kept: they are taken again when something is assigned."""
    world_frame.variables["old"] = "é" * 10

    assign({"new": 1}, world_frame)

    assert world_frame.variable_sizes == {"old": 22, "new": 1}


@pytest.mark.parametrize("name", ["état", "x1", "x_1", "日本", "a" * 80])
def test_a_variable_may_be_called(name: str, run_machine: RunMachine) -> None:
    """A Unicode identifier of at most 80 characters."""
    machine = chain({"Type": "Pass", "Assign": {name: 7}}, {"Type": "Pass", "Output": f"{{% ${name} %}}"})

    end, _ = run_machine({**machine, "QueryLanguage": "JSONata"})

    assert end == EndScope(7)


@pytest.mark.parametrize("name", ["states", "1x", "_x", "x.y", "x[0]", "a b", "", "$x", "a" * 81])
def test_a_variable_may_not_be_called(name: str) -> None:
    """`states` is reserved; only whole variables are assigned."""
    with pytest.raises(DefinitionError) as caught:
        compile_machine(one_state({"Type": "Pass", "Assign": {name: 7}}, QueryLanguage="JSONata"))

    assert (caught.value.problems[0].at or "").startswith("/States/S/Assign")


def test_variable_references_name_what_each_state_reads() -> None:
    """By state, in order of appearance; those that a function or block binds itself are none, nor are functions."""
    inner = {
        "StartAt": "In",
        "States": {"In": {"Type": "Pass", "Output": "{% $outer.x & $own %}", "Assign": {"own": 1}, "End": True}},
    }
    definition = chain(
        {"Type": "Pass", "Assign": {"outer": {"x": 1}, "items": [1], "sum": 3}},
        {"Type": "Pass", "Output": "{% ($q := $items; $map($q, function($v, $i) { $v * $factor }) ~> $sum) %}"},
        {"Type": "Map", "Items": "{% $items %}", "ItemProcessor": inner, "MaxConcurrency": "{% $most %}"},
        {"Type": "Pass", "Output": "{% $count($states.input) + $states.context.State.RetryCount %}"},
        QueryLanguage="JSONata",
    )

    references = variable_references(json.dumps(definition))

    assert references == {"S2": ["items", "factor", "sum"], "S3": ["items", "most"], "In": ["outer", "own"]}


def test_variable_references_of_jsonpath_are_found_in_paths_and_intrinsics() -> None:
    """`$`, `$$` and text in quotes are none; a state in the other language is read in that one."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$limit", "NumericEqualsPath": "$max.n", "Next": "S2"}]}
    states: dict[str, Any] = {
        "S1": {**choice, "Default": "S2"},
        "S2": {
            "Type": "Pass",
            "InputPath": "$all['x']",
            "Parameters": {
                "a.$": "States.Format('$no {} {}', $name, $$.State.Name)",
                "b.$": "$.own",
                "c": "$constant",
                "d": [{"e.$": "$deep.a[0]"}],
            },
            "Next": "S3",
        },
        "S3": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $name %}", "End": True},
    }

    references = variable_references(json.dumps({"StartAt": "S1", "States": states}))

    assert references == {"S1": ["limit", "max"], "S2": ["all", "name", "deep"], "S3": ["name"]}
