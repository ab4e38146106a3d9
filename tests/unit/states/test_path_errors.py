"""What the service says of a path that finds nothing, in each field that may hold one."""

from __future__ import annotations

import json

import pytest

from mapfold.states import EndScope, FailScope, Json, TaskSucceeded, compile_machine
from mapfold.states.context import build_context

from .conftest import FUNCTION, RunMachine, World, one_state

PREFIX = "An error occurred while executing the state 'S' (entered at the event id #1). "
PROCESSOR = {"StartAt": "E", "States": {"E": {"Type": "Pass", "End": True}}}


def failure(cause: str) -> FailScope:
    """How a state ends whose path found nothing."""
    return FailScope("States.Runtime", PREFIX + cause, catchable=False)


@pytest.mark.parametrize(
    ("path", "data", "problem"),
    [
        ("$.X", {}, "No results for path: $['X']"),
        ("$.a.X", {"a": {}}, "No results for path: $['a']['X']"),
        ("$.no.such.X", {}, "Missing property in path $['no']"),
        ("$.a.no.X", {"a": {}}, "Missing property in path $['a']['no']"),
        ("$.a[2].b", {"a": [1]}, "Property ['b'] not found in path $['a'][2]"),
        ("$.a[2][0]", {"a": [1]}, "The path $['a'][2] is null"),
        ("$.a.b", {"a": 1}, "Property ['b'] not found in path $['a']"),
        ("$.a.b", {"a": None}, "Property ['b'] not found in path $['a']"),
        ("$.a[0]", {"a": None}, "The path $['a'] is null"),
        ("$.a[0]", {"a": {"b": [1]}}, "Filter: [0] can only be applied to arrays. Current context is: {b=[1]}"),
        ("$.a[0:2]", {"a": 5}, "Filter: [0:2] can only be applied to arrays. Current context is: 5"),
        ("$[0,1]", {}, "Filter: [0,1] can only be applied to arrays. Current context is: {}"),
        ("$.a[?(@.b)]", {"a": "s"}, "Filter: [?] can not be applied to primitives. Current context is: s"),
        ("$['a', 'b'].v", {"a": {}}, "Multi properties can only be used as path leafs: $['a', 'b']"),
    ],
)
@pytest.mark.parametrize("field", ["InputPath", "OutputPath"])
def test_input_and_output_path_say_what_jayway_says(
    run_machine: RunMachine, field: str, path: str, data: Json, problem: str
) -> None:
    """The service hands on the text of its library."""
    end, world = run_machine(one_state({"Type": "Succeed", field: path}), data)

    assert end == failure(f"Invalid path '{path}' : {problem}")
    assert world.types == ["SucceedStateEntered"]


