"""JSONPath expressions in states: paths, intrinsic calls, and payload templates, compiled into `Query`s.

A `Query` takes the value that `$` stands for and the frame (for `$$` and variables), and gives a JSON value or raises
`StateError`. What is constant in a template is not copied: nobody changes a JSON value in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from mapfold.states.context import build_context
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.intrinsics import INTRINSICS, IntrinsicError
from mapfold.states.json_path import MISSING, Path, PathSyntaxError, compile_path
from mapfold.states.variables import read_variable

Query = Callable[[Json, Frame], Json]
Report = Callable[[str], None]
"""Takes the text of a problem at the field that is being compiled."""

NESTING_LIMIT = 10


def compile_path_field(text: str, *, reference: bool = False) -> Query:
    """A Path-typed field such as InputPath: a value or list, or States.Runtime `Invalid path …`."""
    path = compile_path(text, reference=reference)

    def missing(document: Json, input_: Json) -> StateError:
        return StateError("States.Runtime", f"Invalid path '{text}' : {path.explain_missing(document)}")

    return _read(path, missing)


def compile_value(text: str, field: str) -> Query:
    """The value of a `field` that ends in `.$`, or of ErrorPath: a path or an intrinsic. Raises PathSyntaxError."""
    if not text.startswith("$"):
        return _CallParser(text, field).parse()
    return _compile_argument(text, field)


def compile_maybe(path: Path) -> Query:
    """What `path` finds, or MISSING: for callers with an error of their own."""
    find = path.find
    if path.root == "$":
        return find if path.is_root else lambda data, frame: find(data)  # type: ignore[return-value]
    if path.root == "$$":
        return lambda data, frame: find(build_context(frame))
    name = path.root[1:]

    def read(data: Json, frame: Frame) -> Json:
        value = read_variable(name, frame)
        return MISSING if value is MISSING else find(value)

    return read


def compile_template(template: Json, report: Callable[[str, str], None]) -> Query:
    """Compile a payload template. `report(field, problem)` hears of each member that is wrong.

    A template without `.$` members gives the same object each time.
    """
    compiled = _compile_node(template, report)
    return compiled if callable(compiled) else lambda data, frame: template


def uses_attempt(template: Json) -> bool:
    """Whether a template reads what changes with every attempt: `$$.State.RetryCount`, `$$.Task.Token`."""
    if isinstance(template, dict):
        return any(uses_attempt(member) for member in template.values())
    if isinstance(template, list):
        return any(uses_attempt(member) for member in template)
    return isinstance(template, str) and ("RetryCount" in template or "Token" in template)


# --- paths --------------------------------------------------------------------------------------------------


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


def _compile_argument(text: str, field: str) -> Query:
    def missing(document: Json, input_: Json) -> StateError:
        return StateError(
            "States.Runtime",
            f"The JSONPath '{text}' specified for the field '{field}' could not be found in the input "
            f"'{encode(input_)}'",
        )

    return _read(compile_path(text), missing)


# --- templates ----------------------------------------------------------------------------------------------


def _compile_node(node: Json, report: Callable[[str, str], None]) -> Query | None:
    """The query of a template's node, or None where nothing below it is dynamic."""
    if isinstance(node, dict):
        return _compile_object(node, report)
    if isinstance(node, list):
        return _compile_array(node, report)
    return None


def _compile_object(node: Mapping[str, Json], report: Callable[[str, str], None]) -> Query | None:
    constants: dict[str, Json] = {}
    dynamic: list[tuple[str, Query]] = []
    for key, member in node.items():
        name = key
        query: Query | None
        if key.endswith(".$"):
            name = key[:-2]
            query = _compile_member(key, member, report)
        else:
            query = _compile_node(member, report)
        if name in constants:
            report(key, f"The field '{name}' is given twice")
        constants[name] = member  # holds the place, so that members keep their order
        if query is not None:
            dynamic.append((name, query))
    if not dynamic:
        return None
    return _build_object(constants, dynamic)


def _build_object(constants: dict[str, Json], dynamic: list[tuple[str, Query]]) -> Query:
    if len(constants) == 1:
        only, query = dynamic[0]
        return lambda data, frame: {only: query(data, frame)}

    def build(data: Json, frame: Frame) -> Json:
        value = constants.copy()
        for name, query in dynamic:
            value[name] = query(data, frame)
        return value

    return build


def _compile_member(key: str, member: Json, report: Callable[[str, str], None]) -> Query | None:
    try:
        if isinstance(member, str):
            return compile_value(member, key)
    except PathSyntaxError:
        pass
    report(key, f"The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call")
    return None


