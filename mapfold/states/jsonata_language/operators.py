"""The operators of two operands, in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mapfold.states.jsonata_language.errors import MEMORY_EXCEEDED, UNDEFINED, JsonataError, LimitExceeded
from mapfold.states.jsonata_language.running import MEMORY_LIMIT, Run
from mapfold.states.jsonata_language.text import number_text, string_text
from mapfold.states.jsonata_language.values import (
    Sequence,
    as_double,
    deep_equal,
    exact,
    is_number,
    is_numeric,
    same,
)

MOST_RANGE = 10_000_000
Operator = Callable[[Any, Any, Run], Any]


def _arithmetic(calculate: Callable[[Any, Any], float]) -> Operator:
    def operate(left: Any, right: Any, run: Run) -> Any:
        if left is not UNDEFINED and not is_numeric(left):
            raise JsonataError("T2001", value=left)
        if right is not UNDEFINED and not is_numeric(right):
            raise JsonataError("T2002", value=right)
        if left is UNDEFINED or right is UNDEFINED:
            return UNDEFINED
        try:
            return exact(calculate(left, right))
        except OverflowError:
            return exact(calculate(as_double(left), as_double(right)))

    return operate


def _divide(left: float, right: float) -> float:
    if right == 0:
        if left == 0:
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    quotient = left / right
    return int(quotient) if quotient.is_integer() and abs(quotient) < 2**53 and quotient != 0 else quotient


def _remainder(left: float, right: float) -> float:
    if right == 0:
        return math.nan
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return math.fmod(left, right)


def _multiply(left: float, right: float) -> float:
    return left * right


def _comparison(compare: Callable[[Any, Any], bool]) -> Operator:
    def operate(left: Any, right: Any, run: Run) -> Any:
        left_is_text, right_is_text = type(left) is str, type(right) is str
        left_fits = left_is_text or is_number(left)
        right_fits = right_is_text or is_number(right)
        if not (left_fits or left is UNDEFINED) or not (right_fits or right is UNDEFINED):
            raise JsonataError("T2010", value=right if left_fits else left)
        if left is UNDEFINED or right is UNDEFINED:
            return UNDEFINED
        if left_is_text != right_is_text:
            raise JsonataError("T2009", value=left, value2=right)
        return compare(left, right)

    return operate


def _equal(left: Any, right: Any, run: Run) -> bool:
    if isinstance(left, list | dict):
        run.weigh(left)
    return left is not UNDEFINED and right is not UNDEFINED and deep_equal(left, right)


def _unequal(left: Any, right: Any, run: Run) -> bool:
    return left is not UNDEFINED and right is not UNDEFINED and not _equal(left, right, run)


def _includes(left: Any, right: Any, run: Run) -> bool:
    if left is UNDEFINED or right is UNDEFINED:
        return False
    members = right if isinstance(right, list) else [right]
    run.spend(len(members))
    return any(same(member, left) for member in members)


def _concatenate(left: Any, right: Any, run: Run) -> str:
    for value in (left, right):
        if isinstance(value, list | dict):
            run.weigh(value)
    head, tail = to_string(left), to_string(right)
    run.hold(len(head) + len(tail))
    return run.keep(head + tail) if run.is_busy else head + tail


def to_string(value: Any) -> str:
    """A value as `&` and `$string` have it; undefined is empty. Raises D3001 for numbers that are not finite."""
    kind = type(value)
    if kind is str:
        return str(value)
    if value is UNDEFINED:
        return ""
    if kind is float and not math.isfinite(value):
        raise JsonataError("D3001", value=value)
    if kind is int and -(10**15) < value < 10**15:
        return number_text(value)
    if kind in (int, float, bool, dict) or value is None or isinstance(value, list):
        return string_text(value)
    return ""


def _range(left: Any, right: Any, run: Run) -> Any:
    if left is not UNDEFINED and not _is_whole(left):
        raise JsonataError("T2003", value=left)
    if right is not UNDEFINED and not _is_whole(right):
        raise JsonataError("T2004", value=right)
    if left is UNDEFINED or right is UNDEFINED or left > right:
        return UNDEFINED
    first, last = int(left), int(right)
    size = last - first + 1
    if size > MOST_RANGE:
        raise JsonataError("D2014", value=size)
    if size * 8 > MEMORY_LIMIT:
        raise LimitExceeded(MEMORY_EXCEEDED)
    run.hold(size * 8)
    made = Sequence(range(first, last + 1))
    return run.keep(made) if run.is_busy else made


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


OPERATORS: Mapping[str, Operator] = {
    "+": _arithmetic(lambda left, right: left + right),
    "-": _arithmetic(lambda left, right: left - right),
    "*": _arithmetic(_multiply),
    "/": _arithmetic(_divide),
    "%": _arithmetic(_remainder),
    "=": _equal,
    "!=": _unequal,
    "<": _comparison(lambda left, right: left < right),
    "<=": _comparison(lambda left, right: left <= right),
    ">": _comparison(lambda left, right: left > right),
    ">=": _comparison(lambda left, right: left >= right),
    "&": _concatenate,
    "..": _range,
    "in": _includes,
}
