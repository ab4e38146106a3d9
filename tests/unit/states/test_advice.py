"""Warnings: a path where nothing is evaluated."""

from __future__ import annotations

import pytest

from mapfold.states import Json
from mapfold.states.advice import find_warnings

from .conftest import FUNCTION, one_state


@pytest.mark.parametrize(
    ("state", "code", "place"),
    [
        ({"Type": "Pass", "Parameters": {"a": {"b": "$.c"}}}, "NO_DOLLAR", "/States/S/Parameters/a/b"),
        ({"Type": "Pass", "Assign": {"v": ["x", {"id": "$$.Execution.Id"}]}}, "NO_DOLLAR", "/States/S/Assign/v[1]/id"),
        (
            {"Type": "Task", "Resource": FUNCTION, "ResultSelector": {"a": "$"}},
            "NO_DOLLAR",
            "/States/S/ResultSelector/a",
        ),
        ({"Type": "Pass", "Parameters": {"id": "States.UUID()"}}, "NO_DOLLAR", "/States/S/Parameters/id"),
        (
            {"Type": "Map", "ItemBatcher": {"BatchInput": {"a": "$.b"}}},
            "NO_DOLLAR",
            "/States/S/ItemBatcher/BatchInput/a",
        ),
        ({"Type": "Fail", "Cause": "$.cause"}, "NO_PATH", "/States/S/Cause"),
        (
            {"Type": "Choice", "Choices": [{"And": [{"Variable": "$.a", "StringEquals": "$.b"}]}]},
            "NO_PATH",
            "/States/S/Choices[0]/And[0]/StringEquals",
        ),
        ({"Type": "Pass", "Result": {"a.$": "$.b"}}, "PASS_RESULT_IS_STATIC", "/States/S/Result"),
        ({"Type": "Pass", "Result": ["$.b"]}, "PASS_RESULT_IS_STATIC", "/States/S/Result"),
        (
            {"Type": "Parallel", "Branches": [one_state({"Type": "Fail", "Error": "$.e"})]},
            "NO_PATH",
            "/States/S/Branches[0]/States/S/Error",
        ),
    ],
)
def test_a_path_where_nothing_is_evaluated(state: dict[str, Json], code: str, place: str) -> None:
    """One warning, at the value."""
    (found,) = find_warnings(one_state(state))

    assert (found.code, found.at) == (code, place)


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Parameters": {"a.$": "$.b", "price": "$5", "text": "States.Unknown()"}, "Result": "$5"},
        {"Type": "Fail", "CausePath": "$.cause", "Error": "Broken"},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "StringEqualsPath": "$.b", "Next": "S"}]},
        {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"a": "$.b"}},
    ],
)
def test_nothing_is_said_of_what_is_meant(state: dict[str, Json]) -> None:
    """Paths in their places, other text, and what another language leaves as it is."""
    assert find_warnings(one_state(state)) == []


@pytest.mark.parametrize(
    "definition", [None, 5, [], {"States": 1}, {"States": {"S": 1}}, {"States": {"S": {"Choices": 1}}}]
)
def test_what_is_no_definition_has_no_warnings(definition: Json) -> None:
    """It has errors."""
    assert find_warnings(definition) == []
