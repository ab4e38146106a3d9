"""What the service model demands of a request, checked before any action sees it.

botocore's model of Step Functions says which members are required, how long they may be, what they must match. It is
compiled once into one function an action (`checks`), which walks a request's members side by side with the model and
notes every breach in the words of AWS's own request validator:

    2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; …

Paths in them are AWS's: `loggingConfiguration.level`, `tags.1.member.key` (elements count from 1). The value of a member
that the model calls sensitive is left out. A member of another JSON type is a SerializationException, and ends the check
at once. Members that the model does not know are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mapfold.local.listing_order import order_of_values
from mapfold.local.service.faults import Fault, invalid
from mapfold.states.java_hash import names_in_map_order

Check = Callable[[Any, str, list[str]], None]
"""(value, its path, problems): appends to `problems`; raises Fault where the JSON type is wrong."""

Shape = Mapping[str, Any]
Shapes = Mapping[str, Shape]


def check_request(action: str, members: Mapping[str, Any]) -> None:
    """Raise SerializationException or ValidationException if a request breaks the model. Unknown actions pass."""
    check = checks().get(action)
    if check is None:
        return
    problems: list[str] = []
    check(members, "", problems)
    if problems:
        raise invalid(problems)


@cache
def checks() -> Mapping[str, Check]:
    """The compiled check of every action that botocore's model of Step Functions knows. Takes some 20 ms, once."""
    from botocore.loaders import Loader

    model = Loader().load_service_model("stepfunctions", "service-2")
    return compile_model(model)


def compile_model(model: Mapping[str, Any]) -> dict[str, Check]:
    """One check an operation of a service model (botocore's `service-2` form)."""
    shapes: Shapes = model["shapes"]
    return {
        name: _compile(shapes, operation["input"]["shape"])
        for name, operation in model["operations"].items()
        if "input" in operation
    }


def _compile(shapes: Shapes, name: str) -> Check:
    shape = shapes[name]
    return COMPILERS[shape["type"]](shapes, name, shape)


# --- structures and lists ---------------------------------------------------------------------------------


def _structure(shapes: Shapes, name: str, shape: Shape) -> Check:
    required = frozenset(shape.get("required", ()))
    members = [
        (member, _compile(shapes, shape["members"][member]["shape"]), member in required)
        for member in names_in_map_order(shape["members"])
    ]

    def check(value: Any, path: str, problems: list[str]) -> None:
        if type(value) is not dict:
            raise _unexpected("Unexpected field type" if type(value) is not list else _LIST)
        prefix = f"{path}." if path else ""
        for member, check_member, needed in members:
            given = value.get(member)
            if given is not None:
                check_member(given, prefix + member, problems)
            elif needed:
                problems.append(f"Value null at '{prefix}{member}' {_FAILED} Member must not be null")

    return check


def _list(shapes: Shapes, name: str, shape: Shape) -> Check:
    element = shapes[shape["member"]["shape"]]
    check_element = _compile(shapes, shape["member"]["shape"])
    check_length = _bounds(shape, "length")
    show = _shown_list(shapes, shape)
    rules = f"Member must satisfy constraint: [{', '.join(_element_rules(element))}]"
    of_texts = element["type"] == "string"

    def check(value: Any, path: str, problems: list[str]) -> None:
        if type(value) is not list:
            raise _unexpected("Unexpected field type" if type(value) is not dict else _OBJECT)
        if check_length is not None:
            for rule in check_length(len(value)):
                problems.append(f"Value '{show(value)}' at '{path}' {_FAILED} {rule}")
        if of_texts:  # of these the whole list is shown, once, with all that an element must be
            broken: list[str] = []
            for each in value:
                if each is not None:
                    check_element(each, path, broken)
            if broken or None in value:
                problems.append(f"Value '{show(value)}' at '{path}' {_FAILED} {rules}")
            return
        for number, each in enumerate(value, start=1):
            where = f"{path}.{number}.member"
            if each is None:
                problems.append(f"Value null at '{where}' {_FAILED} Member must not be null")
            else:
                check_element(each, where, problems)

    return check


def _element_rules(shape: Shape) -> list[str]:
    """What AWS's validator says of the elements of a list of texts."""
    limits = (("max", "less"), ("min", "greater"))
    lengths = [f"Member must have length {word} than or equal to {shape[key]}" for key, word in limits if key in shape]
    patterns = [f"Member must satisfy regular expression pattern: {shape['pattern']}"] if "pattern" in shape else []
    return [*lengths, *patterns, "Member must not be null"]


def _shown_list(shapes: Shapes, shape: Shape) -> Callable[[list[Any]], str]:
    """A list as AWS's validator prints it: structures by their name and members, as Java does."""
    element = shape["member"]["shape"]
    members = list(shapes[element].get("members", ()))

    def show(value: list[Any]) -> str:
        return f"[{', '.join(one(item) for item in value)}]"

    def one(item: Any) -> str:
        if not isinstance(item, dict):
            return "null" if item is None else str(item)
        inside = (f"{name}={'null' if item.get(name) is None else item[name]}" for name in members)
        return f"{element}({', '.join(inside)})"

    return show