def test_to_choice_and_items_path_an_index_that_the_array_does_not_have_leads_nowhere(run_machine: RunMachine) -> None:
    """They follow their paths by themselves: IsPresent of the first element tells whether there is one."""
    empty = {"Variable": "$.a[0]", "IsPresent": False, "Next": "M"}
    each = {"Type": "Map", "ItemsPath": "$.a[0]", "ItemProcessor": PROCESSOR, "End": True}

    end, world = run_machine(
        {"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [empty]}, "M": each}}, {"a": []}
    )

    assert "MapStateEntered" in world.types
    assert isinstance(end, FailScope)
    assert end.error == "States.ReferencePathConflict"


@pytest.mark.parametrize("path", ["$.a.b", "$.a[0]", "$.a.sum()", "$['x']", "$.l[1].b"])
@pytest.mark.parametrize("field", ["Parameters", "Assign"])
def test_a_template_names_the_path_the_field_and_the_document(run_machine: RunMachine, path: str, field: str) -> None:
    """Whatever is missing; a function is looked for as a member of that name, because the service has none."""
    end, _ = run_machine(one_state({"Type": "Pass", field: {"k.$": path}}), {"a": 1, "l": [1]})

    text = '{"a":1,"l":[1]}'
    assert end == failure(
        f"The JSONPath '{path}' specified for the field 'k.$' could not be found in the input '{text}'"
    )


@pytest.mark.parametrize("path", ["$.a[2]", "$.a[-3]", "$.a[0][0]", "$v.a[9]"])
@pytest.mark.parametrize(
    ("field", "value", "output"),
    [
        ("Parameters", {"k.$": "{}"}, {"k": None}),
        ("Parameters", {"k.$": "States.Array({})"}, {"k": [None]}),
        ("InputPath", "{}", None),
        ("OutputPath", "{}", None),
    ],
)
def test_an_index_past_the_end_finds_null(
    run_machine: RunMachine, field: str, value: Json, output: Json, path: str
) -> None:
    """Where the array is there, and the index ends the path: Jackson's arrays, which JsonPath reads, have null there."""
    filled = json.loads(json.dumps(value).replace("{}", path))
    states = {
        "A": {"Type": "Pass", "Assign": {"v.$": "$"}, "Next": "B"},
        "B": {"Type": "Pass", field: filled, "End": True},
    }

    end, _ = run_machine({"StartAt": "A", "States": states}, {"a": [[], 1]})

    assert end == EndScope(output)


@pytest.mark.parametrize(
    ("path", "output"),
    [("$.a[0,2]", [1, None]), ("$.b[*][1]", [None, 3]), ("$.b[*][1].c", []), ("$.a[1:9]", []), ("$.b[5][*]", [])],
)
def test_so_it_does_among_several_places(run_machine: RunMachine, path: str, output: Json) -> None:
    """By the same rule (unconfirmed); what comes behind it finds nothing, and a slice ends with its array."""
    end, _ = run_machine(one_state({"Type": "Pass", "InputPath": path}), {"a": [1], "b": [[1], [2, 3]]})

    assert end == EndScope(output)


@pytest.mark.parametrize("path", ["$.a[2].b", "$.a[2][0]", "$.b[0]", "$.c[0]", "$$.Execution.Name[0]"])
def test_an_index_anywhere_else_is_an_error(run_machine: RunMachine, path: str) -> None:
    """Of nothing, of what is no array, and on the way to something."""
    end, _ = run_machine(one_state({"Type": "Pass", "Parameters": {"k.$": path}}), {"a": [1], "c": 1})

    assert isinstance(end, FailScope)
    assert f"The JSONPath '{path}' specified for the field 'k.$' could not be found" in (end.cause or "")


def test_a_result_selector_s_path_is_looked_for_in_the_result(run_machine: RunMachine) -> None:
    """The document in the cause is the one that `$` stands for there."""
    state = {"Type": "Task", "Resource": FUNCTION, "ResultSelector": {"deep": [{"k.$": "$.no"}]}}

    end, _ = run_machine(one_state(state), {"a": 1}, answers={FUNCTION: [TaskSucceeded({"r": 1})]})

    text = '{"r":1}'
    assert end == failure(f"The JSONPath '$.no' specified for the field 'k.$' could not be found in the input '{text}'")


def test_the_document_stands_in_a_cause_as_it_was_sent() -> None:
    """Blanks and line breaks of the execution's input are kept for as long as it goes on unchanged."""
    world = World()
    text = '{\n  "a" : 1.0\n}'
    data = json.loads(text)
    world.frame.remember(data, text)

    end = world.run(compile_machine(one_state({"Type": "Pass", "Parameters": {"k.$": "$.no"}})).scope, data)

    assert end == failure(f"The JSONPath '$.no' specified for the field 'k.$' could not be found in the input '{text}'")


@pytest.mark.parametrize("field", ["ErrorPath", "CausePath"])
def test_a_fail_s_paths_are_named_like_a_template_s_members(run_machine: RunMachine, field: str) -> None:
    """The same sentence, with the name of the field."""
    end, world = run_machine(one_state({"Type": "Fail", field: "$.no"}), {"a": 1})

    text = '{"a":1}'
    assert end == failure(
        f"The JSONPath '$.no' specified for the field '{field}' could not be found in the input '{text}'"
    )
    assert world.types == ["FailStateEntered"]


def test_a_path_into_the_context_object_is_looked_for_there(run_machine: RunMachine) -> None:
    """The document in the cause is the context object."""
    end, world = run_machine(one_state({"Type": "Pass", "Parameters": {"k.$": "$$.Task.Token"}}))

    assert isinstance(end, FailScope)
    assert json.loads((end.cause or "").split("'")[-2]) == build_context(world.frame)


def test_a_path_into_a_variable_is_looked_for_in_its_value(run_machine: RunMachine) -> None:
    """The document in the cause is the variable's value. Unconfirmed."""
    states = {
        "A": {"Type": "Pass", "Assign": {"v": {"x": 1}}, "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"k.$": "$v.no"}, "End": True},
    }

    end, _ = run_machine({"StartAt": "A", "States": states})

    assert isinstance(end, FailScope)
    text = '{"x":1}'
    assert (end.cause or "").endswith(
        f"The JSONPath '$v.no' specified for the field 'k.$' could not be found in the input '{text}'"
    )


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Parameters": {"all.$": "$"}},
        {"Type": "Pass", "Parameters": {"k.$": "$.a"}},
        {"Type": "Pass", "InputPath": "$.a"},
        {"Type": "Succeed", "OutputPath": "$.a"},
    ],
)
def test_no_path_is_applied_to_null(state: dict[str, Json]) -> None:
    """A task that returned nothing leaves null to the next state, which cannot pick anything from it."""
    world = World()

    end = world.run(compile_machine(one_state(state)).scope, None)

    assert end == failure("Unable to apply Path transformation to null or empty input.")


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"Variable": "$.no", "IsNull": True}, "$.no"),
        ({"Variable": "$.a", "NumericEqualsPath": "$.no.w"}, "$.no.w"),
        ({"Variable": "$$.Task.Token", "StringEquals": "t"}, "$$.Task.Token"),
        ({"Variable": "$unset", "StringEquals": "t"}, "$unset"),
        ({"Not": {"Variable": "$.no", "IsString": True}}, "$.no"),
        ({"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a[0]", "IsNumeric": True}]}, "$.a[0]"),
    ],
)
def test_a_choice_s_paths_must_lead_somewhere(run_machine: RunMachine, rule: dict[str, Json], path: str) -> None:
    """Variable and the …Path operators alike, and into the input, the context object and variables alike."""
    states = {"S": {"Type": "Choice", "Choices": [{**rule, "Next": "E"}], "Default": "E"}, "E": {"Type": "Succeed"}}

    end, _ = run_machine({"StartAt": "S", "States": states}, {"a": 1})

    assert end == failure(f"Invalid path '{path}': The choice state's condition path references an invalid value.")