def _compile_array(node: list[Json], report: Callable[[str, str], None]) -> Query | None:
    compiled = [_compile_node(member, report) for member in node]
    if not any(compiled):
        return None
    pairs = list(zip(node, compiled, strict=True))
    return lambda data, frame: [member if query is None else query(data, frame) for member, query in pairs]


# --- intrinsic calls ----------------------------------------------------------------------------------------

_FUNCTION = re.compile(r"States\.(\w+)\s*\(")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\s*[,)])")
_WORD = re.compile(r"(true|false|null)(?=\s*[,)])")
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}


class _CallParser:
    """Reads `States.Name(argument, …)`; arguments are strings in '…', numbers, words, paths, and calls."""

    def __init__(self, text: str, field: str) -> None:
        self.text, self.field, self.at, self.calls = text.strip(), field, 0, 0

    def parse(self) -> Query:
        query = self.call()
        if self.at != len(self.text):
            self.fail("unexpected character")
        return query

    def fail(self, problem: str) -> Any:
        raise PathSyntaxError(problem, self.text, self.at)

    def call(self) -> Query:
        start = self.at
        match = _FUNCTION.match(self.text, self.at)
        if match is None or match.group(1) not in INTRINSICS:
            self.fail("an intrinsic function expected")
        assert match is not None
        self.calls += 1
        if self.calls > NESTING_LIMIT:
            self.fail(f"more than {NESTING_LIMIT} intrinsic functions in one field")
        self.at = match.end()
        name = match.group(1)
        arguments = self.arguments(keep_escapes=name == "Format")
        intrinsic = INTRINSICS[name]
        if len(arguments) < intrinsic.least or (intrinsic.most is not None and len(arguments) > intrinsic.most):
            self.fail(f"wrong number of arguments for States.{name}")
        return _compile_call(self.text[start : self.at], name, arguments)

    def arguments(self, *, keep_escapes: bool) -> list[Query]:
        arguments: list[Query] = []
        self.blanks()
        if self.text.startswith(")", self.at):
            self.at += 1
            return arguments
        while True:
            self.blanks()
            arguments.append(self.argument(keep_escapes=keep_escapes and not arguments))
            self.blanks()
            if self.text.startswith(")", self.at):
                self.at += 1
                return arguments
            if not self.text.startswith(",", self.at):
                self.fail("',' or ')' expected")
            self.at += 1

    def blanks(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def argument(self, *, keep_escapes: bool) -> Query:
        if self.text.startswith("'", self.at):
            return _constant(self.string(keep_escapes=keep_escapes))
        if self.text.startswith("$", self.at):
            return _compile_argument(self.path(), self.field)
        if self.text.startswith("States.", self.at):
            return self.call()
        for pattern in (_WORD, _NUMBER):
            match = pattern.match(self.text, self.at)
            if match is not None:
                self.at = match.end()
                return _constant(_WORDS[match.group()] if pattern is _WORD else self.number(match.group()))
        return self.fail("an argument expected")  # type: ignore[no-any-return]

    def number(self, text: str) -> int | float:
        """A number as in any JSON text: a whole one beyond 64 bits becomes a float."""
        try:
            return orjson.loads(text)  # type: ignore[no-any-return]
        except orjson.JSONDecodeError:
            return self.fail("the number is out of range")  # type: ignore[no-any-return]

    def string(self, *, keep_escapes: bool) -> str:
        characters: list[str] = []
        at = self.at + 1
        while at < len(self.text):
            character = self.text[at]
            if character == "'":
                self.at = at + 1
                return "".join(characters)
            if character == "\\" and at + 1 < len(self.text):
                escaped = self.text[at + 1]
                characters.append(escaped if escaped in "'{}\\" and not keep_escapes else f"\\{escaped}")
                at += 2
                continue
            characters.append(character)
            at += 1
        return self.fail("the quote is not closed")  # type: ignore[no-any-return]

    def path(self) -> str:
        """The text of a path, up to the comma or bracket that ends the argument."""
        start, depth, quote = self.at, 0, ""
        while self.at < len(self.text):
            character = self.text[self.at]
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character in "[(":
                depth += 1
            elif depth and character in "])":
                depth -= 1
            elif character in ",)":
                break
            self.at += 1
        return self.text[start : self.at].rstrip()


def _constant(value: Json) -> Query:
    return lambda data, frame: value


def _compile_call(text: str, name: str, arguments: list[Query]) -> Query:
    call = INTRINSICS[name].call

    def run(data: Json, frame: Frame) -> Json:
        values = [argument(data, frame) for argument in arguments]
        try:
            return call(values, frame.random)
        except IntrinsicError as error:
            raise StateError(
                "States.IntrinsicFailure", f"The function '{text}' had the following error: {error}"
            ) from error

    return run
