"""$now, $millis, $toMillis, $fromMillis."""

from __future__ import annotations

import math
import re
from typing import Any

from mapfold.states.jsonata_language.builtins.calendar import DAY_MILLIS, days_of
from mapfold.states.jsonata_language.builtins.date_pictures import ISO_PICTURE, format_moment, parse_moment
from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import MEMORY_EXCEEDED, UNDEFINED, JsonataError, LimitExceeded
from mapfold.states.jsonata_language.running import Run

_ISO = re.compile(r"\d{4}(-[01]\d)*(-[0-3]\d)*(T[0-2]\d:[0-5]\d:[0-5]\d)*(\.\d+)?([+-][0-2]\d:?[0-5]\d|Z)?", re.ASCII)
_PARTS = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d))?)?"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(\.(?P<fraction>\d+))?)?"
    r"(Z|(?P<sign>[+-])(?P<zone_hour>\d\d):?(?P<zone_minute>\d\d))?",
    re.ASCII,
)
_MOST_MILLIS = 8_640_000_000_000_000


_MOST_PICTURE = 10_000


def now(run: Run, picture: Any, timezone: Any) -> Any:
    """`$now(picture, timezone)`."""
    return from_millis(run, run.millis, picture, timezone)


def millis(run: Run) -> int:
    """`$millis()`."""
    return run.millis


def to_millis(run: Run, text: Any, picture: Any) -> Any:
    """`$toMillis(text, picture)`."""
    if text is UNDEFINED:
        return UNDEFINED
    if picture is not UNDEFINED:
        moment = parse_moment(text, _checked(picture), run.millis, run.spend)
        return UNDEFINED if moment is None else moment
    if not _ISO.fullmatch(text):
        raise JsonataError("D3110", value=text)
    return _parse_iso(text)


def _parse_iso(text: str) -> float:
    """The milliseconds of a timestamp in UTC; NaN where a part is out of its range."""
    match = _PARTS.fullmatch(text)
    if match is None:
        return math.nan
    parts = {name: int(value) for name, value in match.groupdict(default="0").items() if name not in _TEXTS}
    month, day = parts["month"] or 1, parts["day"] or 1
    is_midnight = parts["hour"] == 24 and parts["minute"] == parts["second"] == 0
    if not 1 <= month <= 12 or not 1 <= day <= 31 or (parts["hour"] > 23 and not is_midnight):
        return math.nan
    if (match["month"] == "00") or (match["day"] == "00"):
        return math.nan
    seconds = (parts["hour"] * 60 + parts["minute"]) * 60 + parts["second"]
    fraction = int((match["fraction"] or "0")[:3].ljust(3, "0"))
    offset = (parts["zone_hour"] * 60 + parts["zone_minute"]) * (-1 if match["sign"] == "-" else 1)
    return days_of(parts["year"], month, day) * DAY_MILLIS + seconds * 1000 + fraction - offset * 60_000


_TEXTS = ("fraction", "sign")


def from_millis(run: Run, number: Any, picture: Any, timezone: Any) -> Any:
    """`$fromMillis(number, picture, timezone)`."""
    if number is UNDEFINED:
        return UNDEFINED
    if not abs(number) <= _MOST_MILLIS:
        return "NaN-NaN-NaNTNaN:NaN:NaN.NaNZ"
    form = ISO_PICTURE if picture is UNDEFINED else _checked(picture)
    return format_moment(int(number), form, None if timezone is UNDEFINED else timezone)


def _checked(picture: str) -> str:
    """A picture that is not so long that to read it alone would take more than an evaluation may."""
    if len(picture) > _MOST_PICTURE:
        raise LimitExceeded(MEMORY_EXCEEDED)
    return picture


DATES: Table = {
    "now": define(now, "<s?s?:s>"),
    "millis": define(millis, "<:n>"),
    "toMillis": define(to_millis, "<s-s?:n>"),
    "fromMillis": define(from_millis, "<n-s?s?:s>"),
}
