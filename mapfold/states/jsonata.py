"""JSONata in states: expressions between `{%` and `%}`, compiled once.

What differs from plain JSONata is the service's: there is no input document, `$states` and the variables are bound,
`$eval` is gone, six functions are added (`jsonata_functions.py`), and an undefined result is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from mapfold.states import problems
from mapfold.states.bulk import MANY, weigh
from mapfold.states.context import build_context
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.intrinsics import new_uuid
from mapfold.states.jsonata_functions import FUNCTIONS
from mapfold.states.jsonata_language import (
    DEPTH_EXCEEDED,
    UNDEFINED,
    InternalFailure,
    JsonataError,
    LimitExceeded,
    Node,
    Program,
    compile_program,
    is_function,
    number_text,
)
from mapfold.states.jsonata_misuse import find_misuse, reads_context

Expression = Callable[[Json, Json, Frame], Json]
"""Takes the state's input, its result or error output (where `$states` has one), and the frame."""
Report = Callable[[str, str, str], None]
"""Hears of a problem: where it is below the field (`/a[0]`), its text, and its code."""

LARGEST_EXACT = 2**53
LARGEST_INTEGER = 2**63
"""Up to here a double is written as a whole number, with the digits that JavaScript gives it."""


class ExpressionSyntaxError(ValueError):
    """An expression that is no JSONata, or (`code` says so) that reads what it may not read: `texts`, each a problem."""

    def __init__(self, code: str, *texts: str) -> None:
        super().__init__("; ".join(texts))
        self.code, self.texts = code, texts


class _Unsupported(Exception):
    """A function as the result of an expression."""


def is_expression(text: str) -> bool:
    """Whether a string has both delimiters, and so is an expression."""
    return len(text) >= 4 and text.startswith("{%") and text.endswith("%}")


def is_half_open(text: str) -> bool:
    """Whether only one of the delimiters is there, which the service refuses."""
    return text.startswith("{%") != text.endswith("%}")


def compile_expression(text: str, *, field: str, extra: str | None = None) -> Expression:
    """Compile `{% … %}`. `field` is its place in error causes (`Assign/x`).

    `extra` names what `$states` has beside input and context here: "result", "errorOutput" or None.
    Raises ExpressionSyntaxError.
    """
    source = text[2:-2].strip()
    about = f"The JSONata expression '{source}' specified for the field '{field}'"
    try:
        program = compile_program(source, FUNCTIONS)
    except JsonataError as error:
        raise ExpressionSyntaxError(problems.JSONATA, error.message) from error
    except RecursionError:
        return _overflowing(about, field)
    misused = find_misuse(program.tree, extra)
    if misused:
        raise ExpressionSyntaxError(problems.JSONATA_MISUSE, *map(_refusal, misused))
    evaluate = _evaluator(program, about, field, extra)
    return _direct(program.tree, extra, evaluate) or evaluate


def _refusal(reference: str) -> str:
    where = "" if reference.startswith("$states.") else " at the top level"
    return f"Reference to '{reference}'{where} is not supported."


def compile_json(value: Json, *, field: str, extra: str | None, report: Report) -> Expression:
    """Compile a JSON value with expressions at any depth; `report` hears of the wrong ones.

    A value without expressions is given as it is, each time the same.
    """
    compiled = _compile_node(value, field, extra, report, "")
    if compiled is None:
        return lambda input_, result, frame: value
    return compiled if _count_expressions(value) < MANY else _weighed(compiled)


def _count_expressions(value: Json) -> int:
    if isinstance(value, dict | list):
        return sum(map(_count_expressions, value.values() if isinstance(value, dict) else value))
    return int(isinstance(value, str) and is_expression(value))


def _weighed(expression: Expression) -> Expression:
    def build(input_: Json, result: Json, frame: Frame) -> Json:
        value = expression(input_, result, frame)
        weigh(value)
        return value

    return build


def field_path(at: str, state: str, name: str) -> str:
    """How causes name the field `name` of the object at the place `at`: from its state on, `Choices[0]/Condition`."""
    inside = at.rpartition(f"/States/{state}")[2] if f"/States/{state}" in at else ""
    path = "".join(f"[{part}]" if part.isdecimal() else f"/{part}" for part in inside.split("/")[1:])
    return f"{path}/{name}".removeprefix("/")


def wrong_type(source: str, field: str, expected: str, value: Json) -> StateError:
    """The error for an expression that gave a value of the wrong type."""
    return StateError(
        "States.QueryEvaluationError",
        f"The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result type. "
        f"Expected '{expected}', but was '{type_name(value)}' for value: {encode(value)}",
        location=field,
    )


