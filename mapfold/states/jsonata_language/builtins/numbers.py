"""Functions of numbers: casting, rounding, roots, and their texts."""

from __future__ import annotations

import math
import re
from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.builtins.integer_pictures import format_integer, parse_integer
from mapfold.states.jsonata_language.builtins.number_pictures import format_number
from mapfold.states.jsonata_language.builtins.rounding import round_half_even
from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError
from mapfold.states.jsonata_language.running import Run
from mapfold.states.jsonata_language.text import number_text
from mapfold.states.jsonata_language.values import as_double

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_RADIX = re.compile(r"0([xX][0-9A-Fa-f]+|[oO][0-7]+|[bB][01]+)")
_BASES = {"x": 16, "o": 8, "b": 2}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def to_number(run: Run, value: Any) -> Any:
    """`$number(value)`."""
    if value is UNDEFINED or type(value) in (int, float):
        return value
    if type(value) is bool:
        return int(value)
    if type(value) is str:
        if _DECIMAL.fullmatch(value):
            number = float(value)
            if math.isfinite(number):
                return whole(number)
        elif _RADIX.fullmatch(value):
            return whole(as_double(int(value[2:], _BASES[value[1].lower()])))
    raise JsonataError("D3030", value=value)


def whole(number: float) -> float:
    """A number that is whole as an int, where JavaScript's doubles are exact."""
    if type(number) is float and number.is_integer() and abs(number) < 2**53:
        return int(number)
    return number


def absolute(run: Run, number: Any) -> Any:
    """`$abs(number)`."""
    return number if number is UNDEFINED else abs(number)


def floor(run: Run, number: Any) -> Any:
    """`$floor(number)`."""
    return number if number is UNDEFINED or not math.isfinite(number) else math.floor(number)


def ceil(run: Run, number: Any) -> Any:
    """`$ceil(number)`."""
    return number if number is UNDEFINED or not math.isfinite(number) else math.ceil(number)


def round_number(run: Run, number: Any, precision: Any) -> Any:
    """`$round(number, precision)`."""
    if number is UNDEFINED:
        return UNDEFINED
    return whole(round_half_even(number, 0 if precision is UNDEFINED else int(precision)))


def square_root(run: Run, number: Any) -> Any:
    """`$sqrt(number)`."""
    if number is UNDEFINED:
        return UNDEFINED
    if number < 0:
        raise JsonataError("D3060", value=number)
    return whole(math.sqrt(number))


def power(run: Run, base: Any, exponent: Any) -> Any:
    """`$power(base, exponent)`."""
    if base is UNDEFINED:
        return UNDEFINED
    try:
        result = math.nan if exponent is UNDEFINED else float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        result = math.inf
    if isinstance(result, complex) or not math.isfinite(result):
        raise JsonataError("D3061", value=base, exp=exponent)
    return whole(result)


def random(run: Run) -> float:
    """`$random()`."""
    return run.random.random()


def format_base(run: Run, number: Any, radix: Any) -> Any:
    """`$formatBase(number, radix)`."""
    if number is UNDEFINED:
        return UNDEFINED
    value = round_half_even(number, 0)
    base = 10 if radix is UNDEFINED else round_half_even(radix, 0)
    if not 2 <= base <= 36:
        raise JsonataError("D3100", value=base)
    if base == 10 or not math.isfinite(value):
        return number_text(value)
    digits, rest = "", abs(int(value))
    while rest:
        rest, digit = divmod(rest, int(base))
        digits = _DIGITS[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


def integer_text(run: Run, number: Any, picture: Any) -> Any:
    """`$formatInteger(number, picture)`."""
    return UNDEFINED if number is UNDEFINED else format_integer(number, picture)


def integer_of_text(run: Run, text: Any, picture: Any) -> Any:
    """`$parseInteger(text, picture)`."""
    return UNDEFINED if text is UNDEFINED else parse_integer(text, picture)


def picture_text(run: Run, number: Any, picture: Any, options: Any) -> Any:
    """`$formatNumber(number, picture, options)`."""
    if number is UNDEFINED:
        return UNDEFINED
    run.hold(16 * len(picture))
    return format_number(number, picture, options)


NUMBERS: Table = {
    "number": define(to_number, "<(nsb)-:n>"),
    "abs": define(absolute, "<n-:n>"),
    "floor": define(floor, "<n-:n>"),
    "ceil": define(ceil, "<n-:n>"),
    "round": define(round_number, "<n-n?:n>"),
    "sqrt": define(square_root, "<n-:n>"),
    "power": define(power, "<n-n:n>"),
    "random": define(random, "<:n>"),
    "formatBase": define(format_base, "<n-n?:s>"),
    "formatNumber": define(picture_text, "<n-so?:s>"),
    "formatInteger": define(integer_text, "<n-s:s>"),
    "parseInteger": define(integer_of_text, "<s-s:n>"),
}
