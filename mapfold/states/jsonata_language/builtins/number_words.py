"""English words for numbers, and back."""

from __future__ import annotations

import math
import re

_FEW = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
]
_ORDINALS = [
    "Zeroth",
    "First",
    "Second",
    "Third",
    "Fourth",
    "Fifth",
    "Sixth",
    "Seventh",
    "Eighth",
    "Ninth",
    "Tenth",
    "Eleventh",
    "Twelfth",
    "Thirteenth",
    "Fourteenth",
    "Fifteenth",
    "Sixteenth",
    "Seventeenth",
    "Eighteenth",
    "Nineteenth",
]
_DECADES = ["Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety", "Hundred"]
_MAGNITUDES = ["Thousand", "Million", "Billion", "Trillion"]


def _all_values() -> dict[str, int]:
    values = {word.lower(): number for words in (_FEW, _ORDINALS) for number, word in enumerate(words)}
    for place, word in enumerate(_DECADES):
        values[word.lower()] = (place + 2) * 10
        values[f"{word.lower()[:-1]}ieth"] = (place + 2) * 10
    values["hundredth"] = 100
    for place, word in enumerate(_MAGNITUDES):
        values[word.lower()] = values[f"{word.lower()}th"] = 1000 ** (place + 1)
    return values


_VALUES = _all_values()
_BETWEEN = re.compile(r",\s|\sand\s|[\s\\-]")


def number_to_words(number: int, *, ordinal: bool) -> str:
    """The words of a number, each with a capital: `Two Thousand and Twelve`."""
    return _words(number, joins=False, ordinal=ordinal)


def _words(number: int, *, joins: bool, ordinal: bool) -> str:
    if number <= 19:
        return (" and " if joins else "") + (_ORDINALS if ordinal else _FEW)[number]
    if number < 100:
        return _decade_words(number, joins=joins, ordinal=ordinal)
    if number < 1000:
        factor, name = 100, "Hundred"
    else:
        power = min((len(str(number)) - 1) // 3, len(_MAGNITUDES))
        factor, name = 1000**power, _MAGNITUDES[power - 1]
    count, rest = divmod(number, factor)
    words = f"{', ' if joins else ''}{_words(count, joins=False, ordinal=False)} {name}"
    if rest:
        return words + _words(rest, joins=True, ordinal=ordinal)
    return f"{words}th" if ordinal else words


def _decade_words(number: int, *, joins: bool, ordinal: bool) -> str:
    tens, rest = divmod(number, 10)
    words = (" and " if joins else "") + _DECADES[tens - 2]
    if rest:
        return f"{words}-{_words(rest, joins=False, ordinal=ordinal)}"
    return f"{words[:-1]}ieth" if ordinal else words


def words_to_number(text: str) -> float:
    """The number that words in lower case stand for; NaN where one of them is none."""
    segments: list[float] = [0]
    for part in _BETWEEN.split(text):
        value = _VALUES.get(part)
        if value is None:
            return math.nan
        if value < 100:
            top = segments.pop()
            if top >= 1000:
                segments.append(top)
                top = 0
            segments.append(top + value)
        else:
            segments.append(segments.pop() * value)
    return sum(segments)


def words_pattern() -> str:
    """The pattern of a number in words."""
    return f"(?:{'|'.join([*_VALUES, 'and', '[-, ]'])})+"
