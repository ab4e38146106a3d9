"""RFC 3339 timestamps as the States Language writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

FARTHEST_OFFSET_MINUTES = 18 * 60
"""From UTC, either way: the bound of Java's ZoneOffset."""
_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_WITHOUT_SECONDS = re.compile(r"(T\d\d:\d\d)(Z|[+-]\d\d:\d\d)$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_timestamp(text: object) -> tuple[int, int] | None:
    """Epoch seconds and nanoseconds of a timestamp with capital T and Z; None for anything else."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    zone = match.group(8)
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if minutes > 59 or hours * 60 + minutes > FARTHEST_OFFSET_MINUTES:
            return None
        offset = (hours * 60 + minutes) * 60
        seconds += offset if zone[0] == "-" else -offset
    return seconds, int((match.group(7) or "").ljust(9, "0"))


def parse_offset_date_time(text: object) -> tuple[int, int] | None:
    """The same for a text that a Wait finds when it runs: Java's ISO_OFFSET_DATE_TIME, in any case, seconds optional.

    The causes of the service call it by the name that Java's documentation gives it.
    """
    if not isinstance(text, str):
        return None
    return parse_timestamp(_WITHOUT_SECONDS.sub(r"\1:00\2", text.upper()))


def format_timestamp(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds: `2025-01-31T12:00:00.250Z`; a whole second has no fraction."""
    moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    millis = moment.microsecond // 1000
    return f"{text}.{millis:03d}Z" if millis else f"{text}Z"
