"""Integers by a picture (XPath's fn:format-integer): digits with separators, letters, Roman numerals, words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

from mapfold.states.jsonata_language.builtins.number_words import number_to_words, words_pattern, words_to_number
from mapfold.states.jsonata_language.errors import JsonataError
from mapfold.states.jsonata_language.text import number_text

_DIGIT_GROUPS = (
    0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
)  # fmt: skip
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_ROMAN_VALUES = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}
_ORDINALS = {"1": "st", "2": "nd", "3": "rd"}
_KINDS = {
    "A": ("letters", "upper"),
    "a": ("letters", "lower"),
    "I": ("roman", "upper"),
    "i": ("roman", "lower"),
    "W": ("words", "upper"),
    "Ww": ("words", "title"),
    "w": ("words", "lower"),
}
_LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")
_MOST_ROMAN = 1_000_000
"""Beyond it a numeral would be thousands of letters long."""


@dataclass(slots=True)
class IntegerPicture:
    """A picture, analysed. `separators` are (digits to the right, character); `regular` is the repeat of the first
    where they stand at equal distances, else 0. `digits` bounds how many digits a date's component has.
    """

    kind: str = "decimal"
    case: str = "lower"
    is_ordinal: bool = False
    zero: int = 0x30
    mandatory: int = 0
    optional: int = 0
    separators: list[tuple[int, str]] = field(default_factory=list)
    regular: int = 0
    digits: int = 0
    token: str = ""


def analyse(picture: str) -> IntegerPicture:
    """Read a picture. Raises D3131."""
    primary, semicolon, modifier = picture.rpartition(";")
    if not semicolon:
        primary, modifier = picture, ""
    is_ordinal = modifier.startswith("o")
    if primary in _KINDS:
        kind, case = _KINDS[primary]
        return IntegerPicture(kind=kind, case=case, is_ordinal=is_ordinal)
    return replace(_analyse_decimal(primary), is_ordinal=is_ordinal)


def _analyse_decimal(primary: str) -> IntegerPicture:
    found = IntegerPicture()
    zero: int | None = None
    position = 0
    for char in reversed(primary):
        group = next((start for start in _DIGIT_GROUPS if start <= ord(char) <= start + 9), None)
        if group is not None:
            if zero is not None and group != zero:
                raise JsonataError("D3131")
            zero = group
            found.mandatory += 1
            position += 1
        elif char == "#":
            found.optional += 1
            position += 1
        else:
            found.separators.append((position, char))
    if zero is None:
        return IntegerPicture(kind="sequence", token=primary)
    found.zero = zero
    found.regular = _regular_repeat(found.separators)
    return found


def _regular_repeat(separators: list[tuple[int, str]]) -> int:
    if not separators or len({char for _, char in separators}) > 1:
        return 0
    return regular_factor([position for position, _ in separators])


def regular_factor(positions: list[int]) -> int:
    """The distance at which positions repeat without a gap, or 0."""
    if not positions:
        return 0
    factor = math.gcd(*positions)
    return factor if all(index * factor in positions for index in range(1, len(positions) + 1)) else 0


def format_integer(number: float, picture: str) -> str:
    """A number, rounded down, by a picture. Raises D3130, D3131."""
    return write_integer(math.floor(number), analyse(picture))


def write_integer(number: int, picture: IntegerPicture) -> str:
    """A whole number by an analysed picture."""
    written = _WRITERS[picture.kind](abs(number), picture)
    return f"-{written}" if number < 0 else written


def _write_letters(number: int, picture: IntegerPicture) -> str:
    first = ord("A" if picture.case == "upper" else "a")
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(first + rest) + letters
    return letters


def _write_roman(number: int, picture: IntegerPicture) -> str:
    number = min(number, _MOST_ROMAN)
    numeral = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        numeral += letters * count
    return numeral.upper() if picture.case == "upper" else numeral


def _write_words(number: int, picture: IntegerPicture) -> str:
    words = number_to_words(number, ordinal=picture.is_ordinal)
    return words.upper() if picture.case == "upper" else words.lower() if picture.case == "lower" else words


def _write_decimal(number: int, picture: IntegerPicture) -> str:
    written = number_text(number).rjust(picture.mandatory, "0")
    if picture.zero != 0x30:
        written = "".join(chr(ord(char) + picture.zero - 0x30) for char in written)
    if picture.regular:
        written = _separate(written, picture.regular, picture.separators[0][1])
    else:
        for position, char in reversed(picture.separators):
            place = len(written) - position
            written = written[: max(place, 0)] + char + written[max(place, 0) :]
    if picture.is_ordinal:
        is_teen = len(written) > 1 and written[-2] == "1"
        written += "th" if is_teen else _ORDINALS.get(written[-1], "th")
    return written


def _separate(digits: str, repeat: int, char: str) -> str:
    for count in range((len(digits) - 1) // repeat, 0, -1):
        place = len(digits) - count * repeat
        digits = digits[:place] + char + digits[place:]
    return digits


def _refuse(number: Any, picture: IntegerPicture) -> Any:
    raise JsonataError("D3130", value=picture.token)


_WRITERS = {
    "letters": _write_letters,
    "roman": _write_roman,
    "words": _write_words,
    "decimal": _write_decimal,
    "sequence": _refuse,
}


def parse_integer(text: str, picture: str) -> Any:
    """The number that a text stands for by a picture; NaN where it does not. Raises D3130, D3131."""
    return read_integer(text, analyse(picture))


def read_integer(text: str, picture: IntegerPicture) -> Any:
    """A number written by an analysed picture."""
    return _READERS[picture.kind](text, picture)


def _read_letters(text: str, picture: IntegerPicture) -> int:
    first = ord("A" if picture.case == "upper" else "a")
    number = 0
    for letter in text:
        number = number * 26 + ord(letter) - first + 1
    return number


def _read_roman(text: str, picture: IntegerPicture) -> float:
    number, largest = 0, 1
    for letter in reversed(text if picture.case == "upper" else text.upper()):
        value = _ROMAN_VALUES.get(letter)
        if value is None:
            return math.nan
        if value < largest:
            number -= value
        else:
            largest = value
            number += value
    return number


def _read_words(text: str, picture: IntegerPicture) -> float:
    return words_to_number(text.lower())


def _read_decimal(text: str, picture: IntegerPicture) -> float:
    digits = text[:-2] if picture.is_ordinal else text
    for char in {","} if picture.regular else {char for _, char in picture.separators}:
        digits = digits.replace(char, "")
    if picture.zero != 0x30:
        digits = "".join(chr(ord(char) - picture.zero + 0x30) if ord(char) >= picture.zero else char for char in digits)
    match = _LEADING_INTEGER.match(digits)
    return math.nan if match is None else int(match.group(1))


_READERS = {
    "letters": _read_letters,
    "roman": _read_roman,
    "words": _read_words,
    "decimal": _read_decimal,
    "sequence": _refuse,
}


def integer_regex(picture: IntegerPicture) -> str:
    """The pattern of what a picture writes, for parsing dates."""
    upper = picture.case == "upper"
    if picture.kind == "letters":
        return "[A-Z]+" if upper else "[a-z]+"
    if picture.kind == "roman":
        return "[MDCLXVI]+" if upper else "[mdclxvi]+"
    if picture.kind == "words":
        return words_pattern()
    if picture.kind == "sequence":
        raise JsonataError("D3130", value=picture.token)
    count = "+"
    if picture.digits > 0:
        least = picture.digits - picture.optional
        count = f"{{{picture.digits}}}" if picture.optional == 0 else f"{{{least},{picture.digits}}}"
    return f"[0-9]{count}" + ("(?:th|st|nd|rd)" if picture.is_ordinal else "")
