"""How Java prints JSON values: the service is written in it, and lets it show in States.Format and in some causes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from mapfold.states.effects import Json
from mapfold.states.frame import encode


def java_text(value: Json) -> str:
    """A value as Java's `toString`: strings bare, objects `{a=1, b=[x, y]}`, numbers as `java_number`."""
    if isinstance(value, str):
        return value
    if value.__class__ is int:
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(java_text(member) for member in value) + "]"
    if isinstance(value, float):
        return java_number(value)
    return orjson.dumps(value).decode()


def java_number(value: float) -> str:
    """A double as `Double.toString` has it: 1.0E7 from ten millions on, 1.0E-4 below a thousandth, plain between."""
    if not _is_wide(value):
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    figures = "".join(map(str, digits)).rstrip("0")
    power = len(digits) + int(exponent) - 1
    return f"{'-' if sign else ''}{figures[0]}.{figures[1:] or '0'}E{power}"


def _is_wide(value: float) -> bool:
    return value != 0 and not 1e-3 <= abs(value) < 1e7


def java_json(value: Json) -> str:
    """The compact JSON text of `value`, with doubles as Java writes them."""
    try:
        return orjson.dumps(_with_java_numbers(value)).decode()
    except TypeError:  # deeper than orjson goes
        return encode(value)


def _with_java_numbers(value: Json) -> Any:
    if isinstance(value, float):
        return orjson.Fragment(java_number(value)) if _is_wide(value) else value
    if isinstance(value, list):
        return [_with_java_numbers(member) for member in value]
    if isinstance(value, dict):
        return {key: _with_java_numbers(member) for key, member in value.items()}
    return value
