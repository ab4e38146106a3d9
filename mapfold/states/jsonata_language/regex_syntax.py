"""Regular expressions of JavaScript: from their text to instructions for the machine in `regexes.py`.

Sets of characters become patterns of Python's `re`, which is quick at them and cannot run away over one of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

STR, SET, RUN, SPLIT, JUMP, SAVE, START, END, WORD, BACKREF, LOOK, LOOP, ITERATION, REPEAT, MATCH = range(15)
"""Instructions: a text, one character of a set, many of them, a choice of two ways, a jump, a group's border, the two
ends of text or line, a word's border, what a group matched, a look ahead or behind, a loop's head, the begin of an
iteration, its end, and the end of all.
"""

UNBOUNDED: Final = 2**31
_LAST: Final = 0x10FFFF
_DIGITS: Final = ((0x30, 0x39),)
_WORDS: Final = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_BLANKS: Final = (
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
    (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
_LINE_ENDS: Final = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_CLASSES: Final = {"d": _DIGITS, "w": _WORDS, "s": _BLANKS}
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
_QUANTIFIER = re.compile(r"\{(\d+)(,?)(\d*)\}")
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?=>)")
_HEX = {"x": re.compile(r"[0-9a-fA-F]{2}"), "u": re.compile(r"[0-9a-fA-F]{4}")}

Ranges = tuple[tuple[int, int], ...]
Instruction = tuple[Any, ...]


class RegexSyntaxError(ValueError):
    """A regular expression that is none."""


@dataclass(slots=True)
class Instructions:
    """A compiled expression: its code, how many groups it has, and how many registers it needs beside theirs."""

    code: list[Instruction] = field(default_factory=list)
    groups: int = 0
    loops: int = 0


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of an expression. `ranges` are there where it is one character of a set."""

    code: list[Instruction]
    ranges: Ranges | None = None
    negated: bool = False
    text: str = ""


def compile_pattern(source: str, *, ignore_case: bool, multiline: bool) -> Instructions:
    """Compile the text between the slashes. Raises RegexSyntaxError."""
    return _Compiler(source, ignore_case=ignore_case, multiline=multiline).compile()


