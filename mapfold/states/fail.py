"""Fail: ends its scope as failed, with an error and a cause of the author's."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states import problems, visit
from mapfold.states.definition import Node
from mapfold.states.effects import Effect, FailScope, Json, StateError, Transition
from mapfold.states.frame import Frame, encode
from mapfold.states.intrinsic_calls import compile_value
from mapfold.states.json_path import PathSyntaxError
from mapfold.states.jsonata import wrong_type
from mapfold.states.queries import Query

TEXT_INTRINSICS = ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
"""The intrinsic functions that ErrorPath and CausePath take."""


@dataclass(frozen=True, slots=True)
class Fail:
    """A Fail state. `error` and `cause` give text, or are None where the definition has none."""

    entered_type: ClassVar[str] = "FailStateEntered"

    name: str
    error: Query | None
    cause: Query | None

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """Fail the scope. There is no FailStateExited."""
        before = frame.previous
        visit.enter(self.entered_type, self.name, data, frame)
        try:
            error = None if self.error is None else self.error(data, frame)
            cause = None if self.cause is None else self.cause(data, frame)
        except StateError as failure:
            return visit.fail(failure, before, frame)
        return FailScope(error, cause)
        yield  # never reached: it makes this a generator, as every state is


def compile_fail(node: Node) -> Fail:
    """The Fail state `node`."""
    return Fail(node.name, _compile_text(node, "Error"), _compile_text(node, "Cause"))


def _compile_text(node: Node, name: str) -> Query | None:
    twin = f"{name}Path"
    node.only_one_of(name, twin)
    if not node.is_jsonata and node.has(twin):
        return _compile_path(node, twin)
    if node.holds_expression(name):
        return compile_text_expression(node, name)
    text = node.string(name)
    return None if text is None else lambda data, frame: text


def _compile_path(node: Node, twin: str) -> Query | None:
    text = node.string(twin)
    if text is None:
        return None
    allowed = text.startswith(("$", *(f"States.{name}" for name in TEXT_INTRINSICS)))
    try:
        find = compile_value(text, twin) if allowed else None
    except PathSyntaxError:
        find = None
    if find is None:
        node.problem(problems.no_path_or_call(twin), twin)
        return None

    def read(data: Json, frame: Frame) -> Json:
        value = find(data, frame)
        if not isinstance(value, str):
            raise StateError("States.Runtime", f"The {twin} field must refer to a string, not {encode(value)}: {text}")
        return value

    return read


def compile_text_expression(node: Node, name: str) -> Query | None:
    """A field whose expression has to give a string."""
    evaluate = node.expression(name)
    if evaluate is None:
        return None
    source = node.fields[name][2:-2].strip()
    field = node.field_path(name)

    def read(data: Json, frame: Frame) -> Json:
        value = evaluate(data, None, frame)
        if not isinstance(value, str):
            raise wrong_type(source, field, "string", value)
        return value

    return read
