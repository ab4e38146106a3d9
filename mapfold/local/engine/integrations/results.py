"""An API's answer as a Task's result: JSON with the names that Step Functions gives to members, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapfold.local.engine.integrations.styles import Style
from mapfold.states.effects import Json
from mapfold.states.frame import PAYLOAD_LIMIT

MOST_BYTES_OF_A_BODY = PAYLOAD_LIMIT + 1
"""A body is read until it is too large for a result anyway."""


ASKED_BY: Mapping[tuple[str, str], str] = {
    ("dynamodb", "ConsumedCapacity"): "ReturnConsumedCapacity",
    ("dynamodb", "ItemCollectionMetrics"): "ReturnItemCollectionMetrics",
}
"""By service and member of its answers: the parameter without which AWS does not give it. moto sometimes does."""


def as_asked(service: str, params: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """`answer` without what nobody has asked for."""
    if service not in _ASKED_SERVICES:
        return answer
    return {
        name: value
        for name, value in answer.items()
        if (asked := ASKED_BY.get((service, name))) is None or params.get(asked, "NONE") != "NONE"
    }


_ASKED_SERVICES = frozenset(service for service, _ in ASKED_BY)


def build_result(shape: Any | None, answer: dict[str, Any], style: Style) -> dict[str, Json]:
    """The result for botocore's `answer`, which has the members of `shape`, and `ResponseMetadata` beside them."""
    if shape is None:
        return {}
    return _structure(shape, answer, style)


def _structure(shape: Any, value: dict[str, Any], style: Style) -> dict[str, Json]:
    converted = {
        style.member(name): _convert(member, value[name], style)
        for name, member in shape.members.items()
        if value.get(name) is not None
    }
    return dict(sorted(converted.items()))


def _convert(shape: Any, value: Any, style: Style) -> Json:
    if getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, value, style) if isinstance(value, dict) else _events(value)
    if kind == "list":
        return [_convert(shape.member, inner, style) for inner in value]
    if kind == "map":
        return {str(key): _convert(shape.value, inner, style) for key, inner in value.items()}
    if kind == "timestamp":
        return style.time(value)
    if kind == "blob":
        return style.blob(value.read(MOST_BYTES_OF_A_BODY) if hasattr(value, "read") else value)
    return value


def _events(stream: Any) -> Json:
    """An event stream, which no result can hold: its connection is let go, and nothing is shown."""
    stream.close()
    return {}
