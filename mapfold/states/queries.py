"""Paths as queries: what a path reads from the data, the context object or a variable, or which error it is.

A `Query` takes the value that `$` stands for and the frame (for `$$` and variables), and gives a JSON value or raises
`StateError`.
"""

from __future__ import annotations

from collections.abc import Callable

from mapfold.states.context import build_context
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.json_path import MISSING, Path, compile_path
from mapfold.states.variables import read_variable

Query = Callable[[Json, Frame], Json]


def compile_path_field(text: str, *, reference: bool = False) -> Query:
    """A Path-typed field such as InputPath: a value or list, or States.Runtime `Invalid path …`."""
    path = compile_path(text, reference=reference)

    def missing(document: Json, input_: Json) -> StateError:
        return StateError("States.Runtime", f"Invalid path '{text}' : {path.explain_missing(document)}")

    return _read(path, missing)


def compile_maybe(path: Path) -> Query:
    """What `path` finds, or MISSING: for callers with an error of their own."""
    find = path.find
    if path.root == "$":
        return lambda data, frame: find(data)
    if path.root == "$$":
        return lambda data, frame: find(build_context(frame))
    name = path.root[1:]

    def read(data: Json, frame: Frame) -> Json:
        value = read_variable(name, frame)
        return MISSING if value is MISSING else find(value)

    return read


def compile_argument(text: str, field: str) -> Query:
    def missing(document: Json, input_: Json) -> StateError:
        return StateError(
            "States.Runtime",
            f"The JSONPath '{text}' specified for the field '{field}' could not be found in the input "
            f"'{encode(input_)}'",
        )

    return _read(compile_path(text), missing)


def _read(path: Path, missing: Callable[[Json, Json], StateError]) -> Query:
    find = path.find
    if path.root == "$":
        if path.is_root:
            return lambda data, frame: data

        def from_data(data: Json, frame: Frame) -> Json:
            value = find(data)
            if value is MISSING:
                raise missing(data, data)
            return value

        return from_data
    if path.root == "$$":

        def from_context(data: Json, frame: Frame) -> Json:
            context = build_context(frame)
            value = find(context)
            if value is MISSING:
                raise missing(context, data)
            return value

        return from_context
    name = path.root[1:]

    def from_variable(data: Json, frame: Frame) -> Json:
        variable = read_variable(name, frame)
        if variable is MISSING:
            raise StateError("States.Runtime", f"The variable '${name}' has not been assigned a value")
        value = find(variable)
        if value is MISSING:
            raise missing(variable, data)
        return value

    return from_variable
