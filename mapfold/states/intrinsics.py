"""Intrinsic functions: what each `States.X(...)` does with arguments that are already values.

The syntax around them is in `intrinsic_calls.py`. A function raises `IntrinsicError` with what is wrong; the caller
says in which call.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import orjson

from mapfold.states.effects import Json
from mapfold.states.java_hash import in_hash_order
from mapfold.states.java_random import JavaRandom
from mapfold.states.java_text import java_json, java_text

TEXT_LIMIT = 10_000
"""Characters that Base64… and Hash take."""
RANGE_LIMIT = 1_000
ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


Function = Callable[[Sequence[Json], Random], Json]
"""Takes the values of the arguments, and randomness for the functions that draw."""


class IntrinsicError(Exception):
    """Why an intrinsic function has no value, in the words of the service."""


class InvalidArguments(Exception):
    """An intrinsic function was given what it does not take. The service says no more than which function it was."""


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """One function: how many arguments it takes (`most` None: any number) and what it does with them."""

    least: int
    most: int | None
    call: Function

    def call_with(self, count: int) -> Function:
        """What a call with `count` arguments does. The service refuses too few and too many when it runs."""
        return self.call if self.least <= count and (self.most is None or count <= self.most) else _refuse


def _refuse(arguments: Sequence[Json], random: Random) -> Json:
    raise InvalidArguments


# --- strings ------------------------------------------------------------------------------------------------

_FORMAT_PIECE = re.compile(r"\\(.)|(\{\})|([{}])|(\\$)", re.DOTALL)


def render_format(arguments: Sequence[Json], random: Random) -> str:
    """States.Format: each `{}` of the template takes the next argument; a backslash escapes ' { } and itself.

    A brace that is neither escaped nor half of a `{}` is an error, as are more or fewer arguments than there are `{}`.
    """
    pieces = _split_template(_text(arguments[0]))
    if len(pieces) != len(arguments):
        raise IntrinsicError(
            "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}."
        )
    text = pieces[0]
    for value, piece in zip(arguments[1:], pieces[1:], strict=True):
        text += java_text(value) + piece
    return text


@lru_cache(maxsize=64)
def _split_template(template: str) -> tuple[str, ...]:
    """The text before, between and after the `{}` of a template, unescaped. Most templates come again and again."""
    pieces: list[str] = []
    text = ""
    end = 0
    for match in _FORMAT_PIECE.finditer(template):
        text += template[end : match.start()]
        end = match.end()
        escaped = match.group(1)
        if escaped is not None:
            text += escaped if escaped in "'{}\\" else f"\\{escaped}"
        elif match.group(2) is not None:
            pieces.append(text)
            text = ""
        else:
            raise IntrinsicError(_bad_template(match.group()))
    return (*pieces, text + template[end:])


def _bad_template(found: str) -> str:
    problem = {
        "{": "matching '}' not found for '{'.",
        "}": "matching '{' not found for '}'.",
        "\\": "open escape backslash found.",
    }[found]
    return f"Invalid template in States.Format: {problem}"


def parse_json(arguments: Sequence[Json], random: Random) -> Json:
    """States.StringToJson: blank text is null, and "-0" is 0 (seen on the service)."""
    text = _text(arguments[0])
    if not text.strip():
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidArguments from error
    return 0 if text.strip() == "-0" else value


def split_string(arguments: Sequence[Json], random: Random) -> list[str]:
    """States.StringSplit: every character of the second argument splits; empty tokens are dropped."""
    text, delimiters = _text(arguments[0]), _text(arguments[1])
    if not delimiters:
        return [text] if text else []
    return [token for token in re.split(f"[{re.escape(delimiters)}]", text) if token]


def encode_base64(arguments: Sequence[Json], random: Random) -> str:
    return base64.b64encode(_short_text(arguments[0]).encode()).decode()


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/_-]")
_URL_SAFE = str.maketrans("+/", "-_")


def decode_base64(arguments: Sequence[Json], random: Random) -> str:
    """States.Base64Decode: it reads up to the padding, which may be missing, and passes over what is no Base64.

    What is no UTF-8 becomes U+FFFD, as in Java.
    """
    text = _NOT_BASE64.sub("", _short_text(arguments[0]).partition("=")[0])
    if len(text) % 4 == 1:
        text = text[:-1]
    return base64.urlsafe_b64decode(text.translate(_URL_SAFE) + "=" * (-len(text) % 4)).decode(errors="replace")


def hash_value(arguments: Sequence[Json], random: Random) -> str:
    """States.Hash: lower-case hex over the string, or over the JSON text of any other value."""
    data, algorithm = arguments
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidArguments
    text = _short_text(data if isinstance(data, str) else java_json(data))
    return hashlib.new(ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


# --- arrays and objects -------------------------------------------------------------------------------------


def partition_array(arguments: Sequence[Json], random: Random) -> list[Json]:
    """States.ArrayPartition: chunks of the given size, the last one shorter where it does not divide."""
    array, size = _array(arguments[0]), _cut(arguments[1])
    if size <= 0:
        raise InvalidArguments
    return [array[start : start + size] for start in range(0, len(array), size)]


def array_contains(arguments: Sequence[Json], random: Random) -> bool:
    """States.ArrayContains: deep, and of objects with their members in the same order (seen on the service)."""
    sought = _identity(arguments[1], in_order=True)
    return any(member == arguments[1] and _identity(member, in_order=True) == sought for member in _array(arguments[0]))


def array_range(arguments: Sequence[Json], random: Random) -> list[int]:
    """States.ArrayRange: from the first to the last, both included where the step hits it; at most 1,000 numbers."""
    first, last, step = (_cut(argument) for argument in arguments)
    if step == 0:
        raise InvalidArguments
    if (last - first) // step >= RANGE_LIMIT:  # counted so, as a range of more than 63 bits has no length
        raise InvalidArguments
    return list(range(first, last + (1 if step > 0 else -1), step))


def array_item(arguments: Sequence[Json], random: Random) -> Json:
    """States.ArrayGetItem: of an empty array null, whatever the index (seen on the service)."""
    array, index = _array(arguments[0]), _cut(arguments[1])
    if not array:
        return None
    if not 0 <= index < len(array):
        raise InvalidArguments
    return array[index]


def array_length(arguments: Sequence[Json], random: Random) -> int:
    return len(_array(arguments[0]))


def array_unique(arguments: Sequence[Json], random: Random) -> list[Json]:
    """States.ArrayUnique: the first of all that are the same, in the order of Java's HashSet (seen on the service)."""
    array = _array(arguments[0])
    seen: dict[str, Json] = {}
    for member in array:
        seen.setdefault(_identity(member), member)
    return in_hash_order(seen.values(), made_for=len(array))


