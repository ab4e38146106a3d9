"""Numbers in states: written down, found by a `…Path`, or given by a JSONata expression."""

from __future__ import annotations

import re
from collections.abc import Callable

from mapfold.states.definition import Node
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.jsonata import wrong_type
from mapfold.states.queries import Query
from mapfold.states.visit import WorkFailed

Amount = float | int | Query | None
"""A number known at compile time, a query for one, or None for an absent field."""
Check = Callable[[float], str | None]
"""What is wrong with a number that came at run time, or None."""

_INVALID_PATH = ("TimeoutSecondsPath", "HeartbeatSecondsPath")
"""Where a path that finds nothing is an `Invalid path`; other fields are named in the words of templates (unconfirmed)."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_FRACTION = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_amount(amount: Amount, data: Json, frame: Frame) -> float | int | None:
    """The number, for the state's effective input `data`."""
    return amount(data, frame) if callable(amount) else amount


def read_whole(amount: Amount, data: Json, frame: Frame) -> int | None:
    """`read_amount` for a field that holds whole numbers."""
    value = read_amount(amount, data, frame)
    return None if value is None else int(value)


def compile_amount(
    node: Node,
    name: str,
    *,
    least: float,
    most: float | None = None,
    whole: bool = True,
    check: Check | None = None,
) -> Amount:
    """Compile the field `name` or its twin `<name>Path`; `check` judges values that come at run time."""
    twin = f"{name}Path"
    node.only_one_of(name, twin)
    judge = check or (lambda value: f"{name} must be at least {least}." if value < least else None)
    if not node.is_jsonata and node.has(twin):
        return _compile_twin(node, twin, whole=whole, check=judge)
    if node.holds_expression(name):
        return _compile_expression(node, name, whole=whole, check=judge)
    if whole:
        return node.integer(name, least=int(least), most=None if most is None else int(most))
    return node.number(name, least=least, most=most)


def _compile_twin(node: Node, twin: str, *, whole: bool, check: Check) -> Amount:
    find = node.path(twin, reference=True, context=False)
    if find is None:
        return None
    text = node.fields[twin]
    kind = "integer" if whole else "float"

    def read(data: Json, frame: Frame) -> float | int:
        try:
            value = find(data, frame)
        except StateError as error:
            if isinstance(error, WorkFailed) or twin in _INVALID_PATH or not text.startswith(("$.", "$[")):
                raise
            raise StateError(
                "States.Runtime",
                f"The JSONPath '{text}' specified for the field '{twin}' could not be found in the input '{encode(data)}'",
            ) from error
        shown = value if isinstance(value, str) else encode(value)
        number = _parse(shown, whole=whole)
        if number is None:
            raise StateError(
                "States.Runtime", f'The {twin} field refers to value "{shown}" which is not a valid {kind}: {text}'
            )
        return _checked(number, "States.Runtime", check)

    return read


def _parse(text: str, *, whole: bool) -> float | int | None:
    """The number that a value reads as, which on the service may be a string: "2" is 2, but 2.0 is no integer."""
    if not whole:
        return float(text) if _FRACTION.fullmatch(text) else None
    number = int(text) if _WHOLE.fullmatch(text) else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _compile_expression(node: Node, name: str, *, whole: bool, check: Check) -> Amount:
    evaluate = node.expression(name)
    if evaluate is None:
        return None
    source = node.fields[name][2:-2].strip()
    field = node.field_path(name)

    def read(data: Json, frame: Frame) -> float | int:
        value = evaluate(data, None, frame)
        if not _is_number(value, whole=whole):
            raise wrong_type(source, field, "integer" if whole else "number", value)
        return _checked(value, "States.QueryEvaluationError", check, location=field)

    return read


def _is_number(value: Json, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not whole or isinstance(value, int) or value.is_integer()


def _checked(value: float, error: str, check: Check, location: str | None = None) -> float | int:
    problem = check(value)
    if problem is not None:
        raise StateError(error, problem, location=location)
    return value
