"""The data-test expressions of a JSONPath Choice state, compiled into predicates.

A comparison of values of the wrong type is false, never an error. A Variable that is not there fails the state, but
for `IsPresent`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from mapfold.states import problems
from mapfold.states.definition import Node
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame
from mapfold.states.json_path import MISSING, Path, PathSyntaxError, compile_path
from mapfold.states.queries import Query, compile_maybe
from mapfold.states.timestamps import parse_timestamp

Rule = Callable[[Json, Frame], bool]
"""Takes the state's effective input; whether the rule matches."""

Compare = Callable[[Any, Any], bool]
Key = Callable[[Json], Any]
"""The comparable form of a value, or None where it is not of the operator's type."""

NEVER: Rule = lambda data, frame: False


def compile_rule(node: Node, *, extra: tuple[str, ...] = ("Comment",)) -> Rule:
    """Compile one rule; `extra` are fields that belong to its place, such as Next."""
    named = [name for name in node.fields if name not in extra and name != "Variable"]
    operators = [name for name in named if name in OPERATORS or name in _BOOLEANS]
    for name in named:
        if name not in operators:
            node.problem(problems.unsupported(name))
    if len(operators) != 1:
        if operators or not (named or node.has("Condition")):  # what stands in place of one is reported already
            node.problem("A choice rule must have exactly one operator")
        return NEVER
    name = operators[0]
    if name in _BOOLEANS:
        return _BOOLEANS[name](node)
    variable = _compile_variable(node, must_exist=name != "IsPresent")
    expected = _compile_expected(node, name)
    if variable is None or expected is None:
        return NEVER
    return OPERATORS[name](variable, expected)


# --- and, or, not -------------------------------------------------------------------------------------------


def _compile_and(node: Node) -> Rule:
    rules = [compile_rule(rule) for rule in node.objects("And")]
    return lambda data, frame: all(rule(data, frame) for rule in rules)


def _compile_or(node: Node) -> Rule:
    rules = [compile_rule(rule) for rule in node.objects("Or")]
    return lambda data, frame: any(rule(data, frame) for rule in rules)


def _compile_not(node: Node) -> Rule:
    inner = node.object("Not")
    if inner is None:
        return NEVER
    rule = compile_rule(inner)
    return lambda data, frame: not rule(data, frame)


_BOOLEANS: dict[str, Callable[[Node], Rule]] = {"And": _compile_and, "Or": _compile_or, "Not": _compile_not}

# --- operands -----------------------------------------------------------------------------------------------


def _compile_variable(node: Node, *, must_exist: bool) -> Query | None:
    if not node.require("Variable"):
        return None
    path = _parse_path(node, "Variable")
    if path is None:
        return None
    find = compile_maybe(path)
    return _present(find, path.text) if must_exist else find


def _parse_path(node: Node, name: str) -> Path | None:
    """A path of a comparison: on both sides the service takes reference paths alone."""
    text = node.string(name)
    try:
        return None if text is None else compile_path(text, reference=True)
    except PathSyntaxError as error:
        node.path_problem(error, name, reference=True)
        return None


def _compile_expected(node: Node, name: str) -> Query | None:
    """What the operator compares with: its value, or for a `…Path` operator what that path finds."""
    if name.endswith("Path"):
        path = _parse_path(node, name)
        return None if path is None else _present(compile_maybe(path), node.fields[name])
    value = node.fields[name]
    type_, accepts = _literal_type(name)
    if name.startswith("Timestamp") and isinstance(value, str) and not accepts(value):
        node.problem(problems.NO_TIMESTAMP, name)
        return None
    if not accepts(value):
        node.problem(problems.expected(type_), name)
        return None
    return lambda data, frame: value


def _literal_type(name: str) -> tuple[str, Callable[[Json], bool]]:
    if name.startswith("String"):
        return "String", lambda value: isinstance(value, str)
    if name.startswith("Numeric"):
        return "Number", lambda value: _number_key(value) is not None
    if name.startswith("Timestamp"):
        return "String", lambda value: parse_timestamp(value) is not None
    return "Boolean", lambda value: isinstance(value, bool)


