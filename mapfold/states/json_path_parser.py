"""Reads the text of a JSONPath into its root and steps; filters become predicates."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mapfold.states.effects import Json
from mapfold.states.json_path_steps import (
    MISSING,
    Deep,
    Filter,
    Index,
    Name,
    Slice,
    Step,
    Union,
    Wildcard,
    find_definite,
    find_indefinite,
)


class PathSyntaxError(ValueError):
    """A path that is none. The text points at the character: `position` counts from 0."""

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(f"{problem} at character {position + 1} of '{text}'")
        self.problem, self.text, self.position = problem, text, position


_PLAIN_NAME = re.compile(r"(?:\\.|[^\s.\[\]()'\"*@,:?&|!=<>\\$])+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"-?\d+")
_VARIABLE = re.compile(r"\$[^\W\d]\w*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: _same_kind(a, b) and a == b,
    "!=": lambda a, b: not (_same_kind(a, b) and a == b),
    "<=": lambda a, b: _ordered(a, b) and a <= b,
    ">=": lambda a, b: _ordered(a, b) and a >= b,
    "<": lambda a, b: _ordered(a, b) and a < b,
    ">": lambda a, b: _ordered(a, b) and a > b,
}


def _same_kind(a: Json, b: Json) -> bool:
    return isinstance(a, bool) == isinstance(b, bool)


def _ordered(a: Json, b: Json) -> bool:
    return (isinstance(a, str) and isinstance(b, str)) or (_is_number(a) and _is_number(b))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class PathParser:
    """Reads one path from left to right; filters by descent: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def parse(self) -> tuple[str, tuple[Step, ...]]:
        root = self.root()
        steps = self.steps()
        if self.at != len(self.text):
            self.fail("unexpected character")
        return root, tuple(steps)

    def fail(self, problem: str) -> Any:
        raise PathSyntaxError(problem, self.text, self.at)

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            self.fail(f"'{token}' expected")

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def blanks(self) -> None:
        while self.text.startswith(" ", self.at):
            self.at += 1

    def root(self) -> str:
        if self.take("$$"):
            return "$$"
        variable = self.match(_VARIABLE)
        if variable is not None:
            return variable
        if not self.take("$"):
            self.fail("a path starts with '$'")
        return "$"

    def steps(self) -> list[Step]:
        steps: list[Step] = []
        while self.at < len(self.text):
            if self.take(".."):
                steps.append(Deep(self.bracket() if self.take("[") else self.dotted()))
            elif self.take("."):
                # `$.abc.['def']` is odd but legal on the service.
                steps.append(self.bracket() if self.take("[") else self.dotted())
            elif self.take("["):
                steps.append(self.bracket())
            else:
                break
        return steps

    def dotted(self) -> Step:
        if self.take("*"):
            return Wildcard()
        name = self.match(_PLAIN_NAME)
        if name is None:
            return self.fail("a name expected")  # type: ignore[no-any-return]
        if self.text.startswith("(", self.at):
            self.fail("functions are not supported")
        return Name(re.sub(r"\\(.)", r"\1", name))

    def bracket(self) -> Step:
        self.blanks()
        if self.take("*"):
            step: Step = Wildcard()
        elif self.take("?"):
            self.blanks()
            self.expect("(")
            matches = self.either()
            self.blanks()
            self.expect(")")
            step = Filter(matches)
        else:
            step = self.selection()
        self.blanks()
        self.expect("]")
        return step

    def selection(self) -> Step:
        if self.text[self.at : self.at + 1] in ("'", '"'):
            return self.union(lambda: Name(self.quoted()))
        first = self.match(_INTEGER)
        self.blanks()
        if self.take(":"):
            return self.slice(first)
        if first is None:
            self.fail("a name in quotes, an index, '*' or a filter expected")
        return self.union(lambda: Index(self.integer()), first=Index(int(first or 0)))

    def union(self, read: Callable[[], Name | Index], *, first: Name | Index | None = None) -> Step:
        members = [first if first is not None else read()]
        self.blanks()
        while self.take(","):
            self.blanks()
            members.append(read())
            self.blanks()
        return members[0] if len(members) == 1 else Union(tuple(members))

    def slice(self, first: str | None) -> Step:
        self.blanks()
        stop = self.match(_INTEGER)
        self.blanks()
        step = self.match(_INTEGER) if self.take(":") else None
        if step is not None and int(step) == 0:
            self.fail("a slice's step may not be 0")
        return Slice(*(None if bound is None else int(bound) for bound in (first, stop, step)))

    def integer(self) -> int:
        digits = self.match(_INTEGER)
        if digits is None:
            self.fail("an index expected")
        return int(digits or 0)

    def quoted(self) -> str:
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"'):
            self.fail("a name in quotes expected")
        start = self.at
        self.at += 1
        characters: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == quote:
                return "".join(characters)
            if character == "\\" and self.at < len(self.text):
                character = self.text[self.at]
                self.at += 1
            characters.append(character)
        self.at = start
        return self.fail("the quote is not closed")  # type: ignore[no-any-return]

    # Filters

    def either(self) -> Callable[[Json, Json], bool]:
        left = self.both()
        self.blanks()
        while self.take("||"):
            left = _or(left, self.both())
            self.blanks()
        return left

    def both(self) -> Callable[[Json, Json], bool]:
        left = self.test()
        self.blanks()
        while self.take("&&"):
            left = _and(left, self.test())
            self.blanks()
        return left

    def test(self) -> Callable[[Json, Json], bool]:
        self.blanks()
        if self.take("!"):
            inner = self.test()
            return lambda member, document: not inner(member, document)
        if self.take("("):
            inner = self.either()
            self.blanks()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Callable[[Json, Json], bool]:
        left = self.operand()
        self.blanks()
        for sign, compare in _COMPARE.items():
            if self.take(sign):
                self.blanks()
                return _comparison(compare, left, self.operand())
        return lambda member, document: left(member, document) is not MISSING

    def operand(self) -> Callable[[Json, Json], Json]:
        if self.take("@"):
            find = self.inner_path()
            return lambda member, document: find(member)
        if self.take("$"):
            find = self.inner_path()
            return lambda member, document: find(document)
        if self.text[self.at : self.at + 1] in ("'", '"'):
            literal: Json = self.quoted()
            return lambda member, document: literal
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return lambda member, document, value=value: value  # type: ignore[misc]
        number = self.match(_NUMBER)
        if number is None:
            self.fail("a value, '@' or '$' expected")
        constant = float(number or 0) if set(number or "") & set(".eE") else int(number or 0)
        return lambda member, document: constant

    def inner_path(self) -> Callable[[Json], Json]:
        steps = tuple(self.steps())
        if all(isinstance(step, Name | Index) for step in steps):
            return find_definite(steps)
        return find_indefinite(steps)


def _or(left: Callable[[Json, Json], bool], right: Callable[[Json, Json], bool]) -> Callable[[Json, Json], bool]:
    return lambda member, document: left(member, document) or right(member, document)


def _and(left: Callable[[Json, Json], bool], right: Callable[[Json, Json], bool]) -> Callable[[Json, Json], bool]:
    return lambda member, document: left(member, document) and right(member, document)


def _comparison(
    compare: Callable[[Any, Any], bool], left: Callable[[Json, Json], Json], right: Callable[[Json, Json], Json]
) -> Callable[[Json, Json], bool]:
    def holds(member: Json, document: Json) -> bool:
        a, b = left(member, document), right(member, document)
        return a is not MISSING and b is not MISSING and compare(a, b)

    return holds