# --- texts ------------------------------------------------------------------------------------------------


def _string(shapes: Shapes, name: str, shape: Shape) -> Check:
    check_length = _bounds(shape, "length")
    pattern = _pattern(shape)
    allowed = frozenset(shape.get("enum", ()))
    enum_rule = f"Member must satisfy enum value set: [{', '.join(order_of_values(shape.get('enum', ())))}]"
    pattern_rule = f"Member must satisfy regular expression pattern: {shape.get('pattern', '')}"
    sensitive = bool(shape.get("sensitive"))

    def check(value: Any, path: str, problems: list[str]) -> None:
        if type(value) is not str:
            raise _unexpected(_scalar_problem(value, "String"))
        broken = []
        if allowed and value not in allowed:
            broken.append(enum_rule)
        if pattern is not None and not pattern.fullmatch(value):
            broken.append(pattern_rule)
        if check_length is not None:
            broken += check_length(_utf16_length(value))
        if broken:
            shown = "Value" if sensitive else f"Value '{value}'"
            problems += [f"{shown} at '{path}' {_FAILED} {rule}" for rule in broken]

    return check


def _utf16_length(text: str) -> int:
    """The length of a text as AWS counts it: in UTF-16 code units, as Java's strings have."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _pattern(shape: Shape) -> re.Pattern[str] | None:
    pattern = shape.get("pattern")
    return None if pattern is None else re.compile(pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]"))


# --- numbers and booleans ---------------------------------------------------------------------------------


def _whole(java_type: str, word: str, bits: int) -> Callable[[Shapes, str, Shape], Check]:
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def compile_whole(shapes: Shapes, name: str, shape: Shape) -> Check:
        check_range = _bounds(shape, "value")

        def check(value: Any, path: str, problems: list[str]) -> None:
            if type(value) is float and value.is_integer():
                value = int(value)
            if type(value) is not int:
                raise _unexpected(_scalar_problem(value, java_type))
            if not least <= value <= most:
                raise _unexpected(f"Numeric value ({value}) out of range of {word}")
            if check_range is not None:
                problems += [f"Value '{value}' at '{path}' {_FAILED} {rule}" for rule in check_range(value)]

        return check

    return compile_whole


def _float(shapes: Shapes, name: str, shape: Shape) -> Check:
    check_range = _bounds(shape, "value")

    def check(value: Any, path: str, problems: list[str]) -> None:
        if type(value) not in (int, float):
            raise _unexpected(_scalar_problem(value, "Float"))
        if check_range is not None:
            problems += [f"Value '{float(value)}' at '{path}' {_FAILED} {rule}" for rule in check_range(value)]

    return check


def _boolean(shapes: Shapes, name: str, shape: Shape) -> Check:
    def check(value: Any, path: str, problems: list[str]) -> None:
        if type(value) is not bool:
            raise _unexpected(_scalar_problem(value, "Boolean"))

    return check


def _bounds(shape: Shape, what: str) -> Callable[[float], list[str]] | None:
    """The rules of `min` and `max` that a length or a value breaks; None where the model has neither."""
    least, most = shape.get("min"), shape.get("max")
    if least is None and most is None:
        return None
    low = float("-inf") if least is None else least
    high = float("inf") if most is None else most

    def broken(size: float) -> list[str]:
        if size < low:
            return [f"Member must have {what} greater than or equal to {least}"]
        if size > high:
            return [f"Member must have {what} less than or equal to {most}"]
        return []

    return broken


# --- another JSON type ------------------------------------------------------------------------------------

_FAILED = "failed to satisfy constraint:"
_LIST = "Start of list found where not expected"
_OBJECT = "Start of structure or map found where not expected"


def _scalar_problem(value: Any, expected: str) -> str:
    """What AWS's JSON reader says of a value that is no `expected` (a Java type's name)."""
    if isinstance(value, dict):
        return _OBJECT
    if isinstance(value, list):
        return _LIST
    if isinstance(value, bool):
        found = "TRUE_VALUE" if value else "FALSE_VALUE"
    else:
        found = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    return f"{found} cannot be converted to {expected}"


def _unexpected(message: str) -> Fault:
    return Fault("SerializationException", message)


COMPILERS: Mapping[str, Callable[[Shapes, str, Shape], Check]] = {
    "structure": _structure,
    "list": _list,
    "string": _string,
    "integer": _whole("Integer", "int", 32),
    "long": _whole("Long", "long", 64),
    "float": _float,
    "double": _float,
    "boolean": _boolean,
}
"""By the kind of shape. The inputs of Step Functions have no other kind."""
