"""Time as the engine tells it: epoch seconds inside, ISO 8601 in UTC with milliseconds where states read it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]

system_clock: Clock = time.time


def iso_timestamp(seconds: float) -> str:
    """`2013-01-01T05:17:00.250Z`, as the context object has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
