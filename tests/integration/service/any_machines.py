"""Small machines of any shape, and what a careless hand makes of them: a hypothesis strategy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from mapfold.states import Json

FUNCTIONS = "arn:aws:lambda:us-east-1:123456789012:function:"
ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:nobody"

Draw = Callable[[st.SearchStrategy[Any]], Any]

_KINDS = ("Choice", "Pass", "Task", "Wait", "Parallel", "Map", "Each")
_REFERENCES = ("$", "$.a", "$.b", "$.b[0]", "$.no")
_PATHS = (*_REFERENCES, "$..a", "$.b[?(@ > 1)]", "$$.Execution.Input", "$$.Map.Item.Value", "$v")
_CALLS = ("States.UUID()", "States.Format('{}', $.a)", "States.ArrayLength($.b)", "States.MathAdd($.a, 1)")
_EXPRESSIONS = ("{% $states.input.a %}", "{% $states.input.b %}", "{% $states.context %}", "{% 1 + 'a' %}", "{% $v %}")
_ERRORS = (["States.ALL"], ["States.TaskFailed"], ["States.Timeout", "Broken"], ["States.Runtime"])
_RESOURCES = (
    FUNCTIONS + "work", FUNCTIONS + "work", FUNCTIONS + "fail", FUNCTIONS + "nobody", "arn:aws:states:::lambda:invoke",
    ACTIVITY, "arn:aws:states:::aws-sdk:sfn:listActivities",
)  # fmt: skip
_JUNK: tuple[Json, ...] = (
    None, True, 0, -1, 1.5, 10**20, "", "x", "$.a", "$.", "States.No()", "{% 1 %}", "{%", "States.ALL", [], {}, [{}], ["A"],
)  # fmt: skip
_TEMPLATES = ("Parameters", "ItemSelector", "Assign")
_DATA_FLOW: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]] = (
    {
        "Pass": ("InputPath", "OutputPath", "ResultPath", "Parameters", "Assign"),
        "Map": ("InputPath", "OutputPath", "ResultPath", "ItemSelector", "Assign"),
        "Each": ("InputPath", "OutputPath", "ResultPath", "ItemSelector", "Assign"),
        "Choice": ("InputPath", "OutputPath", "Assign"),
        "Wait": ("InputPath", "OutputPath", "Assign"),
        "Succeed": ("InputPath", "OutputPath"),
    },
    {"Pass": ("Output", "Assign"), "Succeed": ("Output",)},
)
"""Fields of kinds of states, in JSONPath and JSONata; Pass stands for all that are not named."""
_STRAY = (
    "Next", "End", "Type", "Comment", "InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "Arguments",
    "Output", "Assign", "Retry", "Catch", "Resource", "TimeoutSeconds", "HeartbeatSeconds", "Items", "ItemsPath", "Label",
    "MaxConcurrency", "ToleratedFailureCount", "QueryLanguage", "Default", "Result", "Error", "Colour", "States", "StartAt",
)  # fmt: skip


@st.composite
def machines(draw: Draw) -> dict[str, Json]:
    """One to four states, some with scopes of their own, and up to two mutations anywhere."""
    jsonata = draw(st.booleans())
    definition = _scope(draw, "", jsonata=jsonata, depth=0)
    if jsonata:
        definition["QueryLanguage"] = "JSONata"
    if draw(st.integers(0, 9)) == 0:
        definition["TimeoutSeconds"] = draw(st.sampled_from([1, 60]))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        _mutate(draw, definition)
    return definition


def _scope(draw: Draw, prefix: str, *, jsonata: bool, depth: int) -> dict[str, Json]:
    names = [f"{prefix}{letter}" for letter in "ABCD"[: draw(st.integers(1, 4 if depth == 0 else 2))]]
    states = {name: _state(draw, name, names, jsonata=jsonata, depth=depth) for name in names}
    return {"StartAt": names[0], "States": states}


def _state(draw: Draw, name: str, names: list[str], *, jsonata: bool, depth: int) -> dict[str, Json]:
    following = names[names.index(name) + 1 :]
    kinds = _KINDS if depth < 2 else _KINDS[:4]
    kind = draw(st.sampled_from(kinds if following else ("Succeed", "Fail", *kinds[1:])))
    state: dict[str, Json] = {"Type": "Map" if kind == "Each" else kind}
    if kind == "Choice":
        state["Choices"] = [_rule(draw, names, jsonata=jsonata)]
        state |= {"Default": following[0]} if following else {}
    elif kind not in ("Succeed", "Fail"):
        # To the state behind it, so that all are reached; seldom from the last one back, which makes a loop.
        back = draw(st.integers(0, 9)) == 0
        state |= {"Next": following[0]} if following else {"Next": names[0]} if back else {"End": True}
    state |= _work(draw, kind, name, jsonata=jsonata, depth=depth)
    if kind in ("Task", "Parallel", "Map", "Each"):
        state |= _recovery(draw, names)
    if kind != "Fail":
        state |= _flow(draw, kind, name, jsonata=jsonata)
    return state


def _rule(draw: Draw, names: list[str], *, jsonata: bool) -> dict[str, Json]:
    target = {"Next": draw(st.sampled_from(names))}
    if jsonata:
        return {
            "Condition": draw(st.sampled_from([True, "{% $states.input.a = 1 %}", "{% $v %}", "{% 1 %}"])),
            **target,
        }
    operator = draw(
        st.sampled_from([("NumericEquals", 1), ("IsPresent", True), ("StringMatches", "*"), ("IsNull", False)])
    )
    return {"Variable": draw(st.sampled_from(_PATHS)), operator[0]: operator[1], **target}


def _work(draw: Draw, kind: str, name: str, *, jsonata: bool, depth: int) -> dict[str, Json]:
    if kind == "Task":
        resource = draw(st.sampled_from(_RESOURCES))
        invoked = {"FunctionName": "work", "Payload": {"n": 1}} if resource.endswith("invoke") else None
        limits = draw(st.sampled_from([{}, {"TimeoutSeconds": 20}, {"TimeoutSeconds": 30, "HeartbeatSeconds": 20}]))
        return {"Resource": resource, **limits} | (
            {} if invoked is None else {"Arguments" if jsonata else "Parameters": invoked}
        )
    if kind == "Wait":
        value = draw(st.sampled_from(_EXPRESSIONS if jsonata else _REFERENCES))
        lengths: list[dict[str, Json]] = [{"Seconds": 1}, {"Seconds" if jsonata else "SecondsPath": value}]
        return lengths[draw(st.integers(0, 1))]
    if kind == "Fail":
        evaluated: dict[str, Json] = {"Cause": "{% $v %}"} if jsonata else {"ErrorPath": "$.a"}
        ends: list[dict[str, Json]] = [{}, {"Error": "E", "Cause": "c"}, evaluated]
        return ends[draw(st.integers(0, 2))]
    if kind == "Parallel":
        count = draw(st.integers(1, 2))
        return {"Branches": [_scope(draw, f"{name}{i}", jsonata=jsonata, depth=depth + 1) for i in range(count)]}
    if kind not in ("Map", "Each"):
        return {}
    processor = _scope(draw, f"{name}M", jsonata=jsonata, depth=depth + 1)
    if kind == "Each":
        children = draw(st.sampled_from(["STANDARD", "EXPRESS"]))
        processor["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": children}
    items = ("Items", [[1, 2], "{% $states.input.b %}", "{% 1 %}"]) if jsonata else ("ItemsPath", _REFERENCES)
    return {"ItemProcessor": processor, items[0]: draw(st.sampled_from(items[1]))}


def _recovery(draw: Draw, names: list[str]) -> dict[str, Json]:
    errors = st.sampled_from(_ERRORS)
    fields: dict[str, Json] = {}
    if draw(st.integers(0, 3)) == 0:
        fields["Retry"] = [{"ErrorEquals": list(draw(errors)), "MaxAttempts": draw(st.integers(0, 2))}]
    if draw(st.integers(0, 2)) == 0:
        fields["Catch"] = [{"ErrorEquals": list(draw(errors)), "Next": draw(st.sampled_from(names))}]
    return fields


def _flow(draw: Draw, kind: str, name: str, *, jsonata: bool) -> dict[str, Json]:
    """One field of the data flow, or none."""
    if draw(st.booleans()):
        return {}
    fields = _DATA_FLOW[jsonata].get(kind, _DATA_FLOW[jsonata]["Pass"])
    field = draw(st.sampled_from(fields))
    if field == "ResultPath":
        return {field: draw(st.sampled_from(_REFERENCES))}
    value = draw(st.sampled_from(_EXPRESSIONS if jsonata else (*_PATHS, *_CALLS) if field in _TEMPLATES else _PATHS))
    if field == "Assign":  # a scope inside another may not assign the same variable
        return {field: {"v" * len(name) + ("" if jsonata else ".$"): value}}
    return {field: {"v.$": value} if field in _TEMPLATES else value}


def _mutate(draw: Draw, definition: dict[str, Json]) -> None:
    """Change, add, drop or copy one member, at any depth."""
    places = list(_places(definition))
    if not places:
        return
    holder, key = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
    how = draw(st.sampled_from(["junk", "drop", "stray", "copy"]))
    if how == "drop":
        del holder[key]
    elif how == "junk":
        holder[key] = draw(st.sampled_from(_JUNK))
    elif how == "copy":
        other, name = places[draw(st.integers(0, len(places) - 1))]
        holder[key] = copy.deepcopy(other[name])
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from(_STRAY))] = draw(st.sampled_from(_JUNK))


def _places(value: Json) -> list[tuple[Any, Any]]:
    members = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in members] + [place for _, member in members for place in _places(member)]
