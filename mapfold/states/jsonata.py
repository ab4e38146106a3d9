"""JSONata in states: expressions between `{%` and `%}`, compiled once by the library `jsonata-python`.

What differs from plain JSONata is the service's: there is no input document, `$states` and the variables are bound,
`$eval` is gone, six functions are added, and an undefined result is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonata import Jsonata  # type: ignore[import-untyped]
from jsonata.jexception import JException  # type: ignore[import-untyped]

from mapfold.states import problems
from mapfold.states.context import build_context
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.jsonata_functions import NULL, UnsupportedResult, added_functions, plain
from mapfold.states.jsonata_misuse import find_misuse
from mapfold.states.variables import visible_variables

Expression = Callable[[Json, Json, Frame], Json]
"""Takes the state's input, its result or error output (where `$states` has one), and the frame."""

TIME_LIMIT_SECONDS = 1.0


class ExpressionSyntaxError(ValueError):
    """An expression that is no JSONata, or (`code` says so) that reads what it may not read."""

    def __init__(self, problem: str, *, code: str = problems.JSONATA) -> None:
        super().__init__(problem)
        self.code = code


def is_expression(text: str) -> bool:
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
    try:
        program = Jsonata(source)
    except (JException, IndexError, AttributeError, TypeError) as error:
        raise ExpressionSyntaxError(str(error)) from error
    problem = next(find_misuse(program.ast, extra), None)
    if problem is not None:
        raise ExpressionSyntaxError(problem, code=problems.JSONATA_MISUSE)
    program.set_validate_input(False)
    program.set_output_convert_nulls(False)
    program.environment.bind("eval", None)  # a name bound to nothing hides the library's own
    if source == "$states.input":
        return lambda input_, result, frame: input_
    if source == f"$states.{extra}":
        return lambda input_, result, frame: result
    return _evaluator(program, source, field, extra)


def compile_json(value: Json, *, field: str, extra: str | None, report: Callable[..., None]) -> Expression:
    """Compile a JSON value with expressions at any depth; `report(pointer, problem)` hears of the wrong ones."""
    compiled = _compile_node(value, field, extra, report, "")
    return compiled or (lambda input_, result, frame: value)


def wrong_type(source: str, field: str, expected: str, value: Json) -> StateError:
    """The error for an expression that gave a value of the wrong type."""
    return StateError(
        "States.QueryEvaluationError",
        f"The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result type. "
        f"Expected '{expected}', but was '{type_name(value)}' for value: {encode(value)}",
        location=field,
    )


def type_name(value: Json) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


# --- compiling ----------------------------------------------------------------------------------------------


def _compile_node(
    value: Json, field: str, extra: str | None, report: Callable[..., None], at: str
) -> Expression | None:
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


def _compile_text(text: str, field: str, extra: str | None, report: Callable[..., None], at: str) -> Expression | None:
    if is_half_open(text):
        report(at, "A JSONata expression must start with '{%' and end with '%}'")
        return None
    if not is_expression(text):
        return None
    try:
        return compile_expression(text, field=field, extra=extra)
    except ExpressionSyntaxError as error:
        report(at, str(error), error.code)
        return None


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


def _evaluator(program: Jsonata, source: str, field: str, extra: str | None) -> Expression:
    # The context object costs as much as a small expression: it is made only for one that may read it.
    needs_context = "context" in source or "$states" in source.replace("$states.", "")

    def evaluate(input_: Json, result: Json, frame: Frame) -> Json:
        states: dict[str, Json] = {"input": input_}
        if needs_context:
            states["context"] = build_context(frame)
        if extra is not None:
            states[extra] = result
        bindings: dict[str, Any] = {
            name: NULL if value is None else value for name, value in visible_variables(frame).items()
        }
        bindings["states"] = states
        bindings["__evaluate_entry"] = _Guard(frame.clock)
        if _reads_functions(source):
            bindings.update(added_functions(frame.random))
        return _checked(program, source, field, bindings)

    return evaluate


def _reads_functions(source: str) -> bool:
    return any(name in source for name in ("$partition", "$range", "$hash", "$random", "$uuid", "$parse"))


def _checked(program: Jsonata, source: str, field: str, bindings: dict[str, Any]) -> Json:
    about = f"The JSONata expression '{source}' specified for the field '{field}'"
    try:
        value = program.evaluate(None, bindings)
        if value is None:
            raise StateError("States.QueryEvaluationError", f"{about} returned nothing (undefined).", location=field)
        return plain(value)
    except UnsupportedResult as error:
        raise StateError(
            "States.QueryEvaluationError", f"{about} returned an unsupported result type.", location=field
        ) from error
    except _OutOfTime as error:
        raise _thrown(about, "Expression evaluation timeout", field) from error
    except RecursionError as error:
        raise _thrown(about, "Stack overflow error", field) from error
    except MemoryError as error:
        raise _thrown(about, "Expression evaluation memory limit exceeded", field) from error
    except JException as error:
        raise _thrown(about, f"{error.error}: {error}", field) from error
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        # The library lets Python's own errors out where JSONata has an error of its own.
        raise _thrown(about, str(error), field) from error


def _thrown(about: str, what: str, field: str) -> StateError:
    return StateError(
        "States.QueryEvaluationError", f"{about} threw an error during evaluation. {what}", location=field
    )


class _OutOfTime(Exception):
    pass


class _Guard:
    """Called at every node: stops an expression after a second. It looks at the clock at every 256th call."""

    __slots__ = ("calls", "clock", "until")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.calls, self.until = clock, 0, 0.0

    def __call__(self, node: Any, input_: Any, environment: Any) -> None:
        self.calls += 1
        if self.calls & 255 == 0:
            if self.until == 0.0:
                self.until = self.clock() + TIME_LIMIT_SECONDS
            elif self.clock() > self.until:
                raise _OutOfTime
