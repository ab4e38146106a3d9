"""A definition while it is being compiled: each node knows its place, and reports its problems there.

Compiling and validating are one pass. A field that is wrong is reported and read as if it were absent, so that the
rest of the definition is checked too; `compile_machine` raises all problems together at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mapfold.errors import Problem
from mapfold.states.effects import Json
from mapfold.states.frame import encode
from mapfold.states.json_path import REFERENCE_PROBLEMS, PathSyntaxError
from mapfold.states.jsonata import (
    Expression,
    ExpressionSyntaxError,
    compile_expression,
    compile_json,
    is_expression,
    is_half_open,
)
from mapfold.states.queries import Query, compile_path_field
from mapfold.states.templates import compile_template

if TYPE_CHECKING:
    from mapfold.states.machine import Scope

SCHEMA = "SCHEMA_VALIDATION_FAILED"


class Language(StrEnum):
    """A QueryLanguage."""

    JSONPATH = "JSONPath"
    JSONATA = "JSONata"


@dataclass(slots=True)
class Build:
    """What all nodes of one compilation share. `compile_scope` makes the scope of a branch or processor."""

    language: Language
    compile_scope: Callable[[Node], Scope]
    problems: list[Problem] = field(default_factory=list)
    state_places: dict[str, str] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Node:
    """An object of the definition. `at` is its JSON pointer.

    `outer` are the variables that outer scopes assign anywhere, `own` those of the node's own scope.
    """

    fields: Mapping[str, Json]
    at: str
    build: Build
    language: Language
    express: bool = False
    name: str = ""
    outer: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    @property
    def is_jsonata(self) -> bool:
        return self.language is Language.JSONATA

    def problem(self, text: str, *below: str | int, code: str = SCHEMA) -> None:
        """Report a problem here, or at the members that `below` names."""
        self.build.problems.append(Problem(code, text, pointer(self.at, *below)))

    def child(self, fields: Mapping[str, Json], *below: str | int) -> Node:
        """The node of an object inside this one; it keeps language, mode and name."""
        return replace(self, fields=fields, at=pointer(self.at, *below))

    # Reading fields. Each gives None where the field is absent or wrong, and has reported the latter.

    def has(self, *names: str) -> bool:
        return any(name in self.fields for name in names)

    def require(self, name: str) -> bool:
        if name not in self.fields:
            self.problem(f"The field '{name}' is required but was missing")
        return name in self.fields

    def string(self, name: str) -> str | None:
        value = self.fields.get(name)
        return value if isinstance(value, str) else self._mistyped(name, "String")

    def boolean(self, name: str) -> bool | None:
        value = self.fields.get(name)
        return value if isinstance(value, bool) else self._mistyped(name, "Boolean")

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self.fields.get(name)
        if name not in self.fields or value in allowed:
            return value
        self.problem(f"The field '{name}' should have one of these values: [{', '.join(allowed)}]", name)
        return None

    def integer(self, name: str, *, least: int, most: int | None = None) -> int | None:
        value = self.fields.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._mistyped(name, "Integer")
            return None
        return int(value) if self._in_bounds(name, value, least, most) else None

    def number(self, name: str, *, least: float, most: float | None = None) -> float | None:
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._mistyped(name, "Number")
            return None
        return value if self._in_bounds(name, value, least, most) else None

    def object(self, name: str) -> Node | None:
        value = self.fields.get(name)
        return self.child(value, name) if isinstance(value, dict) else self._mistyped(name, "Object")

    def array(self, name: str, *, least: int = 1) -> list[Json]:
        value = self.fields.get(name)
        if not isinstance(value, list):
            self._mistyped(name, "Array")
            return []
        if len(value) < least:
            self.problem("Value cannot be empty", name)
        return value

    def objects(self, name: str) -> list[Node]:
        """The objects of an array field, each with its place."""
        nodes = []
        for index, member in enumerate(self.array(name)):
            if isinstance(member, dict):
                nodes.append(self.child(member, name, index))
            else:
                self.problem("Expected value of type Object", name, index)
        return nodes

    def _mistyped(self, name: str, type_: str) -> Any:
        """Report a field that is there and of the wrong type. Gives None, which stands for an absent field."""
        if name in self.fields:
            self.problem(f"Expected value of type {type_}, but was {_brief(self.fields[name])}", name)

    def _in_bounds(self, name: str, value: float, least: float, most: float | None) -> bool:
        if value < least:
            self.problem(f"{value} must be greater than or equal to {least}", name)
        elif most is not None and value > most:
            self.problem(f"{value} must be less than or equal to {most}", name)
        else:
            return True
        return False

    # Expressions

    def path(
        self, name: str, *, reference: bool = False, compile_: Callable[[str], Query] | None = None
    ) -> Query | None:
        """A Path or reference path field of a JSONPath state; `compile_` where it is no plain one."""
        text = self.string(name)
        if text is None:
            return None
        try:
            return compile_(text) if compile_ else compile_path_field(text, reference=reference)
        except PathSyntaxError as error:
            self.path_problem(error, name, reference=reference or compile_ is not None)
            return None

    def path_problem(self, error: PathSyntaxError, name: str, *, reference: bool) -> None:
        """Report a field that holds no path, in the words of the service, which gives few reasons."""
        if not reference:
            self.problem("Value must be a valid JSONPath.", name)
            return
        reason = error.problem if error.problem in REFERENCE_PROBLEMS else ""
        self.problem(f"Value is not a Reference Path{reason and f': {reason}'}", name)

    def template(self, name: str) -> Query | None:
        """A payload template field."""
        if name not in self.fields:
            return None
        if not isinstance(self.fields[name], dict):
            self._mistyped(name, "Object")
            return None
        return compile_template(self.fields[name], lambda field_, text: self.problem(text, name))

    def json(self, name: str, *, extra: str | None = None) -> Expression | None:
        """A field of a JSONata state that holds JSON with expressions anywhere in it."""
        if name not in self.fields:
            return None
        return compile_json(
            self.fields[name],
            field=name,
            extra=extra,
            report=lambda at, text: self.problem(text, *[part for part in f"{name}{at}".split("/") if part]),
        )

    def expression(self, name: str, *, extra: str | None = None, field: str | None = None) -> Expression | None:
        """A field whose string is an expression; None where it is not one."""
        text = self.fields.get(name)
        if not isinstance(text, str):
            return None
        if is_half_open(text):
            self.problem("A JSONata expression must start with '{%' and end with '%}'", name)
            return None
        if not is_expression(text):
            return None
        try:
            return compile_expression(text, field=field or name, extra=extra)
        except ExpressionSyntaxError as error:
            self.problem(str(error), name)
            return None

    def holds_expression(self, name: str) -> bool:
        """Whether the field is for `expression`: a string with a delimiter, in a JSONata state."""
        text = self.fields.get(name)
        return self.is_jsonata and isinstance(text, str) and (is_expression(text) or is_half_open(text))


def pointer(at: str, *below: str | int) -> str:
    """The JSON pointer of what lies `below` the place `at`."""
    return at + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in below)


def _brief(value: Json) -> str:
    text = encode(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
