"""Between a job's values and JSON: plain JSON values and dataclasses, by annotation.

`encode` turns what a job's function returned into plain JSON, or says which field cannot be carried. `decode` builds
what a function's annotation asks for out of plain JSON. Both raise JobError with the path of the field, written as a
Python expression would be: `partial.carriers.UA[3]`.
"""

from __future__ import annotations

import math
import types
import typing
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from mapfold.errors import JobError

Json = Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value comes from or goes to: the words in front of an error."""

    job: str
    function: str

    def error(self, path: str, problem: str, fix: str) -> JobError:
        """The error that names the job, the function and the field."""
        return JobError(f"{path} {problem}", at=f"job {self.job!r}, @job.{self.function}", fix=fix)


def encode(value: Any, place: Place, path: str) -> Json:
    """`value` as plain JSON (new containers, nothing shared with `value`), or JobError that names the field."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return _whole(value, place, path)
    if kind is float:
        return _finite(value, place, path)
    if kind is dict:
        return {_key(key, place, path): encode(member, place, f"{path}.{key}") for key, member in value.items()}
    if kind is list or kind is tuple:
        return [encode(member, place, f"{path}[{index}]") for index, member in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name), place, f"{path}.{f.name}") for f in fields(value)}
    return _encode_subclass(value, place, path)


def _encode_subclass(value: Any, place: Place, path: str) -> Json:
    """Values that are JSON by inheritance (Counter, IntEnum, StrEnum, namedtuple), or the error."""
    if isinstance(value, Enum):
        return encode(value.value, place, path)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return _whole(int(value), place, path)
    if isinstance(value, float):
        return _finite(float(value), place, path)
    if isinstance(value, Mapping):
        return encode(dict(value), place, path)
    if isinstance(value, (list, tuple)):
        return encode(list(value), place, path)
    raise place.error(path, f"is a {type(value).__name__}, which JSON cannot carry", _advice(value))


def _whole(value: int, place: Place, path: str) -> int:
    """Whole numbers of 64 bits are carried exactly by everything on the way; a longer one comes back rounded."""
    if -(2**63) <= value < 2**64:
        return value
    raise place.error(path, "is a whole number of more than 64 bits, which would be rounded", "Use str(...)")


def _finite(value: float, place: Place, path: str) -> float:
    if math.isfinite(value):
        return value
    raise place.error(path, f"is {value}, which JSON cannot carry", "Leave it out, or use None")


def _key(key: Any, place: Place, path: str) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str(key.value) if isinstance(key, Enum) else str(key)
    raise place.error(
        path, f"has the key {key!r} (a {type(key).__name__})", "Keys of JSON objects are strings: use str(key)"
    )


