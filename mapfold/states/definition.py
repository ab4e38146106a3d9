"""A definition while it is being compiled: each node knows its place, and reports its problems there.

Compiling and validating are one pass. A field that is wrong is reported and read as if it were absent, so that the
rest of the definition is checked too; `compile_machine` raises all problems together at the end. What is wrong with
names and transitions (`validate.py`) is kept apart: like the service, it is told only of states that are well formed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from mapfold.errors import Problem
from mapfold.states import problems
from mapfold.states.effects import Json
from mapfold.states.inspection import Notes
from mapfold.states.json_path import REFERENCE_PROBLEMS, PathSyntaxError
from mapfold.states.jsonata import (
    HALF_OPEN,
    Expression,
    ExpressionSyntaxError,
    compile_expression,
    compile_json,
    field_path,
    is_expression,
    is_half_open,
)
from mapfold.states.queries import Query, compile_path_field
from mapfold.states.templates import compile_template

if TYPE_CHECKING:
    from mapfold.states.machine import Scope

KnowsAction = Callable[[str, str], bool]
"""(`dynamodb`, `putItem`): whether an `aws-sdk` integration has this service and action."""


class RefusesParameters(Protocol):
    """What is wrong with the parameters of an integration, by the API's model."""

    def __call__(
        self, service: str, action: str, written: Mapping[str, Json], *, has_paths: bool
    ) -> tuple[Sequence[str], Sequence[str]] | None:
        """The members that `written` lacks, and those that the action does not have; None where no model says.

        `has_paths`: names that end with `.$` have their values at run time.
        """
        ...


class Language(StrEnum):
    """A QueryLanguage."""

    JSONPATH = "JSONPath"
    JSONATA = "JSONata"

    @property
    def other(self) -> Language:
        return Language.JSONPATH if self is Language.JSONATA else Language.JSONATA


