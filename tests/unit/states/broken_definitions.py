"""Definitions of every kind of state, in both query languages, and what a careless hand makes of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from mapfold.states import Json

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:work"
RETRY = [
    {"ErrorEquals": ["A", "States.Timeout"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 1.5},
    {"ErrorEquals": ["States.ALL"], "MaxDelaySeconds": 9, "JitterStrategy": "FULL"},
]
PATHS: dict[str, Json] = {
    "Comment": "every kind of state, with paths",
    "Version": "1.0",
    "TimeoutSeconds": 90,
    "StartAt": "Pass",
    "States": {
        "Pass": {
            "Type": "Pass",
            "InputPath": "$",
            "Parameters": {"a.$": "$.a", "b": [{"c.$": "States.Format('{} {}', $.a, States.UUID())"}], "d": None},
            "ResultPath": "$.p",
            "Assign": {"x.$": "$.a", "y": 1},
            "Next": "Task",
        },
        "Task": {
            "Type": "Task",
            "Resource": FUNCTION,
            "TimeoutSecondsPath": "$.n",
            "HeartbeatSeconds": 3,
            "Credentials": {"RoleArn.$": "$.role"},
            "ResultSelector": {"r.$": "$", "v.$": "$x"},
            "ResultPath": "$.t",
            "OutputPath": "$['t','p']",
            "Retry": RETRY,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Choice"}],
            "Next": "Choice",
        },
        "Choice": {
            "Type": "Choice",
            "Choices": [
                {"Not": {"Variable": "$.a", "IsPresent": True}, "Next": "Wait"},
                {
                    "And": [
                        {"Variable": "$.n", "NumericGreaterThan": 3},
                        {"Or": [{"Variable": "$.a", "StringMatches": "a*"}, {"Variable": "$.b", "IsNull": False}]},
                    ],
                    "Assign": {"x": 2},
                    "Next": "Wait",
                },
                {"Variable": "$.time", "TimestampLessThanPath": "$.other", "Next": "Fail"},
            ],
            "Default": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 5, "Next": "Parallel"},
        "Parallel": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Until", "States": {"Until": {"Type": "Wait", "TimestampPath": "$.time", "End": True}}},
                {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "Result": {"n": 1}, "End": True}}},
            ],
            "Retry": RETRY,
            "Next": "Map",
        },
        "Map": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value"},
            "MaxConcurrency": 2,
            "ItemProcessor": {"StartAt": "Each", "States": {"Each": {"Type": "Succeed", "OutputPath": "$.v"}}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Spread"}],
            "Next": "Spread",
        },
        "Spread": {
            "Type": "Map",
            "Label": "spread",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItemsPath": "$.n"},
                "Parameters": {"Bucket": "b", "Key.$": "$.a"},
            },
            "ItemBatcher": {"MaxItemsPerBatch": 3, "BatchInput": {"n.$": "$.n"}},
            "ToleratedFailurePercentage": 5,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Child",
                "States": {"Child": {"Type": "Pass", "End": True}},
            },
            "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}},
            "End": True,
        },
        "Fail": {"Type": "Fail", "ErrorPath": "$.a", "CausePath": "States.Format('{}', $.n)"},
    },
}
EXPRESSIONS: dict[str, Json] = {
    "QueryLanguage": "JSONata",
    "StartAt": "Pass",
    "States": {
        "Pass": {"Type": "Pass", "Output": {"n": "{% $states.input.n + 1 %}"}, "Assign": {"x": 1}, "Next": "Task"},
        "Task": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": FUNCTION, "Payload": "{% $states.input %}"},
            "TimeoutSeconds": "{% $states.input.n %}",
            "Output": "{% $states.result.Payload %}",
            "Retry": RETRY,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Choice"}],
            "Next": "Choice",
        },
        "Choice": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $x > 1 and $states.input.a = 'a' %}", "Output": {"c": 1}, "Next": "Fail"}],
            "Default": "Wait",
        },
        "Wait": {"Type": "Wait", "Timestamp": "{% $states.input.time %}", "Next": "Map"},
        "Map": {
            "Type": "Map",
            "Items": "{% [1..3] %}",
            "ItemSelector": {"v": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": {"StartAt": "Each", "States": {"Each": {"Type": "Succeed", "Output": 1}}},
            "Next": "Parallel",
        },
        "Parallel": {
            "Type": "Parallel",
            "Arguments": {"a": "{% $uuid() %}"},
            "Branches": [{"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "End": True}}}],
            "End": True,
        },
        "Fail": {"Type": "Fail", "Error": "{% 'E' & $string($states.input.n) %}", "Cause": "because"},
    },
}
INPUT: dict[str, Json] = {
    "a": "abc",
    "n": 4,
    "b": None,
    "role": "arn:aws:iam::123456789012:role/r",
    "time": "2025-01-31T12:00:01Z",
    "other": "2025-01-31T12:00:02Z",
    "items": [1, {"v": 2}, "3"],
}

_PATHS = (
    "$", "$$", "$.a", "$.n", "$.nope", "$.items", "$.items[0]", "$.items[-1]", "$..a", "$[?(@.a>1)]", "$.items[1:]", "$x",
    "$x.a", "$$.Execution.Input", "$$.Map.Item.Value", "$.", "$[", "States.Array()", "States.ArrayRange(1, 9, $.n)",
    "States.MathAdd($.n, 2147483647)", "States.StringToJson($.a)", "States.ArrayGetItem($.items, $.n)", "States.Hash($, 'x')",
    "States.JsonMerge($, $.items[1], false)", "States.MathAdd(1",
)  # fmt: skip
_EXPRESSIONS = (
    "{% 1 %}", "{% -1 %}", "{% null %}", "{% $x %}", "{% $nope %}", "{% $states %}", "{% $states.input.items %}",
    "{% $states.result %}", "{% $states.errorOutput %}", "{% [1..3].{'a': $} %}", "{% $f() %}", "{% $sum('a') %}",
    "{% function($n) { $n } %}", "{% $error('no') %}", "{% $parse('{') %}", "{% ( %}", "{%", "%}", "{% /a/ %}", "{% 1/0 %}",
)  # fmt: skip
_NUMBERS = (0, -1, 1, 3, 2.5, 1e308, -(2**63), 10**19, 99_999_999)
_JUNK: list[Json] = [
    None, True, False, "", "States.ALL", "JSONata", "JSONPath", "Pass", "Map", "Task", "é\u2028", "2025-01-31T12:00:00Z",
    [], {}, [[]], [{}], ["A"], [None], {"a.$": "$.n"}, {"": 0}, {"Type": "Succeed"}, "EXPRESS", "INLINE",
    "arn:aws:states:::sqs:sendMessage.sync", "arn:aws:states:us-east-1:123456789012:activity:a",
    *_PATHS, *_EXPRESSIONS, *_NUMBERS,
]  # fmt: skip


def broken(random: Random) -> Json:
    """One of the definitions above with one to three places changed."""
    definition = copy.deepcopy(random.choice([PATHS, EXPRESSIONS]))
    for _ in range(random.randint(1, 3)):
        places = list(_places(definition))
        if not places:
            break
        holder, key = random.choice(places)
        _CHANGES[random.randrange(len(_CHANGES))](holder, key, places, random)
    return definition


def json_values() -> st.SearchStrategy[Json]:
    """Any JSON, small."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    keys = st.text(max_size=3) | st.sampled_from(["States", "StartAt", "Type", "Next", "End", "A"])
    return st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    """Every member of every object and array, as its holder and its key or index."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield value, key
        yield from _places(member)


def _replace(holder: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    holder[key] = copy.deepcopy(random.choice(_JUNK))


def _vary(holder: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    """Put another path, expression or number in the place of one: what may well compile, and fails when it runs."""
    likes = [(holder, key, like) for holder, key in places if (like := _alike(holder[key]))]
    if likes:
        holder, key, like = random.choice(likes)
        holder[key] = random.choice(like)


def _alike(value: Json) -> tuple[Json, ...]:
    if isinstance(value, str):
        return _EXPRESSIONS if value.startswith("{%") else _PATHS if value.startswith(("$", "States.")) else ()
    return _NUMBERS if isinstance(value, int | float) and not isinstance(value, bool) else ()


def _transplant(holder: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    other, name = random.choice(places)
    holder[key] = copy.deepcopy(other[name])


def _move(holder: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    _, name = random.choice(places)
    if isinstance(holder, dict) and isinstance(name, str):
        holder[name] = copy.deepcopy(holder[key])


def _drop(holder: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    del holder[key]


_CHANGES = (_vary, _vary, _vary, _vary, _vary, _vary, _replace, _transplant, _move, _drop)