def _advice(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "Use sorted(...) to make it a list"
    if isinstance(value, (bytes, bytearray)):
        return "Decode it, or write it to S3 and return its key"
    if hasattr(value, "isoformat"):
        return "Use .isoformat()"
    if hasattr(value, "as_tuple"):
        return "Use float(...) or str(...)"
    return "Return None, bool, int, float, str, lists, dicts with string keys, or dataclasses of these"


Decoder = Callable[[Json, Place, str], Any]


def decode(annotation: Any, value: Json, place: Place, path: str, *, from_text: bool = False) -> Any:
    """`value` as `annotation` says: a dataclass is built, everything that holds none stays plain JSON, unchecked.

    `from_text`: values come from CSV, so a string becomes the int, float or bool that a field is annotated with.
    """
    return decoder(annotation, from_text)(value, place, path)


@cache
def decoder(annotation: Any, from_text: bool = False) -> Decoder:
    """The function that `decode` calls: made once for an annotation."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _dataclass_decoder(annotation, from_text)
    if origin in (Union, types.UnionType):
        return _union_decoder(get_args(annotation), from_text)
    if origin is list and get_args(annotation):
        return _list_decoder(decoder(get_args(annotation)[0], from_text))
    if origin is tuple and get_args(annotation):
        return _tuple_decoder(get_args(annotation), from_text)
    if annotation is Counter or origin is Counter:
        return _counter
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _dict_decoder(decoder(get_args(annotation)[1], from_text))
    if origin is Literal:
        return _literal_decoder(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum_decoder(annotation)
    if isinstance(annotation, type):
        return _scalar_decoder(annotation, from_text)
    return _as_it_is


def holds_dataclass(annotation: Any) -> bool:
    """Whether decoding by `annotation` changes a value at all."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        return True
    return any(holds_dataclass(argument) for argument in get_args(annotation))


def _as_it_is(value: Json, place: Place, path: str) -> Any:
    return value


def _counter(value: Json, place: Place, path: str) -> Any:
    """A partial that was a Counter in the worker adds like one on later levels of the fold, too."""
    if not isinstance(value, dict):
        raise place.error(path, f"must be an object, not {_shown(value)}", _FIX)
    return Counter(value)


def _dataclass_decoder(cls: type, from_text: bool) -> Decoder:
    members: dict[str, Decoder] | None = None
    known = {f.name: f for f in fields(cls) if f.init}
    required = [name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING]

    def build(value: Json, place: Place, path: str) -> Any:
        nonlocal members
        if not isinstance(value, dict):
            raise place.error(path, f"must be an object for {cls.__name__}, not {_shown(value)}", _FIX)
        if missing := [name for name in required if name not in value]:
            raise place.error(path, f"has no {', '.join(missing)}", f"{cls.__name__} asks for it, or give it a default")
        if members is None:  # made at the first use, so that a dataclass may hold itself
            hints = typing.get_type_hints(cls)
            members = {name: decoder(hints[name], from_text) for name in known}
        found = ((name, member) for name, member in members.items() if name in value)
        return cls(**{name: member(value[name], place, f"{path}.{name}") for name, member in found})

    return build


def _list_decoder(member: Decoder) -> Decoder:
    def build(value: Json, place: Place, path: str) -> Any:
        if not isinstance(value, list):
            raise place.error(path, f"must be a list, not {_shown(value)}", _FIX)
        return [member(each, place, f"{path}[{index}]") for index, each in enumerate(value)]

    return build


def _tuple_decoder(arguments: tuple[Any, ...], from_text: bool) -> Decoder:
    same = len(arguments) == 2 and arguments[1] is Ellipsis
    members = [decoder(argument, from_text) for argument in arguments if argument is not Ellipsis]

    def build(value: Json, place: Place, path: str) -> Any:
        if not isinstance(value, list) or not (same or len(value) == len(members)):
            size = "any number" if same else str(len(members))
            raise place.error(path, f"must be a list of {size}, not {_shown(value)}", _FIX)
        each = members * len(value) if same else members
        return tuple(each[i](member, place, f"{path}[{i}]") for i, member in enumerate(value))

    return build


def _dict_decoder(member: Decoder) -> Decoder:
    def build(value: Json, place: Place, path: str) -> Any:
        if not isinstance(value, dict):
            raise place.error(path, f"must be an object, not {_shown(value)}", _FIX)
        return {key: member(each, place, f"{path}.{key}") for key, each in value.items()}

    return build


def _union_decoder(arguments: tuple[Any, ...], from_text: bool) -> Decoder:
    nullable = type(None) in arguments
    members = [decoder(argument, from_text) for argument in arguments if argument is not type(None)]

    def build(value: Json, place: Place, path: str) -> Any:
        if nullable and (value is None or (from_text and value == "")):
            return None
        for member in members[:-1]:
            try:
                return member(value, place, path)
            except JobError:
                continue
        return members[-1](value, place, path)

    return build


def _literal_decoder(allowed: tuple[Any, ...]) -> Decoder:
    def build(value: Json, place: Place, path: str) -> Any:
        if value in allowed:
            return value
        raise place.error(path, f"must be one of {', '.join(map(repr, allowed))}, not {_shown(value)}", _FIX)

    return build


def _enum_decoder(cls: type[Enum]) -> Decoder:
    def build(value: Json, place: Place, path: str) -> Any:
        try:
            return cls(value)
        except ValueError:
            allowed = ", ".join(repr(member.value) for member in cls)
            raise place.error(path, f"must be one of {allowed}, not {_shown(value)}", _FIX) from None

    return build


_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _scalar_decoder(cls: type, from_text: bool) -> Decoder:
    if cls not in (bool, int, float, str):
        return _as_it_is

    def build(value: Json, place: Place, path: str) -> Any:
        if cls is float and type(value) is int:
            return float(value)
        if type(value) is cls:
            return value
        if not (from_text and isinstance(value, str)):
            raise place.error(path, f"must be {_NAMES[cls]}, not {_shown(value)}", _FIX)
        try:
            return _TRUTH[value.strip().lower()] if cls is bool else cls(value)
        except (ValueError, KeyError):
            raise place.error(path, f"must be {_NAMES[cls]}, not {_shown(value)}", _FIX) from None

    return build


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
_FIX = "Mend the data or the annotation"


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