class _Compiler:
    """Reads an expression from left to right. Jumps in a piece of code are relative to the instruction they are in."""

    def __init__(self, source: str, *, ignore_case: bool, multiline: bool) -> None:
        self.source, self.at = source, 0
        self.ignore_case, self.multiline = ignore_case, multiline
        self.result = Instructions()
        self.names: dict[str, int] = {}

    def compile(self) -> Instructions:
        code = self._alternatives()
        if self.at < len(self.source):
            raise RegexSyntaxError("Unmatched ')'")
        self.result.code = [(SAVE, 0), *code, (SAVE, 1), (MATCH,)]
        return self.result

    def _peek(self, count: int = 1) -> str:
        return self.source[self.at : self.at + count]

    def _take(self, text: str) -> bool:
        if not self.source.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def _alternatives(self) -> list[Instruction]:
        code = self._sequence()
        if not self._take("|"):
            return code
        rest = self._alternatives()
        return [(SPLIT, 1, len(code) + 2), *code, (JUMP, len(rest) + 1), *rest]

    def _sequence(self) -> list[Instruction]:
        pieces: list[_Piece] = []
        while self.at < len(self.source) and self._peek() not in ("|", ")"):
            piece = self._assertion()
            pieces.append(piece if piece is not None else self._quantified())
        return _joined(pieces, self._text)

    def _text(self, text: str) -> Instruction:
        return (STR, text, len(text), re.compile(re.escape(text), re.IGNORECASE) if self.ignore_case else None)

    # Assertions

    def _assertion(self) -> _Piece | None:
        if self._take("^"):
            return _Piece([(START, self.multiline)])
        if self._take("$"):
            return _Piece([(END, self.multiline)])
        if self._take(r"\b"):
            return _Piece([(WORD, True)])
        if self._take(r"\B"):
            return _Piece([(WORD, False)])
        for opening, negative, behind in (("(?<=", False, True), ("(?<!", True, True), ("(?!", True, False)):
            if self._take(opening):
                return self._look(negative=negative, behind=behind)
        return self._quantify(self._look(negative=False, behind=False)) if self._take("(?=") else None

    def _look(self, *, negative: bool, behind: bool) -> _Piece:
        code = self._group_body()
        return _Piece([(LOOK, negative, behind, [*code, (MATCH,)])])

    def _group_body(self) -> list[Instruction]:
        code = self._alternatives()
        if not self._take(")"):
            raise RegexSyntaxError("Unterminated group")
        return code

    # Atoms

    def _quantified(self) -> _Piece:
        first_group = self.result.groups + 1
        return self._quantify(self._atom(), first_group)

    def _atom(self) -> _Piece:
        char = self._peek()
        self.at += 1
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return self._set(_LINE_ENDS, negated=True)
        if char == "\\":
            return self._escape()
        if char in "*+?" or (char == "{" and _QUANTIFIER.match(self.source, self.at - 1)):
            raise RegexSyntaxError("Nothing to repeat")
        return self._char(char)

    def _char(self, char: str) -> _Piece:
        return _Piece([self._text(char)], ((ord(char), ord(char)),), text=char)

    def _set(self, ranges: Ranges, *, negated: bool) -> _Piece:
        pattern = re.compile(_set_pattern(ranges, negated=negated), self._flags())
        return _Piece([(SET, pattern)], ranges, negated)

    def _flags(self) -> re.RegexFlag:
        return re.IGNORECASE if self.ignore_case else re.NOFLAG

    def _group(self) -> _Piece:
        if self._take("?:"):
            return _Piece(self._group_body())
        name = None
        if self._take("?<"):
            match = _NAME.match(self.source, self.at)
            if match is None:
                raise RegexSyntaxError("Invalid capture group name")
            name = match.group()
            self.at = match.end() + 1
        elif self._peek() == "?":
            raise RegexSyntaxError("Invalid group")
        self.result.groups += 1
        number = self.result.groups
        if name is not None and self.names.setdefault(name, number) != number:
            raise RegexSyntaxError("Duplicate capture group name")
        return _Piece([(SAVE, 2 * number), *self._group_body(), (SAVE, 2 * number + 1)])

    def _escape(self) -> _Piece:
        char = self._peek()
        if not char:
            raise RegexSyntaxError("\\ at end of pattern")
        if char.lower() in _CLASSES:
            self.at += 1
            return self._set(_CLASSES[char.lower()], negated=char.isupper())
        number = re.compile(r"[1-9]\d*").match(self.source, self.at)
        if number is not None and _bounded(number.group()) <= self.source.count("("):
            self.at = number.end()
            return _Piece([(BACKREF, int(number.group()), self.ignore_case)])
        if char == "k" and self._peek(2) == "k<":
            match = _NAME.match(self.source, self.at + 2)
            if match is not None and match.group() in self.names:
                self.at = match.end() + 1
                return _Piece([(BACKREF, self.names[match.group()], self.ignore_case)])
        return self._char(self._escaped_char())

    def _escaped_char(self) -> str:
        """The character that an escape stands for; the backslash has been read."""
        char = self._peek()
        self.at += 1
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in _HEX:
            match = _HEX[char].match(self.source, self.at)
            if match is not None:
                self.at = match.end()
                return chr(int(match.group(), 16))
        if char == "c" and self._peek().isascii() and self._peek().isalpha():
            self.at += 1
            return chr(ord(self.source[self.at - 1]) % 32)
        return char

    def _class(self) -> _Piece:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            if self.at >= len(self.source):
                raise RegexSyntaxError("Unterminated character class")
            first = self._class_member()
            if self._peek() == "-" and self._peek(2)[1:] not in ("]", "") and isinstance(first, str):
                self.at += 1
                last = self._class_member()
                if isinstance(last, str):
                    if ord(last) < ord(first):
                        raise RegexSyntaxError("Range out of order in character class")
                    ranges.append((ord(first), ord(last)))
                    continue
                ranges += [(ord(first), ord(first)), (0x2D, 0x2D), *last]
                continue
            ranges += [(ord(first), ord(first))] if isinstance(first, str) else first
        return self._set(tuple(ranges), negated=negated)

    def _class_member(self) -> str | Ranges:
        char = self._peek()
        self.at += 1
        if char != "\\":
            return char
        kind = self._peek()
        if kind and kind.lower() in _CLASSES:
            self.at += 1
            ranges = _CLASSES[kind.lower()]
            return _complement(ranges) if kind.isupper() else ranges
        if kind == "b":
            self.at += 1
            return "\b"
        if not kind:
            raise RegexSyntaxError("\\ at end of pattern")
        return self._escaped_char()

    # Quantifiers

    def _quantify(self, piece: _Piece, first_group: int = 0) -> _Piece:
        bounds = self._bounds()
        if bounds is None:
            return piece
        least, most = bounds
        lazy = self._take("?")
        if piece.ranges is not None:
            return self._run(piece, least, most, lazy=lazy)
        loop = self.result.loops
        self.result.loops += 1
        groups = (first_group, self.result.groups)
        size = len(piece.code)
        body = [(ITERATION, loop, groups), *piece.code, (REPEAT, loop, least, -(size + 2))]
        return _Piece([(LOOP, loop, None), (LOOP, loop, (least, most, lazy, size + 3)), *body])

    def _bounds(self) -> tuple[int, int] | None:
        for char, bounds in (("*", (0, UNBOUNDED)), ("+", (1, UNBOUNDED)), ("?", (0, 1))):
            if self._take(char):
                return bounds
        match = _QUANTIFIER.match(self.source, self.at)
        if match is None:
            return None
        self.at = match.end()
        least = _bounded(match.group(1))
        most = least if not match.group(2) else _bounded(match.group(3)) if match.group(3) else UNBOUNDED
        if most < least:
            raise RegexSyntaxError("numbers out of order in {} quantifier")
        return least, most

    def _run(self, piece: _Piece, least: int, most: int, *, lazy: bool) -> _Piece:
        assert piece.ranges is not None
        one = _set_pattern(piece.ranges, negated=piece.negated)
        count = "" if most == UNBOUNDED else str(most)
        greedy = re.compile(f"{one}*" if most == UNBOUNDED else f"{one}{{0,{count}}}", self._flags())
        some = re.compile(f"{one}+" if most == UNBOUNDED else f"{one}{{1,{count}}}" if most else one, self._flags())
        return _Piece([(RUN, greedy, least, lazy, re.compile(one, self._flags()), some)])


def _bounded(digits: str) -> int:
    """A count; beyond UNBOUNDED, however many digits it has, it is no other."""
    return min(int(digits), UNBOUNDED) if len(digits) < 100 else UNBOUNDED


def _joined(pieces: list[_Piece], text_of: Any) -> list[Instruction]:
    """The code of pieces one after the other; characters in a row become one text."""
    code: list[Instruction] = []
    text = ""
    for piece in pieces:
        if piece.text:
            text += piece.text
            continue
        if text:
            code.append(text_of(text))
            text = ""
        code += piece.code
    if text:
        code.append(text_of(text))
    return code


def _set_pattern(ranges: Ranges, *, negated: bool) -> str:
    """A set as Python writes it."""
    if not ranges:
        return r"[\s\S]" if negated else r"[^\s\S]"
    inner = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
    return f"[{'^' if negated else ''}{inner}]"


def _complement(ranges: Ranges) -> Ranges:
    """All characters that are in none of the ranges, which are in order."""
    found = []
    start = 0
    for first, last in ranges:
        if first > start:
            found.append((start, first - 1))
        start = last + 1
    return (*found, (start, _LAST))