@dataclass(slots=True)
class Build:
    """What all nodes of one compilation share. `compile_scope` makes the scope of a branch or processor.

    `problems` are those of fields, `flaws` those of names and transitions. `state_names` and `labels` are those that
    have been seen so far, anywhere in the machine. `refuses_parameters` looks at those of integrations. `notes` takes
    down the steps of a state that is tested by itself.
    """

    language: Language
    compile_scope: Callable[[Node], Scope]
    knows_action: KnowsAction | None = None
    notes: Notes | None = None
    refuses_parameters: RefusesParameters | None = None
    problems: list[Problem] = field(default_factory=list)
    flaws: list[Problem] = field(default_factory=list)
    state_names: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Node:
    """An object of the definition. `at` is its place: "" for the whole, `/States/A/Catch[0]` for one inside.

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

    def problem(self, text: str, *below: str | int, code: str = problems.SCHEMA) -> None:
        """Report a problem here, or at the members that `below` names."""
        self.build.problems.append(Problem(code, text, place(self.at, *below) or "/"))

    def flaw(self, code: str, text: str, *below: str | int) -> None:
        """Report what is wrong with a name or a transition."""
        self.build.flaws.append(Problem(code, text, place(self.at, *below) or "/"))

    def child(self, fields: Mapping[str, Json], *below: str | int, name: str | None = None) -> Node:
        """The node of an object inside this one; it keeps language and mode, and the name, unless it has its own."""
        # Spelled out: `dataclasses.replace` takes thrice as long, and a definition has hundreds of nodes.
        return Node(
            fields,
            place(self.at, *below),
            self.build,
            self.language,
            self.express,
            self.name if name is None else name,
            self.outer,
            self.own,
        )

    # Reading fields. Each gives None where the field is absent or wrong, and has reported the latter.

    def has(self, *names: str) -> bool:
        return any(name in self.fields for name in names)

    def require(self, *names: str) -> bool:
        """Whether all of these fields are there; those that are not are reported together."""
        missing = [name for name in names if name not in self.fields]
        if missing:
            self.problem(problems.required(missing))
        return not missing

    def require_parameter(self, name: str) -> bool:
        """The same for one member of an integration's parameters, or of Credentials, which has words of its own."""
        if name not in self.fields:
            self.problem(problems.required_parameter(name))
        return name in self.fields

    def only_one_of(self, *names: str) -> None:
        """Report fields that exclude each other."""
        if sum(name in self.fields for name in names) > 1:
            self.problem(problems.only_one_of(names))

    def check_fields(self, allowed: Sequence[str] | frozenset[str], other: Sequence[str] | frozenset[str] = ()) -> None:
        """Report every field that is neither `allowed` nor, as `other` are, one of the other query language."""
        for name in self.fields:
            if name in allowed:
                continue
            if name in other:
                self.problem(problems.wrong_language(name, self.language, self.language.other))
            else:
                self.problem(problems.unsupported(name))

    def string(self, name: str) -> str | None:
        value = self.fields.get(name)
        return value if isinstance(value, str) else self._mistyped(name, "String")

    def boolean(self, name: str) -> bool | None:
        value = self.fields.get(name)
        return value if isinstance(value, bool) else self._mistyped(name, "Boolean")

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self.string(name)
        if value is None or value in allowed:
            return value
        self.problem(problems.one_of_values(name, allowed), name)
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
        return value if self._in_bounds(name, value, float(least), None if most is None else float(most)) else None

    def object(self, name: str) -> Node | None:
        value = self.fields.get(name)
        return self.child(value, name) if isinstance(value, dict) else self._mistyped(name, "Object")

    def array(self, name: str, *, least: int = 1) -> list[Json]:
        value = self.fields.get(name)
        if not isinstance(value, list):
            self._mistyped(name, "Array")
            return []
        if len(value) < least:
            self.problem(problems.EMPTY, name)
        return value

    def objects(self, name: str) -> list[Node]:
        """The objects of an array field, each with its place."""
        nodes = []
        for index, member in enumerate(self.array(name)):
            if isinstance(member, dict):
                nodes.append(self.child(member, name, index))
            else:
                self.problem(problems.expected("Object"), name, index)
        return nodes

    def _mistyped(self, name: str, type_: str) -> Any:
        """Report a field that is there and of the wrong type. Gives None, which stands for an absent field."""
        if name in self.fields:
            self.problem(problems.expected(type_), name)

    def _in_bounds(self, name: str, value: float, least: float, most: float | None) -> bool:
        if value < least:
            self.problem(problems.minimum(least), name)
        elif most is not None and value > most:
            self.problem(problems.maximum(most), name)
        else:
            return True
        return False

    # Expressions

    def path(
        self,
        name: str,
        *,
        reference: bool = False,
        context: bool = True,
        compile_: Callable[[str], Query] | None = None,
    ) -> Query | None:
        """A Path or reference path field of a JSONPath state; `compile_` where it is a reference path, but no plain one.

        Without `context` it may not start with `$$`.
        """
        text = self.string(name)
        if text is None:
            return None
        try:
            if not context and text.startswith("$$"):
                raise PathSyntaxError("the context object is not for this field", text, 0)
            return compile_(text) if compile_ else compile_path_field(text, reference=reference)
        except PathSyntaxError as error:
            self.path_problem(error, name, reference=reference or compile_ is not None)
            return None

    def path_problem(self, error: PathSyntaxError, name: str, *, reference: bool) -> None:
        """Report a field that holds no path, in the words of the service, which gives few reasons."""
        if not reference:
            self.problem(problems.NO_JSON_PATH, name)
            return
        reason = error.problem if error.problem in REFERENCE_PROBLEMS else ""
        self.problem(problems.no_reference_path(reason), name)

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
            field=self.field_path(name),
            extra=extra,
            report=lambda at, text, code: self.problem(text, f"{name}{at}", code=code),
        )

    def expression(self, name: str, *, extra: str | None = None) -> Expression | None:
        """A field whose string is an expression; None where it is not one."""
        text = self.fields.get(name)
        if not isinstance(text, str):
            return None
        if is_half_open(text):
            self.problem(HALF_OPEN, name, code=problems.JSONATA)
            return None
        if not is_expression(text):
            return None
        try:
            return compile_expression(text, field=self.field_path(name), extra=extra)
        except ExpressionSyntaxError as error:
            for problem in error.texts:
                self.problem(problem, name, code=error.code)
            return None

    def field_path(self, name: str) -> str:
        """How causes name the field `name` of this node: from the state on, `Choices[0]/Condition`."""
        return field_path(self.at, self.name, name)

    def holds_expression(self, name: str) -> bool:
        """Whether the field is for `expression`: a string with a delimiter, in a JSONata state."""
        text = self.fields.get(name)
        return self.is_jsonata and isinstance(text, str) and (is_expression(text) or is_half_open(text))


def place(at: str, *below: str | int) -> str:
    """The place of what lies `below` another: `/States/A` and `Catch`, 0, `Next` give `/States/A/Catch[0]/Next`."""
    return at + "".join(f"[{part}]" if isinstance(part, int) else f"/{part}" for part in below)
