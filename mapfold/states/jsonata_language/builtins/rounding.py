"""Rounding half to even at a decimal place, as `$round` does it: over the number's own text, not over the double."""

from __future__ import annotations

import math

from mapfold.states.jsonata_language.text import number_text


def round_half_even(number: float, precision: int) -> float:
    """`number` rounded to `precision` decimal places, which may be negative."""
    shifted = _shift(number, precision) if precision else number
    if not math.isfinite(shifted):
        return shifted
    rounded = _round(shifted)
    if abs(rounded - shifted) == 0.5 and rounded % 2 == 1:
        rounded -= 1
    return _shift(rounded, -precision) if precision else rounded


def _round(number: float) -> int:
    """JavaScript's Math.round: halves go up."""
    below = math.floor(number)
    return below if number - below < 0.5 else below + 1


def _shift(number: float, places: int) -> float:
    """The number with its decimal point moved, by way of its text."""
    mantissa, _, exponent = number_text(number).partition("e")
    return float(f"{mantissa}e{int(exponent or 0) + places}")
