"""Filters of a JSONPath, `[?(…)]`: read by descent (or, and, not, comparison), compiled into predicates.

They follow Jayway JsonPath: a comparison with something that is not there is false, a number equals a string that
writes it, and `@` alone is only ever an object or an array, as the developer guide says (Using JSONPath paths).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mapfold.states.effects import Json, StateError
from mapfold.states.json_path_reader import Reader
from mapfold.states.json_path_regex import Match, compile_whole
from mapfold.states.json_path_steps import (
    MISSING,
    InvalidPathError,
    Names,
    Step,
    find_definite,
    find_indefinite,
    is_definite,
)
from mapfold.states.json_path_work import Work
from mapfold.states.jsonata_language.errors import LimitExceeded
from mapfold.states.jsonata_language.regex_syntax import RegexSyntaxError

Predicate = Callable[[Json, Json], bool]
"""Takes a member and the whole document."""
Operand = Callable[[Json, Json], Json]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_REGEX = re.compile(r"/((?:\\.|[^/\\])+)/([idsmux]*)")
_MOST_DIGITS = 300
"""Of a number in a filter: the largest double has 309."""


class _Whole:
    """A regular expression whose steps are counted as the path's."""

    __slots__ = ("_match", "_work")

    def __init__(self, match: Match, work: Work) -> None:
        self._match, self._work = match, work

    def matches(self, text: str) -> bool:
        try:
            return self._match(text, self._work.spend)
        except LimitExceeded as error:
            raise StateError("States.Runtime", f"The regular expression takes too long: {error}") from error


# --- operators ----------------------------------------------------------------------------------------------


def _equal(a: Json, b: Json) -> bool:
    if a.__class__ is b.__class__:  # first, and without isinstance: most comparisons end here
        return bool(a == b)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, str) and _is_number(b):
        return bool(_as_number(a) == b)
    if isinstance(b, str) and _is_number(a):
        return bool(_as_number(b) == a)
    return bool(a == b)


def _as_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(a: Json, b: Json) -> bool:
    return (isinstance(a, str) and isinstance(b, str)) or (_is_number(a) and _is_number(b))


def _is_in(a: Json, b: Json) -> bool:
    return isinstance(b, list) and any(_equal(a, member) for member in b)


def _contains(a: Json, b: Json) -> bool:
    return b in a if isinstance(a, str) and isinstance(b, str) else _is_in(b, a)


def _has_size(a: Json, b: Json) -> bool:
    return isinstance(a, list | str) and len(a) == b


def _is_empty(a: Json, b: Json) -> bool:
    return isinstance(a, list | str) and (not a) is b


def _is_found_by(a: Json, b: Json) -> bool:
    return isinstance(a, str) and isinstance(b, _Whole) and b.matches(a)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda a, b: not _equal(a, b),
    "<=": lambda a, b: _ordered(a, b) and a <= b,
    ">=": lambda a, b: _ordered(a, b) and a >= b,
    "=~": _is_found_by,
    "<": lambda a, b: _ordered(a, b) and a < b,
    ">": lambda a, b: _ordered(a, b) and a > b,
    "in ": _is_in,
    "nin ": lambda a, b: not _is_in(a, b),
    "contains ": _contains,
    "size ": _has_size,
    "empty ": _is_empty,
}
"""In the order in which they are looked for: none before one that starts with it."""


# --- syntax -------------------------------------------------------------------------------------------------


class FilterReader(Reader):
    """Reads what stands between `[?(` and `)]`. A parser of paths derives from it and says what `steps` are."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.work = Work()

    def steps(self) -> list[Step]:
        raise NotImplementedError

    def filter(self) -> Predicate:
        """Alternatives of conjunctions of tests."""
        left = self.conjunction()
        self.blanks()
        while self.take("||"):
            left = _or(left, self.conjunction())
            self.blanks()
        return left

    def conjunction(self) -> Predicate:
        left = self.test()
        self.blanks()
        while self.take("&&"):
            left = _and(left, self.test())
            self.blanks()
        return left

    def test(self) -> Predicate:
        self.blanks()
        if self.take("!"):
            inner = self.test()
            return lambda member, document: not inner(member, document)
        if self.take("("):
            inner = self.filter()
            self.blanks()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Predicate:
        left = self.operand()
        self.blanks()
        for sign, holds in OPERATORS.items():
            if self.take(sign):
                self.blanks()
                return _comparison(holds, left, self.operand())
        return lambda member, document: left(member, document) is not MISSING

    def operand(self) -> Operand:
        if self.take("@"):
            find = self.inner_path()
            return lambda member, document: find(member)
        if self.take("$"):
            find = self.inner_path()
            return lambda member, document: find(document)
        constant = self.constant()
        return lambda member, document: constant

    def constant(self) -> Json:
        """A literal: text in quotes, a number, a word, a list of such in brackets, or a regular expression."""
        if self.peek() in ("'", '"'):
            return self.quoted()
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return value
        if self.take("["):
            return self.constants()
        if self.peek() == "/":
            return self.regex()
        number = self.match(_NUMBER)
        if number is None:
            self.fail("a value, '@' or '$' expected")
        if len(number or "") > _MOST_DIGITS:
            self.fail("the number is out of range")
        return float(number or 0) if set(number or "") & set(".eE") else int(number or 0)

    def constants(self) -> list[Json]:
        members: list[Json] = []
        self.blanks()
        while not self.take("]"):
            if members:
                self.expect(",")
                self.blanks()
            members.append(self.constant())
            self.blanks()
        return members

    def regex(self) -> _Whole:
        found = _REGEX.match(self.text, self.at)
        if found is None:
            return self.fail("a regular expression expected")  # type: ignore[no-any-return]
        try:
            match = compile_whole(found.group(1), found.group(2))
        except RegexSyntaxError:
            return self.fail("the regular expression is wrong")  # type: ignore[no-any-return]
        self.at = found.end()
        return _Whole(match, self.work)

    def inner_path(self) -> Callable[[Json], Json]:
        steps = tuple(self.steps())
        if any(isinstance(step, Names) for step in steps[:-1]):
            self.fail("several names may only end a path")
        if not steps:
            return lambda value: value if isinstance(value, dict | list) else MISSING
        return find_definite(steps) if is_definite(steps) else _lenient(find_indefinite(steps, self.work))


def _lenient(find: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """A path in a filter that cannot be followed in one member has only missed that member."""

    def look(value: Json) -> Json:
        try:
            return find(value)
        except InvalidPathError:
            return MISSING

    return look


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda member, document: left(member, document) or right(member, document)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda member, document: left(member, document) and right(member, document)


def _comparison(holds: Callable[[Any, Any], bool], left: Operand, right: Operand) -> Predicate:
    def compare(member: Json, document: Json) -> bool:
        a, b = left(member, document), right(member, document)
        return a is not MISSING and b is not MISSING and holds(a, b)

    return compare