def type_name(value: Json) -> str:
    """The type of a JSON value as causes name it."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


# --- compiling ----------------------------------------------------------------------------------------------


def _compile_node(value: Json, field: str, extra: str | None, report: Report, at: str) -> Expression | None:
    """The expression of a JSON value, or None where there is none in it."""
    if isinstance(value, str):
        return _compile_text(value, field, extra, report, at)
    if isinstance(value, dict):
        members = {
            key: _compile_node(member, f"{field}/{key}", extra, report, f"{at}/{key}") for key, member in value.items()
        }
        return _object_builder(value, {key: made for key, made in members.items() if made})
    if isinstance(value, list):
        items = [
            _compile_node(member, f"{field}[{index}]", extra, report, f"{at}[{index}]")
            for index, member in enumerate(value)
        ]
        return _array_builder(value, items) if any(items) else None
    return None


def _compile_text(text: str, field: str, extra: str | None, report: Report, at: str) -> Expression | None:
    if is_half_open(text):
        report(at, HALF_OPEN, problems.JSONATA)
        return None
    if not is_expression(text):
        return None
    try:
        return compile_expression(text, field=field, extra=extra)
    except ExpressionSyntaxError as error:
        for problem in error.texts:
            report(at, problem, error.code)
        return None


HALF_OPEN = "A JSONata expression must start with '{%' and end with '%}'"


def _object_builder(value: dict[str, Json], members: dict[str, Expression]) -> Expression | None:
    if not members:
        return None
    pairs = tuple(members.items())

    def build(input_: Json, result: Json, frame: Frame) -> Json:
        built = value.copy()
        for key, member in pairs:
            built[key] = member(input_, result, frame)
        return built

    return build


def _array_builder(value: list[Json], items: list[Expression | None]) -> Expression:
    pairs = tuple(zip(value, items, strict=True))
    return lambda input_, result, frame: [
        member if item is None else item(input_, result, frame) for member, item in pairs
    ]


# --- evaluating ---------------------------------------------------------------------------------------------


def _direct(tree: Node, extra: str | None, evaluate: Expression) -> Expression | None:
    """`$states.input.a.b` and the like: members are read without an evaluation, which the rest is left to."""
    names = _member_names(tree)
    if names is None or names[0] not in ("input", extra):
        return None
    from_input = names[0] == "input"
    path = tuple(names[1:])

    def read(input_: Json, result: Json, frame: Frame) -> Json:
        value = source = input_ if from_input else result
        for name in path:
            if type(value) is not dict or name not in value:
                return evaluate(input_, result, frame)
            value = value[name]
        kind = type(value)
        if kind is dict or kind is list:
            # Text is searched faster than a value is gone through, and the frame mostly has it at hand.
            text = frame.known_text if source is frame.known else encode(value)
            return _plain(value) if ".0" in text or _EXPONENT.search(text) else value
        return value if kind is not float else _plain_number(value)

    return read


_EXPONENT = re.compile(r"[eE](?<=[0-9].)[-+0-9]")
"""What a number with an exponent has in it. To look for its `e` first takes two thirds of the time."""


def _member_names(tree: Node) -> list[str] | None:
    """The names after `$states` in a path that is nothing else; None for any other expression."""
    if tree.kind != "path" or tree.group is not None or tree.keeps_singleton or len(tree.steps) < 2:
        return None
    first, *rest = tree.steps
    if first.kind != "variable" or first.value != "states":
        return None
    if any(step.stages or step.predicates or step.is_tuple or step.keeps_array for step in tree.steps):
        return None
    return [str(step.value) for step in rest] if all(step.kind == "name" for step in rest) else None


def _evaluator(program: Program, about: str, field: str, extra: str | None) -> Expression:
    # The context object costs as much as a small expression: it is made only for one that may read it.
    needs_context = reads_context(program.tree)

    def evaluate(input_: Json, result: Json, frame: Frame) -> Json:
        states: dict[str, Json] = {"input": input_}
        if needs_context:
            states["context"] = build_context(frame)
        if extra is not None:
            states[extra] = result
        return _checked(program, about, field, {"states": states}, frame)

    return evaluate


def _checked(program: Program, about: str, field: str, names: dict[str, Json], frame: Frame) -> Json:
    outer = frame.outer
    try:
        scopes = (outer, frame.variables, names) if outer else (frame.variables, names)
        value = program.evaluate(scopes, frame.clock, frame.random)
        if value is not UNDEFINED:
            return _plain(value)
    except JsonataError as error:
        raise _failure(f"{about} threw an error during evaluation. {error}", field) from error
    except LimitExceeded as error:
        raise _failure(f"{about} threw an error during evaluation: {error}", field) from error
    except RecursionError as error:
        raise _failure(f"{about} threw an error during evaluation: {DEPTH_EXCEEDED}", field) from error
    except _Unsupported as error:
        raise _failure(f"{about} returned an unsupported result type.", field) from error
    except (InternalFailure, TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        # What JavaScript would trip over, such as a native function that is partially applied to the wrong types.
        shown = new_uuid(frame.random)
        raise _failure(f"{about} threw an internal error during evaluation. {shown}", field) from error
    raise _failure(f"{about} returned nothing (undefined).", field)


def _overflowing(about: str, field: str) -> Expression:
    """An expression that nests so deep that it cannot even be compiled: it fails when it is evaluated."""

    def evaluate(input_: Json, result: Json, frame: Frame) -> Json:
        raise _failure(f"{about} threw an error during evaluation: {DEPTH_EXCEEDED}", field)

    return evaluate


def _failure(cause: str, field: str) -> StateError:
    return StateError("States.QueryEvaluationError", cause, location=field)


def _plain(value: Any) -> Json:
    """The result as plain JSON. Raises _Unsupported for functions."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int or kind is float:
        return _plain_number(value)
    if kind is dict:
        return {key: _plain(member) for key, member in value.items() if member is not UNDEFINED}
    if isinstance(value, list):
        return [None if member is UNDEFINED else _plain(member) for member in value]
    if is_function(value):
        raise _Unsupported
    raise TypeError(f"no JSON: {kind}")


def _plain_number(number: float) -> Json:
    """A number as JSON: whole ones without a fraction. What is not finite is its name, as seen on the service."""
    if type(number) is int:
        return number if -(2**63) <= number < 2**64 else float(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if not number.is_integer() or abs(number) >= LARGEST_INTEGER:
        return number
    return int(number) if abs(number) < LARGEST_EXACT else int(number_text(number))
