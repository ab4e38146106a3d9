"""Intrinsic calls: `States.Name(argument, …)`, parsed and compiled into a query."""

from __future__ import annotations

import re
from typing import Any

import orjson

from mapfold.states.bulk import MANY, weigh
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame
from mapfold.states.intrinsics import INTRINSICS, IntrinsicError, InvalidArguments
from mapfold.states.json_path import PathSyntaxError
from mapfold.states.queries import MissingArgument, Query, compile_argument, compile_member

NESTING_LIMIT = 10
"""Intrinsic functions that one field may have."""


def compile_value(text: str, field: str) -> Query:
    """The value of a `field` that ends in `.$`, or of ErrorPath: a path or an intrinsic. Raises PathSyntaxError."""
    if text.startswith("$"):
        return compile_member(text, field)
    try:
        return CallParser(text).parse()
    except RecursionError:
        raise PathSyntaxError("the calls are nested too deeply", text, 0) from None


_FUNCTION = re.compile(r"States\.(\w+)\s*\(")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?=\s*[,)])")
_WORD = re.compile(r"(true|false|null)(?=\s*[,)])")
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}


class CallParser:
    """Reads `States.Name(argument, …)`; arguments are strings in '…', numbers, words, paths, and calls."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.calls = text.strip(), 0, 0

    def parse(self) -> Query:
        """The query of the whole call. Its errors name it as it is written, whichever inner call they come from."""
        call = self.call()
        if self.at != len(self.text):
            self.fail("unexpected character")
        return _naming(self.text, call)

    def fail(self, problem: str) -> Any:
        raise PathSyntaxError(problem, self.text, self.at)

    def call(self) -> Query:
        match = _FUNCTION.match(self.text, self.at)
        if match is None or match.group(1) not in INTRINSICS:
            self.fail("an intrinsic function expected")
        assert match is not None
        self.calls += 1
        if self.calls > NESTING_LIMIT:
            self.fail(f"more than {NESTING_LIMIT} intrinsic functions in one field")
        self.at = match.end()
        name = match.group(1)
        return _compile_call(name, self.arguments(keep_escapes=name == "Format"))

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
            return compile_argument(self.path())
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
        """A text in quotes. Only ' { } and a backslash may be escaped: the service refuses a definition with another."""
        characters: list[str] = []
        at = self.at + 1
        while at < len(self.text):
            character = self.text[at]
            if character == "'":
                self.at = at + 1
                return "".join(characters)
            if character == "\\":
                escaped = self.text[at + 1 : at + 2]
                if not escaped or escaped not in "'{}\\":
                    self.at = at
                    self.fail("a backslash escapes ', {, } and itself alone")
                characters.append(f"\\{escaped}" if keep_escapes else escaped)
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
            if quote and character == "\\":
                self.at += 1  # whatever it escapes does not end the quote
            elif quote:
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


def _compile_call(name: str, arguments: list[Query]) -> Query:
    call = INTRINSICS[name].call_with(len(arguments))
    are_many = len(arguments) >= MANY

    def run(data: Json, frame: Frame) -> Json:
        values = [argument(data, frame) for argument in arguments]
        if are_many:
            weigh(values)
        try:
            return call(values, frame.random)
        except InvalidArguments as error:
            raise IntrinsicError(f"Invalid arguments in States.{name}") from error

    return run


def _naming(text: str, call: Query) -> Query:
    def run(data: Json, frame: Frame) -> Json:
        try:
            return call(data, frame)
        except (IntrinsicError, MissingArgument) as error:
            problem = error.cause if isinstance(error, MissingArgument) else error
            # The specification's States.IntrinsicFailure is not what the service reports.
            raise StateError("States.Runtime", f"The function '{text}' had the following error: {problem}") from error

    return run
