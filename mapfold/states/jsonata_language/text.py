"""Numbers and values as text, as JavaScript writes them."""

from __future__ import annotations

import math
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any

from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError


def number_text(number: float) -> str:
    """A number as `String(number)` writes it: `1e+21`, `0.000001`, `100000000000000000000`, `-0` as `0`."""
    if type(number) is int and -(2**53) < number < 2**53:
        return str(number)
    try:
        number = float(number)
    except OverflowError:
        return "Infinity" if number > 0 else "-Infinity"
    if not math.isfinite(number):
        return non_finite_text(number)
    text = repr(number)
    if "e" in text:
        return _expand(text)
    return _without_sign_of_zero(text.removesuffix(".0"))


def plain_text(value: Any) -> str:
    """A value as `String(value)` writes it, which is what a regular expression is matched with."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list):
        return ",".join("" if member is None or member is UNDEFINED else plain_text(member) for member in value)
    return "null" if value is None else "undefined" if value is UNDEFINED else "[object Object]"


def non_finite_text(number: float) -> str:
    """NaN, Infinity or -Infinity."""
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def precise(number: float) -> float:
    """A number cut to 15 significant digits, which is what `$string` shows."""
    if type(number) is int and -(10**15) < number < 10**15:
        return number
    return float(f"{number:.15g}") if math.isfinite(number) else number


def string_text(value: Any, indent: int = 0) -> str:
    """What `$string` makes of a value that is no string: JSON with numbers of 15 digits, functions as `""`."""
    text = _encode(value, True, "\n" if indent else "", " " * indent)
    return "" if text is None else text


def message_text(value: Any) -> str:
    """A value in an error's message: its JSON text, or `undefined`."""
    text = _encode(value, False, "", "")
    return "undefined" if text is None else text


def _encode(value: Any, cut: bool, line: str, step: str) -> str | None:
    kind = type(value)
    if kind is str:
        return quote(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind is int or kind is float:
        return _encode_number(precise(value) if cut else value, refuses_infinity=cut and math.isinf(value))
    if kind is dict:
        return _encode_object(value, cut, line, step)
    if isinstance(value, list):
        inner = line + step
        items = [_encode(member, cut, inner, step) or "null" for member in value]
        return _enclose("[", items, "]", line, inner)
    if value is UNDEFINED:
        return None
    return '""' if cut else "{}"  # a function


def _encode_number(number: float, *, refuses_infinity: bool) -> str:
    if refuses_infinity:
        raise JsonataError("D1001", value=number)
    return number_text(number) if type(number) is int or math.isfinite(number) else "null"


def _encode_object(members: dict[str, Any], cut: bool, line: str, step: str) -> str:
    inner = line + step
    colon = ": " if step else ":"
    items = []
    for key, member in members.items():
        text = _encode(member, cut, inner, step)
        if text is not None:
            items.append(f"{quote(key)}{colon}{text}")
    return _enclose("{", items, "}", line, inner)


def _enclose(left: str, items: list[str], right: str, line: str, inner: str) -> str:
    if not items:
        return left + right
    return f"{left}{inner}{f',{inner}'.join(items)}{line}{right}"


def _expand(text: str) -> str:
    """Python's text of a number with an exponent, as JavaScript writes it."""
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    assert isinstance(exponent, int)
    body = "".join(map(str, digits))
    count = len(body)
    point = count + exponent
    if count <= point <= 21:
        written = body + "0" * (point - count)
    elif 0 < point <= 21:
        written = f"{body[:point]}.{body[point:]}"
    elif -6 < point <= 0:
        written = f"0.{'0' * -point}{body}"
    else:
        fraction = f".{body[1:]}" if count > 1 else ""
        written = f"{body[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"-{written}" if sign else written


def _without_sign_of_zero(text: str) -> str:
    return "0" if text == "-0" else text
