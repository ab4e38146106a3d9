"""Numbers by a picture (XPath's fn:format-number): `#,##0.00`, percent, exponents."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from mapfold.states.jsonata_language.builtins.integer_pictures import regular_factor
from mapfold.states.jsonata_language.builtins.rounding import round_half_even
from mapfold.states.jsonata_language.errors import JsonataError
from mapfold.states.jsonata_language.text import number_text

_DEFAULTS = {
    "decimal-separator": ".",
    "grouping-separator": ",",
    "exponent-separator": "e",
    "infinity": "Infinity",
    "minus-sign": "-",
    "NaN": "NaN",
    "percent": "%",
    "per-mille": "\u2030",
    "zero-digit": "0",
    "digit": "#",
    "pattern-separator": ";",
}


@dataclass(frozen=True, slots=True)
class _Symbols:
    """The characters of a picture, which options may change. `digits` are those from zero to nine."""

    decimal: str
    grouping: str
    exponent: str
    minus: str
    percent: str
    per_mille: str
    zero: str
    optional: str
    between: str
    digits: str

    def is_digit(self, char: str) -> bool:
        return char in self.digits or char == self.optional

    def is_active(self, char: str) -> bool:
        return self.is_digit(char) or char in (self.decimal, self.exponent, self.grouping, self.between)

    def count(self, text: str, *, optional: bool = False) -> int:
        return sum(char in self.digits or (optional and char == self.optional) for char in text)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A sub-picture, split. `exponent` None: it has none."""

    whole: str
    prefix: str
    suffix: str
    active: str
    mantissa: str
    exponent: str | None
    integer: str
    fraction: str


@dataclass(slots=True)
class _Picture:
    """What a sub-picture says of sizes and groups."""

    whole: str
    prefix: str
    suffix: str
    groups: list[int]
    regular: int
    fraction_groups: list[int]
    least_integer: int
    scale: int
    least_fraction: int
    most_fraction: int
    least_exponent: int


def format_number(number: float, picture: str, options: Any) -> str:
    """A number by a picture. Raises D3080 to D3093."""
    symbols = _read_options(options)
    pictures = picture.split(symbols.between) if symbols.between else [picture]
    if len(pictures) > 2:
        raise JsonataError("D3080")
    split = [_split(part, symbols) for part in pictures]
    for parts in split:
        _validate(parts, symbols)
    analysed = [_analyse(parts, symbols) for parts in split]
    chosen = analysed[0 if number >= 0 else -1]
    if number < 0 and len(analysed) == 1:
        chosen.prefix = symbols.minus + chosen.prefix
    return _write(number, chosen, symbols)


def _read_options(options: Any) -> _Symbols:
    given = {**_DEFAULTS, **(options if isinstance(options, dict) else {})}
    zero = ord(str(given["zero-digit"])[:1] or "0")
    return _Symbols(
        decimal=str(given["decimal-separator"]),
        grouping=str(given["grouping-separator"]),
        exponent=str(given["exponent-separator"]),
        minus=str(given["minus-sign"]),
        percent=str(given["percent"]),
        per_mille=str(given["per-mille"]),
        zero=str(given["zero-digit"]),
        optional=str(given["digit"]),
        between=str(given["pattern-separator"]),
        digits="".join(chr(zero + digit) for digit in range(10)),
    )


def _split(picture: str, symbols: _Symbols) -> _Parts:
    active = [at for at, char in enumerate(picture) if symbols.is_active(char) and char != symbols.exponent]
    if not active:
        raise JsonataError("D3085")
    prefix, suffix = picture[: active[0]], picture[active[-1] + 1 :]
    inner = picture[len(prefix) : len(picture) - len(suffix)]
    at = picture.find(symbols.exponent, len(prefix))
    if at == -1 or at > len(picture) - len(suffix):
        mantissa, exponent = inner, None
    else:
        mantissa, exponent = inner[:at], inner[at + 1 :]
    integer, point, fraction = mantissa.partition(symbols.decimal)
    return _Parts(picture, prefix, suffix, inner, mantissa, exponent, integer, fraction if point else suffix)


def _validate(parts: _Parts, symbols: _Symbols) -> None:
    """Raise the last error that is found, as the reference implementation does."""
    error = None
    for code, is_wrong in _find_errors(parts, symbols):
        if is_wrong:
            error = code
    if error is not None:
        raise JsonataError(error)


def _find_errors(parts: _Parts, symbols: _Symbols) -> list[tuple[str, bool]]:
    whole, grouping = parts.whole, symbols.grouping
    point = whole.find(symbols.decimal)
    has_percent, has_per_mille = symbols.percent in whole, symbols.per_mille in whole
    first_optional = parts.integer.find(symbols.optional)
    last_optional = parts.fraction.rfind(symbols.optional)
    exponent = parts.exponent
    beside_point = point != -1 and grouping in (whole[point - 1 : point], whole[point + 1 : point + 2])
    return [
        ("D3081", whole.count(symbols.decimal) > 1),
        ("D3082", whole.count(symbols.percent) > 1),
        ("D3083", whole.count(symbols.per_mille) > 1),
        ("D3084", has_percent and has_per_mille),
        ("D3085", not any(map(symbols.is_digit, parts.mantissa))),
        ("D3086", not all(map(symbols.is_active, parts.active))),
        ("D3087", beside_point),
        ("D3088", point == -1 and parts.integer.endswith(grouping)),
        ("D3089", grouping * 2 in whole),
        ("D3090", first_optional != -1 and symbols.count(parts.integer[:first_optional]) > 0),
        ("D3091", last_optional != -1 and symbols.count(parts.fraction[last_optional:]) > 0),
        ("D3092", bool(exponent) and (has_percent or has_per_mille)),
        ("D3093", exponent is not None and (not exponent or any(char not in symbols.digits for char in exponent))),
    ]


