"""The values of JSONata: plain JSON, undefined, and arrays that know where they come from.

JSON's null is None; what is not there is `UNDEFINED`. An array that an expression gathered is a `Sequence`: with one
member it is that member, with none it is undefined (`settle`). Arrays of the data are never taken apart so.
"""

from __future__ import annotations

import math
from typing import Any, Final

from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError

LARGEST_EXACT: Final = 2**53


class Sequence(list[Any]):
    """An array that an expression gathered; `keep_singleton` (from `[]`) keeps it an array of one."""

    keep_singleton = False


class Constructed(list[Any]):
    """An array that the expression spelled out as the first or last step of a path: it is not flattened."""


class TupleStream(list[Any]):
    """What a path with `@`, `#` or `%` carries from step to step: dictionaries of bindings, `@` the value."""


def settle(value: Any, keep: bool) -> Any:
    """A sequence of one as its member, an empty one as undefined; all other values as they are."""
    if type(value) is Sequence:
        if keep:
            value.keep_singleton = True
        if len(value) == 1:
            return value if value.keep_singleton else value[0]
        if not value:
            return UNDEFINED
    return value


def is_numeric(value: Any) -> bool:
    """Whether a value is a number; D1001 for one that JSON cannot hold."""
    kind = type(value)
    if kind is int:
        return True
    if kind is not float:
        return False
    if math.isinf(value):
        raise JsonataError("D1001", value=value)
    return not math.isnan(value)


def is_number(value: Any) -> bool:
    """JavaScript's `typeof value === 'number'`: true for infinities too."""
    kind = type(value)
    return kind is int or kind is float


def exact(number: float) -> float:
    """A result of arithmetic on whole numbers, as the double that JavaScript would have."""
    if type(number) is int and not -LARGEST_EXACT <= number <= LARGEST_EXACT:
        return as_double(number)
    return number


def as_double(number: float) -> float:
    """The double nearest to a number, which may be infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def truth(value: Any) -> bool:
    """The value as a boolean, as `$boolean` has it; undefined is false."""
    kind = type(value)
    if kind is bool:
        return bool(value)
    if kind is str or kind is dict:
        return bool(value)
    if isinstance(value, list):
        return any(truth(member) for member in value)
    return is_numeric(value) and value != 0


def deep_equal(left: Any, right: Any) -> bool:
    """Equality of any two values: 1 is 1.0, but not true."""
    kind = type(left)
    if kind is str or left is None:
        return bool(left == right)
    if kind is bool or type(right) is bool:
        return left is right
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(deep_equal(one, other) for one, other in zip(left, right, strict=True))
        )
    if kind is dict:
        return (
            type(right) is dict
            and left.keys() == right.keys()
            and all(deep_equal(member, right[key]) for key, member in left.items())
        )
    return bool(left == right)


def same(left: Any, right: Any) -> bool:
    """Identity as the operator `in` means it: equal scalars, or the very same object."""
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return deep_equal(left, right)


def append(first: Any, second: Any) -> Any:
    """Both values in one new array, which is no sequence; undefined adds nothing."""
    if first is UNDEFINED:
        return second
    if second is UNDEFINED:
        return first
    head = first if isinstance(first, list) else [first]
    tail = second if isinstance(second, list) else [second]
    return [*head, *tail]


def lookup(value: Any, name: str) -> Any:
    """The member `name` of an object, or of all objects in an array."""
    if type(value) is dict:
        return value.get(name, UNDEFINED)
    if not isinstance(value, list):
        return UNDEFINED
    found = Sequence()
    for item in value:
        member = lookup(item, name)
        if isinstance(member, list):
            found.extend(member)
        elif member is not UNDEFINED:
            found.append(member)
    return found


def in_order(members: dict[str, Any]) -> dict[str, Any]:
    """An object with its keys in JavaScript's order: those that are array indexes first, by number."""
    if not any(key[:1].isdigit() for key in members):
        return members
    indexes = sorted((key for key in members if _is_index(key)), key=int)
    if not indexes:
        return members
    ordered = {key: members[key] for key in indexes}
    ordered.update(members)
    return ordered


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and (key == "0" or key[0] != "0") and len(key) <= 10 and int(key) < 2**32 - 1
