"""What is wrong with a text that should be JSON, in the words of the parser that the service uses (Jackson).

    Unexpected character ('k' (code 107)): was expecting double-quote to start field name
     at [Source: (String)"{key: 1}"; line: 1, column: 3]

Only for texts that were refused: it walks them again, character by character, to the first fault. Jackson's sentences
and its way of counting (the column of the next character to read, from 1) are those of its releases 2.10 to 2.12, which
name the source like this. Of Step Functions' answers the sentence is all: messages that are quoted since 2022 have no
place (before, they had one, and the name of Jackson's exception).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Source = Literal["String", "byte[]"]
_UNITS: Final[dict[Source, str]] = {"String": "chars", "byte[]": "bytes"}
SNIPPET = 500
"""Characters of the source that a message shows."""
LONGEST_TOKEN = 256
VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
LITERALS = {"t": "true", "f": "false", "n": "null"}
NON_STANDARD = {"N": "NaN", "I": "Infinity"}
ESCAPES = '"\\/bfnrt'
TRAILING = "Trailing characters after the JSON value"


def name_fault(text: str) -> str:
    """The sentence for the first fault of `text`; a general one where no fault is found."""
    problem, _ = _first_fault(_Walk(text, "String"))
    return problem


def explain_fault(text: str, source: Source = "String") -> str:
    """As `name_fault`, and where the fault is.

    `source` is what the service's parser read it from: Lambda's reads a payload's bytes. Of those, too, what is counted
    are characters: columns are AWS's where the text before is ASCII.
    """
    problem, place = _first_fault(_Walk(text, source))
    return problem if place is None else f"{problem}\n at {place}"


def _first_fault(walk: _Walk) -> tuple[str, str | None]:
    try:
        walk.document()
    except _Fault as fault:
        return fault.problem, walk.place(walk.at)
    return "Invalid JSON", None


class _Fault(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(slots=True)
class _Scope:
    """An open array or object, and where its bracket is (the index after it)."""

    kind: str  # "Array" | "Object"
    start: int
    begun: bool = False


class _Walk:
    """Reads a document as the parser does, an iteration a token: nesting costs no recursion."""

    def __init__(self, text: str, source: Source) -> None:
        self.text = text
        self.source = source
        self.at = 0
        """The index of the next character to read."""
        self._scopes: list[_Scope] = []

    def place(self, at: int, *, column: int | None = None) -> str:
        """`[Source: (String)"…"; line: 1, column: 3]`, for the moment when `at` characters had been read."""
        shown = self.text[:SNIPPET]
        left = len(self.text) - len(shown)
        more = f"[truncated {left} {_UNITS[self.source]}]" if left else ""
        row = self.text.rfind("\n", 0, at) + 1
        line = self.text.count("\n", 0, at) + 1
        column = at - row + 1 if column is None else column
        return f'[Source: ({self.source})"{shown}"{more}; line: {line}, column: {column}]'

    def document(self) -> None:
        """One value and the white space around it. Raises _Fault."""
        self._value(self._next_or_end())
        while self._scopes:
            self._member()
        if self._skip_space():
            raise _Fault(TRAILING)

    # --- structure ------------------------------------------------------------------------------------------

    def _member(self) -> None:
        """What comes next in the innermost open scope: its end, or a member."""
        scope = self._scopes[-1]
        char = self._next_or_end()
        if char in "]}":
            self._close(char)
            return
        if scope.begun:
            if char != ",":
                raise self._unexpected(char, f"was expecting comma to separate {scope.kind} entries")
            char = self._next_or_end(f" within/between {scope.kind} entries")
        scope.begun = True
        if scope.kind == "Object":
            if char != '"':
                raise self._unexpected(char, "was expecting double-quote to start field name")
            self._string("name", " in field name")
            char = self._next_or_end(" within/between Object entries")
            if char != ":":
                raise self._unexpected(char, "was expecting a colon to separate field name and value")
            char = self._next_or_end(" within/between Object entries")
        self._value(char)

    def _close(self, char: str) -> None:
        scope = self._scopes[-1]
        expected = "]" if scope.kind == "Array" else "}"
        if char != expected:
            started = self.place(scope.start, column=self._column(scope.start) - 1)
            raise _Fault(
                f"Unexpected close marker '{char}': expected '{expected}' (for {scope.kind} starting at {started})"
            )
        self._scopes.pop()

    def _value(self, char: str) -> None:
        if char == '"':
            self._string("string value", ": was expecting closing quote for a string value")
        elif char in "[{":
            self._scopes.append(_Scope("Array" if char == "[" else "Object", self.at))
        elif char in LITERALS:
            self._literal(LITERALS[char])
        elif char == "-" or (char.isascii() and char.isdigit()):
            self._number(char)
        elif char == "}":
            raise self._unexpected(char, "expected a value")
        else:
            raise self._odd(char)

    # --- scalars --------------------------------------------------------------------------------------------

    def _literal(self, word: str) -> None:
        for length in range(1, len(word)):
            if self._peek() != word[length]:
                raise self._unrecognized(word[:length])
            self.at += 1
        if _is_part(self._peek()):
            raise self._unrecognized(word)

    def _odd(self, char: str) -> _Fault:
        word = NON_STANDARD.get(char)
        if word is not None and self.text.startswith(word, self.at - 1):
            self.at += len(word) - 1
            feature = "JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS"
            return _Fault(f"Non-standard token '{word}': enable {feature} to allow")
        if char.isalpha() or char in "_$":
            return self._unrecognized(char)
        return self._unexpected(char, f"expected a valid value {VALUES}")

    def _unrecognized(self, begun: str) -> _Fault:
        token = begun
        while _is_part(self._peek()):
            token += self.text[self.at]
            self.at += 1
            if len(token) >= LONGEST_TOKEN:
                token += "..."
                break
        return _Fault(f"Unrecognized token '{token}': was expecting {VALUES}")

    def _number(self, char: str) -> None:
        if char == "-":
            char = self._next_in_number("expected digit (0-9) to follow minus sign, for valid numeric value")
        if char == "0" and _is_digit(self._peek()):
            raise _Fault("Invalid numeric value: Leading zeroes not allowed")
        self._digits()
        if self._peek() == ".":
            self.at += 1
            self._next_in_number("Decimal point not followed by a digit")
            self._digits()
        if self._peek() in ("e", "E"):
            self.at += 1
            if self._peek() in ("+", "-"):
                self.at += 1
            self._next_in_number("Exponent indicator not followed by a digit")
            self._digits()
        if not self._scopes and self._peek().strip():
            self.at += 1
            raise self._unexpected(self.text[self.at - 1], "Expected space separating root-level values")

    def _digits(self) -> None:
        while _is_digit(self._peek()):
            self.at += 1

    def _next_in_number(self, rule: str) -> str:
        char = self._peek()
        if not char:
            raise _Fault("Unexpected end-of-input: in number value")
        self.at += 1
        if not _is_digit(char):
            raise _Fault(f"Unexpected character ({_described(char)}) in numeric value: {rule}")
        return char

    def _string(self, what: str, unended: str) -> None:
        while True:
            char = self._peek()
            if not char:
                raise _Fault(f"Unexpected end-of-input{unended}")
            self.at += 1
            if char == '"':
                return
            if char == "\\":
                self._escape()
            elif char < " ":
                rule = f"has to be escaped using backslash to be included in {what}"
                raise _Fault(f"Illegal unquoted character ({_described(char)}): {rule}")

    def _escape(self) -> None:
        char = self._peek()
        if not char:
            raise _Fault("Unexpected end-of-input in character escape sequence")
        self.at += 1
        if char != "u":
            if char not in ESCAPES:
                raise _Fault(f"Unrecognized character escape {_described(char)}")
            return
        for _ in range(4):
            digit = self._peek()
            if not digit:
                raise _Fault("Unexpected end-of-input in character escape sequence")
            self.at += 1
            if digit not in "0123456789abcdefABCDEF":
                raise self._unexpected(digit, "expected a hex-digit for character escape sequence")

    # --- characters -----------------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip_space(self) -> str:
        """The next character that is no white space, not yet read; "" at the end."""
        while (char := self._peek()) in (" ", "\t", "\n", "\r") and char:
            self.at += 1
        return char

    def _next_or_end(self, where: str | None = None) -> str:
        """Read the next character that is no white space. `where`: what the end of the text is called there."""
        char = self._skip_space()
        if char:
            self.at += 1
            return char
        if where is None and self._scopes:
            scope = self._scopes[-1]
            started = self.place(scope.start, column=self._column(scope.start) - 1)
            where = f": expected close marker for {scope.kind} (start marker at {started})"
        raise _Fault(f"Unexpected end-of-input{where or ''}")

    def _column(self, at: int) -> int:
        return at - self.text.rfind("\n", 0, at)

    def _unexpected(self, char: str, rule: str) -> _Fault:
        return _Fault(f"Unexpected character ({_described(char)}): {rule}")


def _described(char: str) -> str:
    """`'k' (code 107)`, as the parser shows a character."""
    code = ord(char)
    if code < 0x20 or 0x7F <= code <= 0x9F:
        return f"(CTRL-CHAR, code {code})"
    return f"'{char}' (code {code} / 0x{code:x})" if code > 255 else f"'{char}' (code {code})"


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdigit()


def _is_part(char: str) -> bool:
    """Whether a character may go on with a token: Java's isJavaIdentifierPart."""
    return char.isalnum() or (char != "" and char in "_$")