def _analyse(parts: _Parts, symbols: _Symbols) -> _Picture:
    groups = [
        symbols.count(parts.integer[at:], optional=True)
        for at, char in enumerate(parts.integer)
        if char == symbols.grouping
    ]
    fraction_groups = _fraction_groups(parts, symbols)
    scale = least_integer = symbols.count(parts.integer)
    least_fraction = symbols.count(parts.fraction)
    most_fraction = symbols.count(parts.fraction, optional=True)
    if least_integer == 0 and most_fraction == 0:
        if parts.exponent is not None:
            least_fraction = most_fraction = 1
        else:
            least_integer = 1
    if parts.exponent is not None and least_integer == 0 and symbols.optional in parts.integer:
        least_integer = 1
    if least_integer == 0 and least_fraction == 0:
        least_fraction = 1
    return _Picture(
        whole=parts.whole,
        prefix=parts.prefix,
        suffix=parts.suffix,
        groups=groups,
        regular=regular_factor(groups),
        fraction_groups=fraction_groups,
        least_integer=least_integer,
        scale=scale,
        least_fraction=least_fraction,
        most_fraction=most_fraction,
        least_exponent=0 if parts.exponent is None else symbols.count(parts.exponent),
    )


def _fraction_groups(parts: _Parts, symbols: _Symbols) -> list[int]:
    """Where the fraction is grouped. After the first group the reference implementation looks in the integer part."""
    positions = []
    at = parts.fraction.find(symbols.grouping)
    while at != -1:
        positions.append(symbols.count(parts.fraction[:at], optional=True))
        at = parts.integer.find(symbols.grouping, at + 1)
    return positions


def _write(number: float, picture: _Picture, symbols: _Symbols) -> str:
    factor = 100 if symbols.percent in picture.whole else 1000 if symbols.per_mille in picture.whole else 1
    mantissa, exponent = _scale(number * factor, picture)
    rounded = round_half_even(mantissa, picture.most_fraction)
    integer, _, fraction = _to_fixed(rounded, picture.most_fraction).partition(".")
    integer = integer.lstrip("0").rjust(picture.least_integer, "0")
    fraction = fraction.rstrip("0").ljust(picture.least_fraction, "0")
    written = _group_integer(integer, picture, symbols) + symbols.decimal + _group_fraction(fraction, picture, symbols)
    if symbols.decimal not in picture.whole or written.endswith(symbols.decimal):
        written = written[:-1]
    if exponent is not None:
        digits = str(abs(exponent)).rjust(picture.least_exponent, "0")
        written += f"{symbols.exponent}{symbols.minus if exponent < 0 else ''}{_in_family(digits, symbols)}"
    return f"{picture.prefix}{written}{picture.suffix}"


def _scale(number: float, picture: _Picture) -> tuple[float, int | None]:
    """The mantissa and exponent, where the picture has an exponent."""
    if picture.least_exponent == 0:
        return number, None
    largest, smallest = 10.0**picture.scale, 10.0 ** (picture.scale - 1)
    mantissa, exponent = number, 0
    if not math.isfinite(number) or number <= 0:
        return mantissa, exponent
    while mantissa < smallest:
        mantissa *= 10
        exponent -= 1
    while mantissa > largest:
        mantissa /= 10
        exponent += 1
    return mantissa, exponent


def _to_fixed(number: float, places: int) -> str:
    """JavaScript's toFixed of the absolute value: exact, halves up."""
    if not abs(number) < 1e21:
        return number_text(abs(number))
    with localcontext() as context:
        context.prec = 400 + places
        return f"{Decimal(abs(number)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):f}"


def _group_integer(digits: str, picture: _Picture, symbols: _Symbols) -> str:
    written = _in_family(digits, symbols)
    if picture.regular:
        for count in range(1, (len(digits) - 1) // picture.regular + 1):
            written = _insert(written, len(digits) - count * picture.regular, symbols.grouping)
        return written
    point = len(digits)
    for position in picture.groups:
        place = point - position
        written = _insert(written, place if place >= 0 else max(len(written) + place, 0), symbols.grouping)
        point += 1
    return written


def _insert(text: str, place: int, char: str) -> str:
    return text[:place] + char + text[place:]


def _group_fraction(digits: str, picture: _Picture, symbols: _Symbols) -> str:
    written = _in_family(digits, symbols)
    for position in picture.fraction_groups:
        written = _insert(written, position, symbols.grouping)
    return written


def _in_family(digits: str, symbols: _Symbols) -> str:
    if symbols.zero == "0":
        return digits
    return "".join(symbols.digits[int(char)] if char.isascii() and char.isdigit() else char for char in digits)
