"""Laws of input and output processing, whatever the data."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.states import EndScope, FailScope, Json, TaskSucceeded, compile_machine

from .conftest import FUNCTION, World, one_state

cheap = settings(deadline=None, max_examples=30)

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: ".".join(["$", *names]))


def output(state: dict[str, Json], data: Json, result: Json = None) -> Json:
    """What a machine of one state makes of its input; None where it fails."""
    world = World(answers={FUNCTION: [TaskSucceeded(result)]})
    end = world.run(compile_machine(one_state(state)).scope, data)
    assert isinstance(end, EndScope | FailScope)
    return end.data if isinstance(end, EndScope) else None


def task(**fields: Json) -> dict[str, Json]:
    return {"Type": "Task", "Resource": FUNCTION, **fields}


@cheap
@given(VALUES, VALUES)
def test_null_paths_give_nothing_or_keep_all(data: Json, result: Json) -> None:
    """InputPath and OutputPath null give {}, ResultPath null keeps the input, and `$` is the same as none."""
    assert output({"Type": "Pass", "InputPath": None}, data) == {}
    assert output(task(OutputPath=None), data, result) == {}
    assert output(task(ResultPath=None), data, result) == data
    assert output(task(InputPath="$", ResultPath="$", OutputPath="$"), data, result) == output(task(), data, result)


@cheap
@given(OBJECTS, PATHS, VALUES)
def test_a_result_is_read_back_where_it_was_written(data: Json, path: str, result: Json) -> None:
    """ResultPath and then OutputPath with the same path give the result, if it has a place at all."""
    written = output(task(ResultPath=path), data, result)

    if written is not None:
        assert output(task(ResultPath=path, OutputPath=path), data, result) == result
        assert {key: written[key] for key in data if key != path.split(".")[1]} == {
            key: data[key] for key in data if key != path.split(".")[1]
        }


@cheap
@given(OBJECTS, PATHS)
def test_one_state_with_two_paths_is_two_states_with_one(data: Json, path: str) -> None:
    """InputPath `$.a.b` selects what InputPath `$.a` and then `$.b` select."""
    name, _, rest = path.removeprefix("$.").partition(".")
    last = {"Type": "Pass", "InputPath": f"$.{rest}" if rest else "$", "End": True}
    states = {"A": {"Type": "Pass", "InputPath": f"$.{name}", "Next": "B"}, "B": last}

    end = World().run(compile_machine({"StartAt": "A", "States": states}).scope, data)

    assert output({"Type": "Pass", "InputPath": path}, data) == (end.data if isinstance(end, EndScope) else None)


@cheap
@given(OBJECTS)
def test_a_template_of_all_members_is_the_input(data: dict[str, Json]) -> None:
    """`x.$` of `$.x` for each member rebuilds the object; constants and dynamic members mix at any depth."""
    members = {f"{name}.$": f"$.{name}" for name in data}

    built = output({"Type": "Pass", "Parameters": {"deep": [{"copy": members, "all.$": "$", "k": "$.a"}]}}, data)

    assert built == {"deep": [{"copy": data, "all": data, "k": "$.a"}]}


@cheap
@given(VALUES, VALUES)
def test_parameters_do_not_reach_the_output_of_a_task(data: Json, result: Json) -> None:
    """ResultPath writes into the raw input: what InputPath and Parameters made is for the task alone."""
    state = task(InputPath=None, Parameters={"only": "this"}, ResultPath=None)

    assert output(state, data, result) == data


@cheap
@given(OBJECTS, OBJECTS)
def test_variables_carry_values_past_states_that_drop_them(data: Json, other: Json) -> None:
    """What Assign took from the input is there after a state that replaced it."""
    states = {
        "A": {"Type": "Pass", "Assign": {"kept.$": "$"}, "Next": "B"},
        "B": {"Type": "Pass", "Result": other, "Next": "C"},
        "C": {"Type": "Pass", "Parameters": {"kept.$": "$kept", "now.$": "$"}, "End": True},
    }

    end = World().run(compile_machine({"StartAt": "A", "States": states}).scope, data)

    assert end == EndScope({"kept": data, "now": other})
