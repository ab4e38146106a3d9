"""Dates and times by a picture (XPath's fn:format-dateTime): `[Y0001]-[M01]-[D01]`, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapfold.states.jsonata_language.builtins.calendar import DAY_MILLIS, Moment, date_of, days_of, moment_of
from mapfold.states.jsonata_language.builtins.integer_pictures import (
    IntegerPicture,
    analyse,
    format_integer,
    integer_regex,
    read_integer,
    write_integer,
)
from mapfold.states.jsonata_language.errors import JsonataError
from mapfold.states.jsonata_language.regexes import compile_regex

ISO_PICTURE = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"

_DEFAULTS = {
    **dict.fromkeys("YMDdWwXxHhf", "1"),
    **dict.fromkeys("FPCE", "n"),
    **dict.fromkeys("ms", "01"),
    **dict.fromkeys("Zz", "01:01"),
}
_NUMBERS = "YMDdFWwXxHhmsf"
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_READ: dict[str, Callable[[Moment], Any]] = {
    "Y": lambda moment: moment.year,
    "M": lambda moment: moment.month,
    "D": lambda moment: moment.day,
    "d": lambda moment: moment.day_of_year,
    "F": lambda moment: moment.weekday,
    "W": lambda moment: moment.week_of_year,
    "w": lambda moment: moment.week_of_month,
    "X": lambda moment: moment.week_year,
    "x": lambda moment: moment.week_month,
    "H": lambda moment: moment.hour,
    "h": lambda moment: moment.hour % 12 or 12,
    "P": lambda moment: "pm" if moment.hour >= 12 else "am",
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
    "f": lambda moment: moment.millisecond,
    "C": lambda moment: "ISO",
    "E": lambda moment: "ISO",
}
_BLANKS = re.compile(r"\s+")
_INTEGER = re.compile(r"\s*([+-]?\d+)")


@dataclass(slots=True)
class Part:
    """A piece of a picture: literal text, or a component (`Y`, `M`, …) and how it is written.

    `names` is upper, lower or title where it is a name; `most` the greatest width; `digits` to how many of its last
    digits a year is cut (-1: not).
    """

    literal: str = ""
    component: str = ""
    names: str | None = None
    most: int | None = None
    integer: IntegerPicture | None = None
    digits: int = -1
    is_traditional: bool = False


def analyse_picture(picture: str) -> list[Part]:
    """Read a picture. Raises D3131, D3132, D3135."""
    parts: list[Part] = []
    literal = ""
    at = 0
    while at < len(picture):
        if picture.startswith("[[", at):
            literal += "["
            at += 2
        elif picture[at] == "[":
            end = picture.find("]", at)
            if end == -1:
                raise JsonataError("D3135")
            _add_literal(parts, literal)
            literal = ""
            parts.append(_analyse_marker(_BLANKS.sub("", picture[at + 1 : end])))
            at = end + 1
        else:
            literal += picture[at]
            at += 1
    _add_literal(parts, literal)
    return parts


def _add_literal(parts: list[Part], literal: str) -> None:
    if literal:
        parts.append(Part(literal=literal.replace("]]", "]")))


def _analyse_marker(marker: str) -> Part:
    part = Part(component=marker[:1])
    presentation, comma, width = marker[1:].rpartition(",")
    if not comma:
        presentation, width = marker[1:], ""
    least, _, most = width.partition("-")
    part.most = _width(most)
    modifier = ""
    if not presentation:
        presentation = _DEFAULTS.get(part.component, "")
        if not presentation:
            raise JsonataError("D3132", value=part.component)
    elif len(presentation) > 1 and presentation[-1] in "atco":
        presentation, modifier = presentation[:-1], presentation[-1]
    part.is_traditional = modifier == "t"
    if presentation[0] == "n":
        part.names = "lower"
    elif presentation[0] == "N":
        part.names = "title" if presentation[1:2] == "n" else "upper"
    elif part.component and part.component in _NUMBERS:
        _set_integer(part, f"{presentation};{modifier}" if modifier else presentation, _width(least))
    if part.component in ("Z", "z"):
        part.integer = analyse(presentation)
    return part


def _width(text: str) -> int | None:
    match = _INTEGER.match(text)
    return None if match is None else int(match.group(1))


def _set_integer(part: Part, pattern: str, least: int | None) -> None:
    picture = analyse(pattern)
    part.integer = picture
    if least is not None:
        picture.mandatory = max(picture.mandatory, least)
    if part.component not in "YMD":
        return
    if part.most is not None:
        part.digits = picture.mandatory = part.most
    elif picture.mandatory + picture.optional >= 2:
        part.digits = picture.mandatory + picture.optional


# --- writing ------------------------------------------------------------------------------------------------


def format_moment(millis: int, picture: str, timezone: str | None) -> str:
    """A moment by a picture, in a timezone such as `-0500`. Raises D3131 to D3135."""
    hours = minutes = 0
    offset = None if timezone is None else _INTEGER.match(timezone)
    if offset is not None:
        number = int(offset.group(1))
        hours = math.floor(number / 100)
        minutes = int(math.fmod(number, 100))
    moment = moment_of(millis + (60 * hours + minutes) * 60_000)
    return "".join(part.literal or _write(moment, part, hours, minutes) for part in analyse_picture(picture))


def _write(moment: Moment, part: Part, hours: int, minutes: int) -> str:
    component = part.component
    if component in ("Z", "z"):
        return _write_offset(part, hours, minutes)
    read = _READ.get(component)
    value: Any = "undefined" if read is None else read(moment)
    if component and component in "YMDdFWwXxHhms" and part.names is not None:
        return _write_name(part, value)
    if component == "P":
        return value.upper() if part.names == "upper" else str(value)
    if part.integer is None or type(value) is not int:
        return str(value)
    if component == "Y" and part.digits != -1:
        value %= 10**part.digits
    return write_integer(value, part.integer)


def _write_name(part: Part, value: int) -> str:
    if part.component in ("M", "x"):
        name = _MONTHS[value - 1]
    elif part.component == "F":
        name = _DAYS[value - 1]
    else:
        raise JsonataError("D3133", value=part.component)
    name = name.upper() if part.names == "upper" else name.lower() if part.names == "lower" else name
    return name if part.most is None else name[: part.most]


def _write_offset(part: Part, hours: int, minutes: int) -> str:
    offset = hours * 100 + minutes
    picture = part.integer
    assert picture is not None
    if picture.regular:
        written = write_integer(offset, picture)
    elif picture.mandatory in (1, 2):
        written = write_integer(hours, picture) + (f":{format_integer(minutes, '00')}" if minutes else "")
    elif picture.mandatory in (3, 4):
        written = write_integer(offset, picture)
    else:
        raise JsonataError("D3134", value=picture.mandatory)
    if offset == 0 and part.is_traditional:
        return "Z"
    written = f"+{written}" if offset >= 0 else written
    return f"GMT{written}" if part.component == "z" else written


# --- reading ------------------------------------------------------------------------------------------------


def parse_moment(text: str, picture: str, now: int, spend: Callable[[int], None]) -> float | None:
    """The milliseconds of a text by a picture; None where it does not match. What is missing before the first
    component comes from `now`. Raises D3133, D3136. `spend` is told of steps, and may raise.
    """
    parts = analyse_picture(picture)
    pattern = "".join(f"({_regex(part)})" for part in parts)
    match = compile_regex(f"^{pattern}$", "i").find(text, 0, spend)
    if match is None:
        return None
    found = {part.component: _parse(part, match.groups[place]) for place, part in enumerate(parts) if part.component}
    return _assemble(found, moment_of(now)) if found else None


def _regex(part: Part) -> str:
    if not part.component:
        return re.escape(part.literal)
    if part.component in ("Z", "z"):
        assert part.integer is not None
        separator = part.integer.separators[0][1] if part.integer.regular else ""
        return (
            ("GMT" if part.component == "z" else "")
            + "[-+][0-9]+"
            + (f"{re.escape(separator)}[0-9]+" if separator else "")
        )
    if part.integer is not None:
        part.integer.digits = max(part.digits, 0)
        return integer_regex(part.integer)
    if part.component not in ("M", "x", "F", "P"):
        raise JsonataError("D3133", value=part.component)
    return "[a-zA-Z]+"


def _parse(part: Part, text: str) -> float | None:
    if part.component in ("Z", "z"):
        return _parse_offset(part, text)
    if part.integer is not None:
        number: float = read_integer(text, part.integer)
        return number
    if part.component == "P":
        return {"am": 0, "AM": 0, "pm": 1, "PM": 1}.get(text)
    names = _DAYS if part.component == "F" else _MONTHS
    known = {name[: part.most] if part.most else name: place for place, name in enumerate(names, start=1)}
    return known.get(text)


def _parse_offset(part: Part, text: str) -> int:
    text = text[3:] if part.component == "z" else text
    assert part.integer is not None
    if part.integer.regular:
        hours, _, minutes = text.partition(part.integer.separators[0][1])
    elif len(text) <= 3:
        hours, minutes = text, "0"
    else:
        hours, minutes = text[:3], text[3:]
    return int(hours) * 60 + int(minutes or 0)


def _assemble(found: dict[str, float | None], now: Moment) -> float:
    by_day_of_year = _is_form("YXMxWwdD", found, allowed="Yd") and not _is_form("YXMxWwdD", found, allowed="YMD")
    by_week = _is_form("YXMxWwdD", found, allowed="XxwF") or _is_form("YXMxWwdD", found, allowed="XWF")
    twelve_hours = _is_form("PHhmsf", found, allowed="Phmsf") and not _is_form("PHhmsf", found, allowed="Hmsf")
    order = ("YD" if by_day_of_year else "YMD") + ("Phmsf" if twelve_hours else "Hmsf")
    if by_week:
        raise JsonataError("D3136")
    _fill_in(found, order, now)
    year, month, day = found["Y"] or 0, found.get("M") or 1, found["D"] or 0
    if by_day_of_year:
        _, month, day = date_of(days_of(int(year), 1, 1) + int(found["d"] or 0) - 1)
    hour = found.get("H") or 0
    if twelve_hours:
        hour = (0 if found["h"] == 12 else found["h"] or 0) + (12 if found.get("P") == 1 else 0)
    parts = (year, month, day, hour, found["m"] or 0, found["s"] or 0, found["f"] or 0)
    if any(math.isnan(part) for part in parts):
        return math.nan
    seconds = (int(hour) * 60 + int(found["m"] or 0)) * 60 + int(found["s"] or 0)
    millis = days_of(_full_year(int(year)), int(month), int(day)) * DAY_MILLIS + seconds * 1000 + int(found["f"] or 0)
    return millis - (found.get("Z") or found.get("z") or 0) * 60_000


def _is_form(letters: str, found: dict[str, float | None], *, allowed: str) -> bool:
    """Whether the components that are there and not zero are some of those that a form of date or time has."""
    there = {letter for letter in letters if found.get(letter)}
    return bool(there) and there <= set(allowed)


def _fill_in(found: dict[str, float | None], order: str, now: Moment) -> None:
    """Before the first component that is given the present counts, after it the least value. A gap is D3136."""
    started = ended = False
    for component in order:
        if found.get(component) is not None:
            if ended:
                raise JsonataError("D3136")
            started = True
        elif started:
            found[component] = 1 if component in "MDd" else 0
            ended = True
        else:
            read = _READ[component](now)
            found[component] = read if type(read) is int else 0


def _full_year(year: int) -> int:
    """JavaScript's Date.UTC takes the years 0 to 99 for those of the twentieth century."""
    return 1900 + year if 0 <= year <= 99 else year
