"""Every comparison operator of a JSONPath Choice, against values of every type."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

from mapfold.states import Json, compile_machine
from mapfold.states.choice_rules import OPERATORS

from .conftest import World

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
ORDERED: dict[str, list[Json]] = {
    "String": ["", " ", "A", "Hello", "a", "aa", "é"],
    "Numeric": [-2.5, -1, 0, 0.0, 1, 1.5, 10],
    "Timestamp": [
        "2012-10-09T19:00:54.9Z",
        "2012-10-09T20:00:55+01:00",
        "2012-10-09T19:00:55Z",
        "2012-10-09T19:00:55.0001Z",
        "2012-10-09T19:00:55-01:00",
    ],
}
TIMES = [1.0, 2.0, 2.0, 2.5, 3.0]
"""What the timestamps above are compared by."""
ANY: list[Json] = [None, True, 0, 1.5, "", "text", "2012-10-09T19:00:55Z", "2012-10-09", [], [1], {}, {"a": None}]
TYPES: dict[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: value == "2012-10-09T19:00:55Z",
    "IsPresent": lambda value: True,
}


def matches(rule: dict[str, Json], data: Json) -> bool:
    """Whether a Choice goes where the rule points."""
    ends = {name: {"Type": "Pass", "Result": name == "Yes", "End": True} for name in ("Yes", "No")}
    choice = {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"}
    world = World()

    end = world.run(compile_machine({"StartAt": "S", "States": {"S": choice, **ends}}).scope, data)

    return bool(getattr(end, "data", None))


def test_no_operator_is_untested() -> None:
    """The five orders of three types, each with its Path twin, booleans, patterns, and the tests of types."""
    orders = {f"{kind}{order}{twin}" for kind in ORDERED for order in ORDERINGS for twin in ("", "Path")}

    assert set(OPERATORS) == orders | {"BooleanEquals", "BooleanEqualsPath", "StringMatches", *TYPES}


@pytest.mark.parametrize("order", ORDERINGS)
@pytest.mark.parametrize("kind", ORDERED)
def test_values_of_a_type_are_ordered(kind: str, order: str) -> None:
    """With a literal and with a path alike: strings by code unit, numbers by value, timestamps by instant."""
    values = ORDERED[kind]
    keys = TIMES if kind == "Timestamp" else values
    pairs = [(a, b, ORDERINGS[order](keys[i], keys[j])) for i, a in enumerate(values) for j, b in enumerate(values)]

    literal = [matches({"Variable": "$.v", f"{kind}{order}": b}, {"v": a}) for a, b, _ in pairs]
    by_path = [matches({"Variable": "$.v", f"{kind}{order}Path": "$.w"}, {"v": a, "w": b}) for a, b, _ in pairs]

    assert literal == by_path == [expected for _, _, expected in pairs]


@pytest.mark.parametrize("kind", ["String", "Timestamp", "Boolean"])
def test_a_value_of_another_type_equals_nothing(kind: str) -> None:
    """On either side of a path comparison."""
    own = {"String": TYPES["IsString"], "Boolean": TYPES["IsBoolean"]}
    is_own = own.get(kind, TYPES["IsTimestamp"])

    equal = [
        (a, b) for a in ANY for b in ANY if matches({"Variable": "$.v", f"{kind}EqualsPath": "$.w"}, {"v": a, "w": b})
    ]

    assert equal == [(value, value) for value in ANY if is_own(value)]


@pytest.mark.parametrize(
    ("order", "value", "other", "found"),
    [
        ("GreaterThan", 7, [6], True),
        ("GreaterThanEquals", 8, False, True),
        ("LessThan", 7, True, False),
        ("Equals", 7, {"value": 7}, False),
        ("Equals", 7, "7", True),
        ("Equals", 0, "seven", True),
        ("Equals", "7", 7, False),
        ("Equals", True, 1, False),
        ("GreaterThan", None, 8, False),
        ("LessThanEquals", {"value": 8}, 8, False),
    ],
)
def test_what_a_number_is_compared_with_is_taken_as_one(order: str, value: Json, other: Json, found: bool) -> None:
    """A Numeric…Path operator reads no number as 0, true as 1 and text as the number in it; the Variable is no such."""
    rule = {"Variable": "$.v", f"Numeric{order}Path": "$.w"}

    assert matches(rule, {"v": value, "w": other}) is found


@pytest.mark.parametrize("name", TYPES)
def test_a_test_of_type_can_be_turned_round(name: str) -> None:
    """`IsX: false` is true for all that is not of the type."""
    found = [matches({"Variable": "$.v", name: True}, {"v": value}) for value in ANY]
    turned = [matches({"Variable": "$.v", name: False}, {"v": value}) for value in ANY]

    assert found == [TYPES[name](value) for value in ANY]
    assert turned == [not is_type for is_type in found]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_rules_nest(first: bool, second: bool) -> None:
    """And, Or and Not in each other, to any depth."""
    a, b = {"Variable": "$.a", "BooleanEquals": True}, {"Variable": "$.b", "BooleanEquals": True}
    either = {"Or": [{"And": [a, {"Not": b}]}, {"Not": {"Or": [a, {"Not": {"And": [b, b]}}]}}]}

    assert matches(either, {"a": first, "b": second}) is (first is not second)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"Variable": "$$.Execution.Name", "StringMatches": "run-*"}, True),
        ({"Variable": "$.list[1].x", "NumericEquals": 2}, True),
        ({"Variable": "$.list[-1].x", "NumericEqualsPath": "$.list[1].x"}, True),
        ({"Variable": "$['a b']", "StringEquals": "c"}, True),
        ({"Variable": "$.list[5]", "IsPresent": False}, True),
        ({"Variable": "$.list.x", "IsPresent": True}, False),
        ({"Variable": "$nope", "IsPresent": True}, False),
        ({"Variable": "$", "IsPresent": True}, True),
    ],
)
def test_a_variable_is_any_path(rule: dict[str, Json], found: bool) -> None:
    """Into the input, the context object, or a workflow variable."""
    assert matches(rule, {"list": [{"x": 1}, {"x": 2}], "a b": "c"}) is found
