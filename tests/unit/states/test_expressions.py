"""Paths, intrinsic functions, choice rules and JSONata: tables of what each expression gives."""

from __future__ import annotations

import pytest

from mapfold.states import EndScope, FailScope, Json
from mapfold.states.json_path import MISSING, PathSyntaxError, compile_path

from .conftest import RunMachine, cases, one_state


@pytest.mark.parametrize(("path", "document", "found"), cases("paths.json"))
def test_a_path_finds_what_it_names(path: str, document: Json, found: Json) -> None:
    """A definite path gives one value, an indefinite one a list of all matches, which may be empty."""
    assert compile_path(path).find(document) == found


@pytest.mark.parametrize(("path", "reference"), cases("bad_paths.json"))
def test_a_bad_path_is_refused_with_the_place(path: str, reference: bool) -> None:
    """A reference path has names and indexes only; functions are in no path."""
    with pytest.raises(PathSyntaxError, match=r"at character \d+ of"):
        compile_path(path, reference=reference)


def test_a_definite_path_that_leads_nowhere_is_missing() -> None:
    """Missing is not null: `$.a` of {"a": null} is null, of {} it is MISSING."""
    path = compile_path("$.a.b")

    assert path.find({"a": {}}) is MISSING
    assert path.explain_missing({"a": {}}) == "No results for path: $['a']['b']"
    assert path.explain_missing({}) == "Missing property in path $['a']"


def test_writing_at_a_path_leaves_the_document_as_it_was() -> None:
    """Objects on the way are made; the original is shared, and never changed in place."""
    document = {"a": {"b": 1}, "k": [1, 2]}

    written = compile_path("$.a.c.d").write(document, 5)

    assert written == {"a": {"b": 1, "c": {"d": 5}}, "k": [1, 2]}
    assert document == {"a": {"b": 1}, "k": [1, 2]}
    assert written["k"] is document["k"]


def assigning_first(state: dict[str, Json]) -> dict[str, Json]:
    """A machine that sets the variable `known` to {"x": 5} and goes on to the state S."""
    first = {"Type": "Pass", "QueryLanguage": "JSONPath", "Assign": {"known": {"x": 5}}, "Next": "S"}
    return {"StartAt": "First", "States": {"First": first, "S": {**state, "End": True}}}


@pytest.mark.parametrize(("call", "data", "value"), cases("intrinsics.json"))
def test_an_intrinsic_function_gives(run_machine: RunMachine, call: str, data: Json, value: Json) -> None:
    """Results seen on the service, its rounding and its Java-like Format of objects included."""
    end, _ = run_machine(assigning_first({"Type": "Pass", "Parameters": {"x.$": call}}), data)

    assert end == EndScope({"x": value})
    assert type(end.data["x"]) is type(value)


@pytest.mark.parametrize(("call", "data", "problem"), cases("failing_intrinsics.json"))
def test_an_intrinsic_function_refuses(run_machine: RunMachine, call: str, data: Json, problem: str) -> None:
    """What a function does not take is States.Runtime; the cause has the whole call as written, and no more than that."""
    end, _ = run_machine(one_state({"Type": "Pass", "Parameters": {"x.$": call}}), data)

    prefix = "An error occurred while executing the state 'S' (entered at the event id #1). "
    cause = f"{prefix}The function '{call}' had the following error: {problem}"
    assert end == FailScope("States.Runtime", cause, catchable=False)


@pytest.mark.parametrize(
    ("call", "length", "fits"),
    [
        ("States.Base64Encode($)", 10_000, True),
        ("States.Base64Encode($)", 10_001, False),
        ("States.Hash($, 'MD5')", 10_000, True),
        ("States.Hash($, 'MD5')", 10_001, False),
    ],
)
def test_base64_and_hash_take_ten_thousand_characters(
    run_machine: RunMachine, call: str, length: int, fits: bool
) -> None:
    """One more is refused as any wrong argument is."""
    end, _ = run_machine(one_state({"Type": "Pass", "Parameters": {"x.$": call}}), "x" * length)

    assert isinstance(end, EndScope) is fits


def test_random_intrinsics_repeat_with_the_world_s_seed(run_machine: RunMachine) -> None:
    """UUID and MathRandom draw from the randomness that the frame was handed."""
    state = {"Type": "Pass", "Parameters": {"id.$": "States.UUID()", "n.$": "States.MathRandom(0, 1000)"}}

    first, again, other = (run_machine(one_state(state), seed=seed)[0] for seed in (1, 1, 2))

    assert first == again != other


@pytest.mark.parametrize(("rule", "data", "matches"), cases("choice_rules.json"))
def test_a_choice_rule_matches(run_machine: RunMachine, rule: dict[str, Json], data: Json, matches: bool) -> None:
    """A comparison of values of the wrong type is false: "7" is not 7."""
    states = {
        "S": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": True, "End": True},
        "No": {"Type": "Pass", "Result": False, "End": True},
    }

    end, _ = run_machine({"StartAt": "S", "States": states}, data)

    assert end == EndScope(matches)


@pytest.mark.parametrize(("output", "data", "value"), cases("jsonata.json"))
def test_jsonata_gives(run_machine: RunMachine, output: Json, data: Json, value: Json) -> None:
    """There is no input document; `$states` and variables are bound, and six functions are added."""
    end, _ = run_machine(assigning_first({"Type": "Pass", "QueryLanguage": "JSONata", "Output": output}), data)

    assert end == EndScope(value)


@pytest.mark.parametrize(("output", "cause"), cases("failing_jsonata.json"))
def test_jsonata_fails_with_the_service_s_cause(run_machine: RunMachine, output: str, cause: str) -> None:
    """Undefined results and errors of evaluation are States.QueryEvaluationError, with an event of their own."""
    end, world = run_machine(one_state({"Type": "Pass", "Output": {"x": output}}, QueryLanguage="JSONata"))

    prefix = "An error occurred while executing the state 'S' (entered at the event id #1). "
    assert end == FailScope("States.QueryEvaluationError", prefix + cause)
    assert world.types == ["PassStateEntered", "EvaluationFailed"]
    assert world.details("EvaluationFailed")["location"] == "Output/x"