@pytest.mark.parametrize(
    ("path", "step"), [("$.items", "items"), ("$.a.items", "items"), ("$.x.items", "x"), ("$.list[3]", "[3]")]
)
def test_items_that_are_not_there_are_a_conflict(run_machine: RunMachine, path: str, step: str) -> None:
    """The service says which step of ItemsPath finds nothing in the whole input, and not in which state that was."""
    data = {"a": {"b": 1}, "list": []}

    end, _ = run_machine(one_state({"Type": "Map", "ItemsPath": path, "ItemProcessor": PROCESSOR}), data)

    text = '{"a":{"b":1},"list":[]}'
    label = step.strip("[]")
    assert end == FailScope("States.ReferencePathConflict", f'Unable to apply step "{label}" to input {text}')


@pytest.mark.parametrize(
    ("path", "data", "tried"),
    [
        ("$.x", "input1", 'ReferencePath $.x to input "input1"'),
        ("$.x", None, "ReferencePath $.x to input null"),
        ("$.x", [1], 'step "x" to input [1]'),
        ("$.bar.baz", {"bar": "not a dict"}, 'step "bar" to input {"bar":"not a dict"}'),
        ("$.a[1]", {"a": [0]}, 'step "1" to input {"a":[0]}'),
        ("$.a[0].b", {"a": [5]}, 'step "0" to input {"a":[5]}'),
        ("$[0]", {}, 'step "0" to input {}'),
    ],
)
def test_a_result_that_finds_no_place_is_a_conflict(path: str, data: Json, tried: str) -> None:
    """The specification's States.ResultPathMatchFailure is called States.ReferencePathConflict by the service."""
    world = World()

    end = world.run(compile_machine(one_state({"Type": "Pass", "Result": 1, "ResultPath": path})).scope, data)

    assert end == FailScope("States.ReferencePathConflict", f"Unable to apply {tried}")


@pytest.mark.parametrize(
    ("path", "data", "output"),
    [
        ("$.list[1]", {"list": [0, 0]}, {"list": [0, {"r": 1}]}),
        ("$[1].payload", [{}, {"id": 7}, 4], [{}, {"id": 7, "payload": {"r": 1}}, 4]),
        ("$.a.b.c", {}, {"a": {"b": {"c": {"r": 1}}}}),
        ("$['a b'].c", {"a b": {"d": 1}}, {"a b": {"d": 1, "c": {"r": 1}}}),
        ("$.a", {"a": [1, 2], "b": 3}, {"a": {"r": 1}, "b": 3}),
        ("$.a.b", {"a": {"b": "scalar"}}, {"a": {"b": {"r": 1}}}),
    ],
)
def test_a_result_is_written_into_the_input(run_machine: RunMachine, path: str, data: Json, output: Json) -> None:
    """Elements and members are replaced in their place; objects that are missing are made."""
    end, _ = run_machine(one_state({"Type": "Pass", "Result": {"r": 1}, "ResultPath": path}), data)

    assert end == EndScope(output)


def test_a_path_cannot_match_without_end(run_machine: RunMachine) -> None:
    """Each `..*` multiplies what the one before found: a million values are the most, and a failure of the state."""
    deep: Json = 0
    for _ in range(200):
        deep = [deep]

    end, _ = run_machine(one_state({"Type": "Pass", "InputPath": "$" + "..*" * 8}), deep)

    assert end == failure("The path takes more than 500000 steps.")
