"""Intrinsic functions: what each `States.X(...)` does with arguments that are already values.

The syntax around them is in `templates.py`. A function raises `IntrinsicError` with what is wrong; the caller says
in which call.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import orjson

from mapfold.states.effects import Json
from mapfold.states.frame import encode

TEXT_LIMIT = 10_000
"""Characters that Base64… and Hash take."""
RANGE_LIMIT = 1_000
ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class IntrinsicError(Exception):
    """An intrinsic function was given what it does not take."""


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """One function: how many arguments it takes (`most` None: any number) and what it does with them."""

    least: int
    most: int | None
    call: Callable[[Sequence[Json], Random], Json]


# --- strings ------------------------------------------------------------------------------------------------

_FORMAT_PIECE = re.compile(r"\\(.)|(\{\})|(\\$)", re.DOTALL)


def render_format(arguments: Sequence[Json], random: Random) -> str:
    """States.Format: each `{}` of the template takes the next argument; a backslash escapes ' { } and itself."""
    template = _text(arguments[0], "the template")
    values = iter(arguments[1:])
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        if match.group(3) is not None:
            raise IntrinsicError("the template ends with an open escape")
        escaped = match.group(1)
        if escaped is not None:
            return escaped if escaped in "'{}\\" else f"\\{escaped}"
        count += 1
        try:
            return render_plainly(next(values))
        except StopIteration:
            raise IntrinsicError(_placeholders(template, len(arguments) - 1)) from None

    text = _FORMAT_PIECE.sub(replace, template)
    if count != len(arguments) - 1:
        raise IntrinsicError(_placeholders(template, len(arguments) - 1))
    return text


def _placeholders(template: str, given: int) -> str:
    return f"the number of '{{}}' in '{template}' is not the number of arguments after it, which is {given}"


def render_plainly(value: Json) -> str:
    """A value inside Format: strings bare, scalars as JSON; AWS writes objects and arrays as Java does."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={render_plainly(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(render_plainly(member) for member in value) + "]"
    return encode(value)


def parse_json(arguments: Sequence[Json], random: Random) -> Json:
    """States.StringToJson: blank text is null, and "-0" is 0 (seen on the service)."""
    text = _text(arguments[0], "the argument")
    if not text.strip():
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise IntrinsicError(f"the string is not JSON: {error}") from error
    return 0 if text.strip() == "-0" else value


def split_string(arguments: Sequence[Json], random: Random) -> list[str]:
    """States.StringSplit: every character of the second argument splits; empty tokens are dropped."""
    text, delimiters = _text(arguments[0], "the string"), _text(arguments[1], "the delimiters")
    if not delimiters:
        return [text] if text else []
    return [token for token in re.split(f"[{re.escape(delimiters)}]", text) if token]


def encode_base64(arguments: Sequence[Json], random: Random) -> str:
    return base64.b64encode(_short_text(arguments[0]).encode()).decode()


def decode_base64(arguments: Sequence[Json], random: Random) -> str:
    try:
        return base64.b64decode(_short_text(arguments[0]), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise IntrinsicError("the string is not Base64") from error


def hash_value(arguments: Sequence[Json], random: Random) -> str:
    """States.Hash: lower-case hex over the string, or over the JSON text of any other value."""
    data, algorithm = arguments
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise IntrinsicError(f"the algorithm must be one of {', '.join(ALGORITHMS)}, not {encode(algorithm)}")
    text = _short_text(data if isinstance(data, str) else encode(data))
    return hashlib.new(ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


# --- arrays and objects -------------------------------------------------------------------------------------


def partition_array(arguments: Sequence[Json], random: Random) -> list[Json]:
    array, size = _array(arguments[0]), _whole(arguments[1], "the chunk size")
    if size <= 0:
        raise IntrinsicError("the chunk size must be positive")
    return [array[start : start + size] for start in range(0, len(array), size)]


def array_contains(arguments: Sequence[Json], random: Random) -> bool:
    return any(same(member, arguments[1]) for member in _array(arguments[0]))


def array_range(arguments: Sequence[Json], random: Random) -> list[int]:
    """States.ArrayRange: from the first to the last, both included where the step hits it; at most 1,000 numbers."""
    first, last, step = (_whole(argument, "a bound or step") for argument in arguments)
    if step == 0:
        raise IntrinsicError("the step must not be 0")
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > RANGE_LIMIT:
        raise IntrinsicError(f"the range has more than {RANGE_LIMIT} elements")
    return list(numbers)


def array_item(arguments: Sequence[Json], random: Random) -> Json:
    array, index = _array(arguments[0]), _whole(arguments[1], "the index")
    if not 0 <= index < len(array):
        raise IntrinsicError(f"the index {index} is outside of the array of {len(array)}")
    return array[index]


def array_length(arguments: Sequence[Json], random: Random) -> int:
    return len(_array(arguments[0]))


def array_unique(arguments: Sequence[Json], random: Random) -> list[Json]:
    seen: dict[str, Json] = {}
    for member in _array(arguments[0]):
        seen.setdefault(json.dumps(_normal(member), sort_keys=True), member)
    return list(seen.values())


def merge_objects(arguments: Sequence[Json], random: Random) -> dict[str, Json]:
    first, second, deep = arguments
    if deep is not False:
        raise IntrinsicError("only shallow merging is supported: the third argument must be false")
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise IntrinsicError("the first and second argument must be objects")
    return {**first, **second}


def same(left: Json, right: Json) -> bool:
    """Deep equality of JSON: 1 is 1.0, but not true."""
    return bool(left == right and _normal(left) == _normal(right))


def _normal(value: Json) -> Json:
    """A form in which equal JSON values are equal in Python: true stays apart from 1, and 1.0 becomes 1."""
    if isinstance(value, bool):
        return {"": value}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_normal(member) for member in value]
    if isinstance(value, dict):
        return {f".{key}": _normal(member) for key, member in value.items()}
    return value


# --- numbers ------------------------------------------------------------------------------------------------


def math_add(arguments: Sequence[Json], random: Random) -> int:
    total = _whole(arguments[0], "a number") + _whole(arguments[1], "a number")
    if not -(2**31) <= total < 2**31:
        raise IntrinsicError("the sum is outside of -2147483648 … 2147483647")
    return total


def math_random(arguments: Sequence[Json], random: Random) -> int:
    """States.MathRandom: a whole number from the first to below the second; the same seed gives the same number."""
    start, stop = _whole(arguments[0], "the start"), _whole(arguments[1], "the end")
    if start >= stop:
        raise IntrinsicError("the start must be below the end")
    source = Random(_whole(arguments[2], "the seed")) if len(arguments) == 3 else random
    return source.randrange(start, stop)


def new_uuid(random: Random) -> str:
    """A version 4 UUID drawn from `random`."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