def merge_objects(arguments: Sequence[Json], random: Random) -> dict[str, Json]:
    """States.JsonMerge: only shallow merging exists. A third argument asks for it, unless it is true or "true"."""
    first, second, deep = (*arguments, False)[:3]
    if deep is True or deep == "true" or not isinstance(first, dict) or not isinstance(second, dict):
        raise InvalidArguments
    return {**first, **second}


def _identity(value: Json, *, in_order: bool = False) -> str:
    """A text that equal values share: in it, 1, 1.0 and true differ as they do in Java."""
    try:
        return orjson.dumps(value, option=0 if in_order else orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # deeper than orjson goes
        return json.dumps(value, sort_keys=not in_order)


# --- numbers ------------------------------------------------------------------------------------------------


def math_add(arguments: Sequence[Json], random: Random) -> int:
    """States.MathAdd: of whole numbers of 32 bits; others are rounded, halves up (-1.5 is -1, seen on the service)."""
    return _int32(_int32(_nearest(arguments[0])) + _int32(_nearest(arguments[1])))


def math_random(arguments: Sequence[Json], random: Random) -> int:
    """States.MathRandom: a whole number from the first to below the second; the same seed gives the same number."""
    start, stop = _cut(arguments[0]), _cut(arguments[1])
    if start >= stop:
        raise InvalidArguments
    if len(arguments) == 3:
        return JavaRandom(_cut(arguments[2])).between(start, stop)
    return random.randrange(start, stop)


def new_uuid(random: Random) -> str:
    """A version 4 UUID drawn from `random`."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


# --- arguments ----------------------------------------------------------------------------------------------


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise InvalidArguments
    return value


def _short_text(value: Json) -> str:
    text = _text(value)
    if len(text) > TEXT_LIMIT:
        raise InvalidArguments
    return text


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise InvalidArguments
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 2**63:
        raise InvalidArguments
    return value


def _nearest(value: Json) -> int:
    number = _number(value)
    return number if isinstance(number, int) else math.floor(number + 0.5)


def _int32(number: int) -> int:
    if not -(2**31) <= number < 2**31:
        raise InvalidArguments
    return number


def _cut(value: Json) -> int:
    """A number without its fraction. The guide says that it is rounded; the service has been seen to cut it off."""
    return int(_number(value))


INTRINSICS: dict[str, Intrinsic] = {
    "Format": Intrinsic(1, None, render_format),
    "StringToJson": Intrinsic(1, 1, parse_json),
    "JsonToString": Intrinsic(1, 1, lambda arguments, random: java_json(arguments[0])),
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
    "JsonMerge": Intrinsic(2, 3, merge_objects),
    "MathRandom": Intrinsic(2, 3, math_random),
    "MathAdd": Intrinsic(2, 2, math_add),
    "StringSplit": Intrinsic(2, 2, split_string),
    "UUID": Intrinsic(0, 0, lambda arguments, random: new_uuid(random)),
}
"""All functions by their names after `States.`."""
