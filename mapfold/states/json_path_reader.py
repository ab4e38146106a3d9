"""The scanner that the parsers of paths and of their filters stand on: one text, read from left to right."""

from __future__ import annotations

import re
from typing import Any

_INTEGER = re.compile(r"-?\d+")
_MOST_DIGITS = 100
"""Of an index, zeros before it included: Python reads no number of thousands."""


class PathSyntaxError(ValueError):
    """A path that is none. The text points at the character: `position` counts from 0."""

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(f"{problem} at character {position + 1} of '{text}'")
        self.problem, self.text, self.position = problem, text, position


class Reader:
    """A text and the place `at` which it is read."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def fail(self, problem: str) -> Any:
        raise PathSyntaxError(problem, self.text, self.at)

    def take(self, token: str) -> bool:
        """Whether `token` comes next; if so it is read."""
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            self.fail(f"'{token}' expected")

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """What `pattern` matches here, which is read, or None."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def blanks(self) -> None:
        while self.text.startswith(" ", self.at):
            self.at += 1

    def peek(self) -> str:
        """The next character, or an empty string at the end."""
        return self.text[self.at : self.at + 1]

    def integer(self) -> int:
        digits = self.match(_INTEGER)
        if digits is None:
            self.fail("an index expected")
        return self.whole(digits or "0")

    def whole(self, digits: str) -> int:
        """An index of 32 bits, as Java's are."""
        if len(digits) > _MOST_DIGITS or not -(2**31) <= int(digits) < 2**31:
            self.fail("the index is out of range")
        return int(digits)

    def quoted(self) -> str:
        """A string in single or double quotes; a backslash takes the next character as it is."""
        quote = self.peek()
        if quote not in ("'", '"'):
            self.fail("a name in quotes expected")
        start = self.at
        self.at += 1
        characters: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == quote:
                return "".join(characters)
            if character == "\\" and self.at < len(self.text):
                character = self.text[self.at]
                self.at += 1
            characters.append(character)
        self.at = start
        return self.fail("the quote is not closed")  # type: ignore[no-any-return]
