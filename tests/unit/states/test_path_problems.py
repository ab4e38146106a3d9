"""What the service says at creation of paths, templates, variables and choice rules that are written wrongly."""

from __future__ import annotations

import json

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import Json, compile_machine

from .conftest import one_state


def problem_of(state: dict[str, Json]) -> str:
    """The one problem of a machine of this state."""
    with pytest.raises(DefinitionError) as caught:
        compile_machine(one_state(state))
    (problem,) = caught.value.problems
    return f"{problem.code}: {problem.text}"


@pytest.mark.parametrize(
    "fields",
    [{"InputPath": "a"}, {"OutputPath": "$.a["}, {"InputPath": "$.a b"}, {"OutputPath": ""}],
)
def test_a_path_must_be_one(fields: dict[str, Json]) -> None:
    """The service says no more than that."""
    assert problem_of({"Type": "Pass", **fields}) == "SCHEMA_VALIDATION_FAILED: Value must be a valid JSONPath."


@pytest.mark.parametrize("path", ["$.a.*", "$..a", "$.a[0:2]", "$['a','b']", "$.a.length()", "$.a[*]", "$.a[?(@.b)]"])
@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "ResultPath": "{}"},
        {"Type": "Wait", "SecondsPath": "{}"},
        {"Type": "Choice", "Choices": [{"Variable": "{}", "IsPresent": True, "Next": "S"}]},
        {"Type": "Choice", "Choices": [{"Variable": "$.b", "StringEqualsPath": "{}", "Next": "S"}]},
    ],
)
def test_a_reference_path_names_one_place(state: dict[str, Json], path: str) -> None:
    """No wildcard, descent, slice, filter, union or function may stand in it."""
    problem = problem_of(json.loads(json.dumps(state).replace("{}", path)))

    reason = ": '[' must be followed by ' or '['" if path in ("$.a[*]", "$.a[?(@.b)]") else ""
    assert problem == f"SCHEMA_VALIDATION_FAILED: Value is not a Reference Path{reason}"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ResultPath": "a"}, "Reference path didn't start with '$'"),
        ({"ResultPath": "$.a[$$.b]"}, "'[' must be followed by ' or '['"),
    ],
)
def test_the_service_gives_some_reasons(fields: dict[str, Json], reason: str) -> None:
    """As issue threads quote them."""
    text = f"SCHEMA_VALIDATION_FAILED: Value is not a Reference Path: {reason}"

    assert problem_of({"Type": "Pass", **fields}) == text


@pytest.mark.parametrize("field", ["Variable", "StringEqualsPath"])
def test_a_choice_takes_reference_paths_and_no_intrinsic_function(field: str) -> None:
    """The service says what the text does not start with."""
    rule = {"Variable": "$.a", "StringEqualsPath": "$.b", "Next": "S", field: "States.ArrayLength($.a)"}

    assert problem_of({"Type": "Choice", "Choices": [rule]}) == (
        "SCHEMA_VALIDATION_FAILED: Value is not a Reference Path: Reference path didn't start with '$'"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [([], "ARRAY"), ({}, "OBJECT"), (1, "NUMBER"), (1.5, "NUMBER"), (True, "BOOLEAN"), (None, "NULL")],
)
def test_a_dynamic_member_must_be_a_string(value: Json, kind: str) -> None:
    """The service names what it was instead."""
    text = f"The value for the field 'x.$' must be a STRING that contains a JSONPath but was an {kind}"

    assert problem_of({"Type": "Pass", "Parameters": {"a": [{"x.$": value}]}}) == f"SCHEMA_VALIDATION_FAILED: {text}"


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "",
        "$.a[",
        "States.Nope(1)",
        "States.Format('a'",
        "States.Format('it's')",
        "States.Array(01)",
        "States.Array(1,)",
        r"States.Format('Hello\n{}', $.name)",
        r"States.StringToJson('{\"a\":1}')",
        "States.Array('\\",
        "States.Array(a)",
        "States.Array($.a[)",
        "States.Array(" * 11 + ")" * 11,
        "(" * 5_000,
        "$[?(" + "(" * 5_000,
    ],
)
def test_a_dynamic_member_must_be_a_path_or_a_call(value: str) -> None:
    """At most ten calls in one field, and no escapes but the four; a depth without end breaks nothing."""
    text = "The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call"

    assert problem_of({"Type": "Pass", "Parameters": {"x.$": value}}) == f"SCHEMA_VALIDATION_FAILED: {text}"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("states", "RESERVED_VARIABLE_NAME: Cannot assign to reserved variable '$states'."),
        ("a.b", "INVALID_VARIABLE_NAME: Invalid variable name 'a.b': the variable name contains invalid characters."),
        ("1a", "INVALID_VARIABLE_NAME: Invalid variable name '1a': the variable name contains invalid characters."),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".$"])
def test_a_variable_has_a_proper_name(name: str, problem: str, suffix: str) -> None:
    """With codes of their own."""
    assert problem_of({"Type": "Pass", "Assign": {f"{name}{suffix}": "$"}}) == problem


@pytest.mark.parametrize("value", ["2020-01-01", "2020-01-01t00:00:00z", "2020-01-01 00:00:00Z", "2020-01-01T00:00:00"])
def test_a_rule_s_timestamp_is_rfc_3339(value: str) -> None:
    """As a Wait's is."""
    rule = {"Variable": "$.a", "TimestampEquals": value, "Next": "S"}

    assert problem_of({"Type": "Choice", "Choices": [rule]}) == (
        "SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp"
    )
