"""The functions that the service adds to JSONata, and the library's values as plain JSON."""

from __future__ import annotations

import hashlib
import math
from random import Random
from typing import Any

import orjson
from jsonata import Jsonata  # type: ignore[import-untyped]
from jsonata.jexception import JException  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]

from mapfold.states.effects import Json
from mapfold.states.frame import encode
from mapfold.states.intrinsics import ALGORITHMS, new_uuid

NULL = Utils.NULL_VALUE
"""What the library has for null: its None is undefined."""


class UnsupportedResult(Exception):
    """A function, or another value that JSON does not have."""


def plain(value: Any) -> Json:
    """The library's result as plain JSON values. Raises UnsupportedResult for functions."""
    if value is NULL:
        return None
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**64 else float(value)
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, Utils.RangeList):
        return [value[index] for index in range(len(value))]
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    raise UnsupportedResult


def added_functions(random: Random) -> dict[str, Any]:
    """The bindings of the six functions; `random` is where chance comes from."""
    return {
        "partition": Jsonata.JLambda(_partition),
        "range": Jsonata.JLambda(_range),
        "hash": Jsonata.JLambda(_hash),
        "random": Jsonata.JLambda(lambda *seed: Random(_floor(seed[0])).random() if seed else random.random()),
        "uuid": Jsonata.JLambda(lambda: new_uuid(random)),
        "parse": Jsonata.JLambda(_parse),
    }


def _floor(value: Any) -> int:
    """Numbers are rounded down here, while intrinsic functions round to the nearest."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JException("T0410", -1, 1, "number")
    return math.floor(value)


def _partition(array: Any = None, size: Any = None) -> Any:
    if array is None:
        return None
    items = list(array) if isinstance(array, list) else [array]
    width = _floor(size)
    if width <= 0:
        raise ValueError("the size of a partition must be positive")
    return [items[start : start + width] for start in range(0, len(items), width)]


def _range(start: Any = None, end: Any = None, step: Any = 1) -> Any:
    """A sequence, as the language's own: of one member, it is that member (seen on the service)."""
    first, last, by = _floor(start), _floor(end), _floor(step)
    if by == 0:
        raise ValueError("the step of a range must not be 0")
    return Utils.create_sequence_from_iter(range(first, last + (1 if by > 0 else -1), by))


def _hash(value: Any = None, algorithm: Any = None) -> Any:
    if value is None:
        return None
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise ValueError(f"the algorithm must be one of {', '.join(ALGORITHMS)}")
    text = value if isinstance(value, str) else encode(plain(value))
    return hashlib.new(ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _parse(text: Any = None) -> Any:
    if text is None:
        return None
    if not isinstance(text, str):
        raise JException("T0410", -1, 1, "parse")
    value = orjson.loads(text)
    return NULL if value is None else value