# --- arguments ----------------------------------------------------------------------------------------------


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str):
        raise IntrinsicError(f"{name} must be a string, not {encode(value)}")
    return value


def _short_text(value: Json) -> str:
    text = _text(value, "the argument")
    if len(text) > TEXT_LIMIT:
        raise IntrinsicError(f"the argument is longer than {TEXT_LIMIT} characters")
    return text


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise IntrinsicError(f"the first argument must be an array, not {encode(value)}")
    return value


def _whole(value: Json, name: str) -> int:
    """A number as a whole one: halves go up, towards +infinity (-1.5 is -1, as seen on the service)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IntrinsicError(f"{name} must be a number, not {encode(value)}")
    if abs(value) >= 2**63:
        raise IntrinsicError(f"{name} is out of range: {value}")
    return value if isinstance(value, int) else math.floor(value + 0.5)


INTRINSICS: dict[str, Intrinsic] = {
    "Format": Intrinsic(1, None, render_format),
    "StringToJson": Intrinsic(1, 1, parse_json),
    "JsonToString": Intrinsic(1, 1, lambda arguments, random: encode(arguments[0])),
    "Array": Intrinsic(0, None, lambda arguments, random: list(arguments)),
    "ArrayPartition": Intrinsic(2, 2, partition_array),
    "ArrayContains": Intrinsic(2, 2, array_contains),
    "ArrayRange": Intrinsic(3, 3, array_range),
    "ArrayGetItem": Intrinsic(2, 2, array_item),
    "ArrayLength": Intrinsic(1, 1, array_length),
    "ArrayUnique": Intrinsic(1, 1, array_unique),
    "Base64Encode": Intrinsic(1, 1, encode_base64),
    "Base64Decode": Intrinsic(1, 1, decode_base64),
    "Hash": Intrinsic(2, 2, hash_value),
    "JsonMerge": Intrinsic(3, 3, merge_objects),
    "MathRandom": Intrinsic(2, 3, math_random),
    "MathAdd": Intrinsic(2, 2, math_add),
    "StringSplit": Intrinsic(2, 2, split_string),
    "UUID": Intrinsic(0, 0, lambda arguments, random: new_uuid(random)),
}
