"""A Task's arguments as the parameters of an API, and what Step Functions says of arguments that are none.

JSON is given where the API wants text or bytes: an object becomes its JSON text. Names of members are converted at every
depth, keys of maps are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapfold.local.engine.integrations.styles import Style
from mapfold.states.effects import Json
from mapfold.states.frame import encode


@dataclass(slots=True)
class Request:
    """Parameters for botocore, and the problems that keep the task from being started, in Step Functions' words."""

    params: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def build_request(shape: Any | None, arguments: Json, style: Style) -> Request:
    """The request that `arguments` make for an operation whose input is `shape` (None: it has none)."""
    request = Request()
    if not isinstance(arguments, dict):
        request.problems.append("The Parameters must be a JSON object")
        return request
    if shape is None:
        request.problems.extend(not_supported(name) for name in arguments)
        return request
    request.params = _structure(shape, arguments, request.problems, style)
    given = {name for name, value in arguments.items() if value is not None}
    by_api_name = {api: name for name, api in style.members(shape).items()}
    for api_name in shape.required_members:
        name = by_api_name[api_name]
        if name not in given and not shape.members[api_name].metadata.get("idempotencyToken"):
            request.problems.append(required(name))
    return request


def could_not_start(arguments: Json, problems: list[str]) -> str:
    """The cause of the States.Runtime error, after its usual beginning."""
    return f"The Parameters '{encode(arguments)}' could not be used to start the Task: [{', '.join(problems)}]"


def not_supported(name: str) -> str:
    """A field that the action does not have."""
    return f'The field "{name}" is not supported by Step Functions'


def required(name: str) -> str:
    """A field that the action needs."""
    return f"The field '{name}' is required but was missing"


def invalid_format(name: str) -> str:
    """A field with a value of another kind than it takes."""
    return f"The value of the field '{name}' has an invalid format"


def _structure(shape: Any, value: Mapping[str, Json], problems: list[str], style: Style) -> dict[str, Any]:
    members = style.members(shape)
    converted: dict[str, Any] = {}
    for name, inner in value.items():
        api_name = members.get(name)
        if api_name is None:
            problems.append(not_supported(name))
        elif inner is not None:
            converted[api_name] = _convert(shape.members[api_name], inner, name, problems, style)
    return converted


def _convert(shape: Any, value: Json, name: str, problems: list[str], style: Style) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return _structure(shape, value, problems, style)
    if kind == "list" and isinstance(value, list):
        return [_convert(shape.member, inner, name, problems, style) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _convert(shape.value, inner, name, problems, style) for key, inner in value.items()}
    scalar = _SCALARS.get(kind)
    if scalar is not None and (converted := scalar(value)) is not None:
        return converted
    problems.append(invalid_format(name))
    return None


def _text(value: Json) -> str | None:
    """Text as it is; whatever else as its JSON text."""
    return value if isinstance(value, str) else encode(value)


def _blob(value: Json) -> bytes | None:
    text = _text(value)
    return None if text is None else text.encode()


def _whole(value: Json) -> int | None:
    if isinstance(value, str):
        value = _read(int, value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _real(value: Json) -> float | int | None:
    if isinstance(value, str):
        value = _read(float, value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _read(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        return None


def _boolean(value: Json) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _time(value: Json) -> Any:
    """ISO 8601 text, or epoch seconds."""
    from botocore.utils import parse_to_aware_datetime

    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    moment: Any = value
    try:
        return parse_to_aware_datetime(moment)
    except (ValueError, TypeError, OverflowError):
        return None


_SCALARS: Mapping[str, Callable[[Json], Any]] = {
    "string": _text,
    "character": _text,
    "blob": _blob,
    "integer": _whole,
    "long": _whole,
    "float": _real,
    "double": _real,
    "boolean": _boolean,
    "timestamp": _time,
}
"""What JSON becomes where the API has a scalar; None where it does not fit."""
