"""Whether a mocked result is one that the API could answer with, by botocore's model of it.

Step Functions gives members a capital first letter, and times as text. Members that the API does not have are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapfold.local.sdk.models import result_shape
from mapfold.local.service.faults import Fault
from mapfold.states import Json
from mapfold.states.effects import Resource
from mapfold.states.integration_names import SDK

MODES = ("STRICT", "PRESENT", "NONE")

_OTHER_NAMES = {"events": "eventbridge", "states": "sfn", "elasticmapreduce": "emr"}
"""Optimized integrations that `aws-sdk` integrations call otherwise."""
_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "structure": (dict, "an object"),
    "map": (dict, "an object"),
    "list": (list, "an array"),
    "string": (str, "a string"),
    "character": (str, "a string"),
    "timestamp": (str, "a string"),
    "blob": (str, "a string"),
    "boolean": (bool, "a boolean"),
    "integer": (int, "a number"),
    "long": (int, "a number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
}


def check_result(result: Json, resource: Resource, mode: str) -> None:
    """Refuse a result that has not the members or types of the API's; STRICT asks for those that it requires, too.

    What is told through a token or after `.sync`, and what functions and HTTP endpoints answer, has no model.
    """
    if mode == "NONE" or resource.family != "task" or resource.pattern:
        return
    name = resource.service.removeprefix(SDK)
    shape = result_shape(_OTHER_NAMES.get(name, name.replace("-", "")), resource.action)
    if shape is None:
        return
    if not isinstance(result, dict):
        raise Fault("ValidationException", "Mock result must be a valid JSON object")
    # Lambda's optimized integration takes its function's answer apart.
    free = () if resource.service.startswith(SDK) or name != "lambda" else ("Payload",)
    _check({key: value for key, value in result.items() if key not in free}, *shape, is_strict=mode == "STRICT")


def _check(result: Json, shapes: Mapping[str, Any], name: str, *, is_strict: bool) -> None:
    left: list[tuple[Json, str, str]] = [(result, name, "")]
    while left:
        value, name, field = left.pop()
        shape = shapes[name]
        _check_type(value, shape, field)
        if isinstance(value, list):
            left.extend((item, shape["member"]["shape"], field) for item in reversed(value))
        elif isinstance(value, dict) and shape["type"] == "map":
            left.extend((item, shape["value"]["shape"], field) for item in value.values())
        elif isinstance(value, dict) and not shape.get("document"):
            members = {_capital(member): target["shape"] for member, target in shape["members"].items()}
            for required in map(_capital, shape.get("required", ()) if is_strict else ()):
                if required not in value:
                    raise _fault(f"Required field '{required}' is missing")
            left.extend((value[member], members[member], member) for member in reversed(value) if member in members)


def _check_type(value: Json, shape: Mapping[str, Any], field: str) -> None:
    expected, words = _TYPES[shape["type"]]
    if shape.get("document"):
        return
    if not isinstance(value, expected) or (isinstance(value, bool) and words == "a number"):
        raise _fault(f"Field '{field}' must be {words}")
    if isinstance(value, str) and value not in shape.get("enum", (value,)):
        raise _fault(f"Field '{field}' is not an expected value")


def _fault(text: str) -> Fault:
    return Fault("ValidationException", f"Mock result schema validation error: {text}")


def _capital(member: str) -> str:
    return member[0].upper() + member[1:]
