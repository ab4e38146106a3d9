"""Paths as queries: what a path reads from the data, the context object or a variable, or which error it is.

A `Query` takes the value that `$` stands for and the frame (for `$$` and variables), and gives a JSON value or raises
`StateError`.
"""

from __future__ import annotations

from collections.abc import Callable

from mapfold.states.context import build_context
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.json_path import MISSING, InvalidPathError, Path, PathConflict, compile_path
from mapfold.states.json_path_steps import Name
from mapfold.states.variables import read_variable
from mapfold.states.visit import WorkFailed

Query = Callable[[Json, Frame], Json]

Explain = Callable[[Json, Frame], StateError]
"""Takes the document that a path found nothing in; gives the error that this is."""


_NO_INPUT = "Unable to apply Path transformation to null or empty input."


class MissingArgument(StateError):
    """A path in an intrinsic call found nothing: the error of the whole call, which says in which call it was."""


def compile_path_field(text: str, *, reference: bool = False) -> Query:
    """A Path-typed field such as InputPath: a value or list, or States.Runtime `Invalid path …`.

    But for a reference path: an index past the end of an array, at the end of the path, finds null.
    """
    path = compile_path(text, reference=reference)

    def missing(document: Json, frame: Frame) -> StateError:
        if document is None:
            return StateError("States.Runtime", _NO_INPUT)
        return StateError("States.Runtime", f"Invalid path '{text}' : {_explain(path, document)}")

    return _read(path, missing, past_end_is_null=not reference)


def compile_reference_field(text: str) -> Query:
    """A reference path that leads to what a state works on, such as ItemsPath.

    One that finds nothing is States.ReferencePathConflict, whose cause the service gives without saying which state.
    """
    path = compile_path(text, reference=True)

    def missing(document: Json, frame: Frame) -> StateError:
        try:
            path.read(document)
        except PathConflict as conflict:
            return conflict_error(path, conflict, document, frame)
        raise AssertionError(f"{text} was missing and is not")

    return _read(path, missing)


def compile_maybe(path: Path) -> Query:
    """What a reference path finds, or MISSING: for callers with an error of their own."""
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


def compile_member(text: str, field: str) -> Query:
    """The path of a template's member, or of ErrorPath: what it finds, or States.Runtime with the document's text.

    An index past the end of an array, at the end of the path, finds null.
    """
    path = compile_path(text)

    def missing(document: Json, frame: Frame) -> StateError:
        if document is None:
            return StateError("States.Runtime", _NO_INPUT)
        return StateError(
            "States.Runtime",
            f"The JSONPath '{text}' specified for the field '{field}' could not be found in the input "
            f"'{_text_of(document, frame)}'",
        )

    return _read(path, missing, takes_null=False, past_end_is_null=True)


def compile_argument(text: str) -> Query:
    """A path that is an argument of an intrinsic function. An index past the end of an array finds null here too."""
    path = compile_path(text)

    def missing(document: Json, frame: Frame) -> StateError:
        try:
            path.explain_missing(document)
            path.find(document)
        except InvalidPathError as error:
            return MissingArgument("States.Runtime", str(error))
        return MissingArgument(
            "States.Runtime",
            f"The JsonPath argument for the field '{text}' could not be found in the input "
            f"'{_text_of(document, frame)}'",
        )

    return _read(path, missing, past_end_is_null=True)


def conflict_error(path: Path, conflict: PathConflict, document: Json, frame: Frame) -> WorkFailed:
    """States.ReferencePathConflict, for a reference path that cannot be applied to the document."""
    tried = f"ReferencePath {path.text}" if conflict.step is None else f'step "{conflict.step}"'
    return WorkFailed("States.ReferencePathConflict", f"Unable to apply {tried} to input {_text_of(document, frame)}")


def _text_of(document: Json, frame: Frame) -> str:
    """The document as causes show it: as it was written, if it came through unchanged."""
    return frame.known_text if document is frame.known else encode(document)


def _explain(path: Path, document: Json) -> str:
    try:
        path.find(document)
        return path.explain_missing(document)
    except InvalidPathError as error:
        return str(error)


def _lenient(find: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def look(document: Json) -> Json:
        try:
            return find(document)
        except InvalidPathError:
            return MISSING

    return look


def _read(path: Path, missing: Explain, *, takes_null: bool = True, past_end_is_null: bool = False) -> Query:
    """The query of a path. With `takes_null` False, `$` of an input that is null is an error too.

    `past_end_is_null`: the service's library reads an element that is not there as null (seen in templates), where
    the service does not go by itself from step to step, as it does for reference paths and in a Choice.
    """
    find = path.find if path.definite else _lenient(path.find)

    def find_nothing(document: Json, frame: Frame) -> Json:
        if past_end_is_null and path.is_past_end(document):
            return None
        raise missing(document, frame)

    if path.root == "$":
        return _read_data(path, find, find_nothing, takes_null=takes_null)
    if path.root == "$$":

        def from_context(data: Json, frame: Frame) -> Json:
            context = build_context(frame)
            value = find(context)
            return find_nothing(context, frame) if value is MISSING else value

        return from_context
    name = path.root[1:]

    def from_variable(data: Json, frame: Frame) -> Json:
        variable = read_variable(name, frame)
        if variable is MISSING:
            raise StateError("States.Runtime", f"The variable '${name}' has not been assigned a value")
        value = find(variable)
        return find_nothing(variable, frame) if value is MISSING else value

    return from_variable


def _read_data(path: Path, find: Callable[[Json], Json], find_nothing: Query, *, takes_null: bool) -> Query:
    if path.is_root and takes_null:
        return lambda data, frame: data
    if path.is_root:

        def whole(data: Json, frame: Frame) -> Json:
            return find_nothing(data, frame) if data is None else data

        return whole

    if len(path.steps) == 1 and isinstance(path.steps[0], Name):
        only = path.steps[0].name

        def member(data: Json, frame: Frame) -> Json:  # most paths are this: without a call of `find`
            value = data.get(only, MISSING) if isinstance(data, dict) else MISSING
            return find_nothing(data, frame) if value is MISSING else value

        return member

    def from_data(data: Json, frame: Frame) -> Json:
        value = find(data)
        return find_nothing(data, frame) if value is MISSING else value

    return from_data