def _present(find: Query, text: str) -> Query:
    def read(data: Json, frame: Frame) -> Json:
        value = find(data, frame)
        if value is MISSING:
            raise StateError(
                "States.Runtime",
                f"Invalid path '{text}': The choice state's condition path references an invalid value.",
            )
        return value

    return read


# --- comparisons --------------------------------------------------------------------------------------------


def _string_key(value: Json) -> Any:
    """Strings compare by UTF-16 code unit, as Java does; for ASCII that is the order of Python."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-16-be", "surrogatepass")


def _number_key(value: Json) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _coerced_number(value: Json) -> Any:
    """What a Numeric…Path operator compares with, as Jackson's asDouble gives it: 0 for what is no number.

    The service has been seen to take false and [6] for less than 7 (while its Variable must be a number).
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return float(value) if _DECIMAL.fullmatch(value.strip()) else 0
    return value if isinstance(value, int | float) else 0


_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _boolean_key(value: Json) -> Any:
    return value if isinstance(value, bool) else None


Make = Callable[[Query, Query], Rule]
"""Makes a rule of the variable's query and the query for what it is compared with."""


def _comparison(key: Key, compare: Compare, other: Key | None = None) -> Make:
    """`key` is of the Variable, `other` (where it is another) of what it is compared with."""
    of_expected = other or key

    def make(variable: Query, expected: Query) -> Rule:
        def matches(data: Json, frame: Frame) -> bool:
            left, right = key(variable(data, frame)), of_expected(expected(data, frame))
            return left is not None and right is not None and compare(left, right)

        return matches

    return make


def _type_test(is_type: Callable[[Json], bool]) -> Make:
    def make(variable: Query, expected: Query) -> Rule:
        return lambda data, frame: is_type(variable(data, frame)) is expected(data, frame)

    return make


def _make_presence(variable: Query, expected: Query) -> Rule:
    return lambda data, frame: (variable(data, frame) is not MISSING) is expected(data, frame)


def _make_matches(variable: Query, expected: Query) -> Rule:
    matches_text = compile_wildcards(expected(None, None))  # type: ignore[arg-type]  # a literal, which reads no frame

    def matches(data: Json, frame: Frame) -> bool:
        value = variable(data, frame)
        return isinstance(value, str) and matches_text(value)

    return matches


def compile_wildcards(text: str) -> Callable[[str], bool]:
    r"""A StringMatches pattern: `*` is any run of characters, `\*` a star, `\\` a backslash.

    What stands between two stars is taken where it comes first, so that no number of stars takes long.
    """
    literals = [""]
    for piece in re.findall(r"\\[*\\]|.", text, re.DOTALL):
        if piece == "*":
            literals.append("")
        else:
            literals[-1] += piece[-1]
    if len(literals) == 1:
        return lambda value: value == literals[0]
    first, *middle, last = literals

    def matches(value: str) -> bool:
        if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
            return False
        at, end = len(first), len(value) - len(last)
        for literal in middle:
            found = value.find(literal, at, end)
            if found < 0:
                return False
            at = found + len(literal)
        return True

    return matches


_ORDERINGS: dict[str, Compare] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_KEYS: dict[str, Key] = {"String": _string_key, "Numeric": _number_key, "Timestamp": parse_timestamp}
_COERCED: dict[str, Key] = {"NumericPath": _coerced_number}

OPERATORS: dict[str, Make] = {
    f"{kind}{ordering}{twin}": _comparison(key, compare, _COERCED.get(kind + twin))
    for kind, key in _KEYS.items()
    for ordering, compare in _ORDERINGS.items()
    for twin in ("", "Path")
} | {
    "BooleanEquals": _comparison(_boolean_key, operator.eq),
    "BooleanEqualsPath": _comparison(_boolean_key, operator.eq),
    "StringMatches": _make_matches,
    "IsPresent": _make_presence,
    "IsNull": _type_test(lambda value: value is None),
    "IsNumeric": _type_test(lambda value: _number_key(value) is not None),
    "IsString": _type_test(lambda value: isinstance(value, str)),
    "IsBoolean": _type_test(lambda value: isinstance(value, bool)),
    "IsTimestamp": _type_test(lambda value: parse_timestamp(value) is not None),
}
