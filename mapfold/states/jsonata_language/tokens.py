"""From the text of an expression to tokens."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from mapfold.states.jsonata_language.errors import JsonataError
from mapfold.states.jsonata_language.regexes import Regex, compile_regex

BINDING = {
    ".": 75,
    "[": 80,
    "]": 0,
    "{": 70,
    "}": 0,
    "(": 80,
    ")": 0,
    ",": 0,
    "@": 80,
    "#": 80,
    ";": 80,
    ":": 80,
    "?": 20,
    "+": 50,
    "-": 50,
    "*": 60,
    "/": 60,
    "%": 60,
    "|": 20,
    "=": 40,
    "<": 40,
    ">": 40,
    "^": 40,
    "**": 60,
    "..": 20,
    ":=": 10,
    "!=": 40,
    "<=": 40,
    ">=": 40,
    "~>": 40,
    "and": 30,
    "or": 25,
    "in": 40,
    "&": 50,
    "!": 0,
    "~": 0,
}
"""How strongly each operator binds. `!` and `~` are none, but end a name."""

_PAIRS = ("..", ":=", "!=", ">=", "<=", "**", "~>")
_SINGLES = frozenset(operator for operator in BINDING if len(operator) == 1)
_BLANKS = " \t\n\r\v"
_NAME_END = re.compile(r"[ \t\n\r\v.\[\]{}(),@#;:?+\-*/%|=<>^&!~]|\Z")
_NUMBER = re.compile(r"-?(0|([1-9][0-9]*))(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_HEX = re.compile(r"[0-9a-fA-F]{1,4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `kind` is operator, string, number, value, name, variable or regex."""

    kind: str
    value: Any


class Tokenizer:
    """Gives the tokens of an expression one by one. Raises JsonataError (S01xx, S03xx)."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def next(self, *, after_operand: bool) -> Token | None:
        """The next token, None at the end. After an operand `/` divides; elsewhere it opens a regular expression."""
        text = self.text
        if not self._skip():
            return None
        char = text[self.at]
        if char == "/" and not after_operand:
            self.at += 1
            return Token("regex", self._scan_regex())
        pair = text[self.at : self.at + 2]
        if pair in _PAIRS:
            self.at += 2
            return Token("operator", pair)
        if char in _SINGLES:
            self.at += 1
            return Token("operator", char)
        if char in "\"'":
            self.at += 1
            return Token("string", self._scan_string(char))
        number = _NUMBER.match(text, self.at)
        if number is not None:
            return self._take_number(number.group())
        return self._scan_quoted_name() if char == "`" else self._scan_name()

    def _skip(self) -> bool:
        """Go past blanks and comments; whether anything is left."""
        text, length = self.text, len(self.text)
        while self.at < length:
            if text[self.at] in _BLANKS:
                self.at += 1
            elif text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                if end == -1:
                    raise JsonataError("S0106")
                self.at = end + 2
            else:
                return True
        return False

    def _take_number(self, digits: str) -> Token:
        number = float(digits)
        if not math.isfinite(number):
            raise JsonataError("S0102", token=digits)
        self.at += len(digits)
        return Token("number", int(number) if number.is_integer() and abs(number) < 2**53 else number)

    def _scan_string(self, quote: str) -> str:
        text, length = self.text, len(self.text)
        pieces: list[str] = []
        while self.at < length:
            char = text[self.at]
            if char == "\\":
                self.at += 1
                char = self._scan_escape(text[self.at : self.at + 1])
            elif char == quote:
                self.at += 1
                return _joined(pieces)
            pieces.append(char)
            self.at += 1
        raise JsonataError("S0101")

    def _scan_escape(self, char: str) -> str:
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char != "u":
            raise JsonataError("S0103", token=char)
        octets = _HEX.fullmatch(self.text[self.at + 1 : self.at + 5])
        if octets is None:
            raise JsonataError("S0104")
        self.at += 4
        return chr(int(octets.group(), 16))

    def _scan_regex(self) -> Regex:
        text, start, depth = self.text, self.at, 0
        while self.at < len(text):
            char = text[self.at]
            if char == "/" and depth == 0 and not self._is_escaped():
                source = text[start : self.at]
                if not source:
                    raise JsonataError("S0301")
                self.at += 1
                return compile_regex(source, self._scan_flags())
            if text[self.at - 1] != "\\":
                depth += (char in "([{") - (char in ")]}")
            self.at += 1
        raise JsonataError("S0302")

    def _is_escaped(self) -> bool:
        before = self.text[: self.at]
        return (len(before) - len(before.rstrip("\\"))) % 2 == 1

    def _scan_flags(self) -> str:
        start = self.at
        while self.text[self.at : self.at + 1] in ("i", "m"):
            self.at += 1
        return self.text[start : self.at]

    def _scan_quoted_name(self) -> Token:
        end = self.text.find("`", self.at + 1)
        if end == -1:
            raise JsonataError("S0105")
        name = self.text[self.at + 1 : end]
        self.at = end + 1
        return Token("name", name)

    def _scan_name(self) -> Token:
        end = _NAME_END.search(self.text, self.at)
        assert end is not None
        name = self.text[self.at : end.start()]
        self.at = end.start()
        if name.startswith("$"):
            return Token("variable", name[1:])
        if name in ("and", "or", "in"):
            return Token("operator", name)
        if name in _CONSTANTS:
            return Token("value", _CONSTANTS[name])
        return Token("name", name)


def _joined(pieces: list[str]) -> str:
    """The string, with escaped surrogates as the characters they stand for; a lone one stands for none."""
    text = "".join(pieces)
    if not any("\ud800" <= piece <= "\udfff" for piece in pieces):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
