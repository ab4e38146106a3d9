"""What many fields give together: a template of thousands that each name the whole input would be gigabytes as text.

Only what a definition fills in at many places is weighed before it is written down: anything else is bounded by
its few parts, none of which is larger than a payload.
"""

from __future__ import annotations

from typing import Final

from mapfold.states.effects import Json, StateError

MANY: Final = 16
"""From so many filled-in places on, what they give together is weighed."""
SIZE_LIMIT: Final = 8_000_000
"""Bytes, counted roughly: far more than any payload may have."""


def weigh(value: Json) -> None:
    """Raise StateError (States.DataLimitExceeded) for what would be far too long as text, counting each place that it is at."""
    size = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, list | dict):
            size += 2 * len(item)
            waiting += item.values() if isinstance(item, dict) else item
        if size > SIZE_LIMIT:
            raise StateError("States.DataLimitExceeded", f"The result is larger than {SIZE_LIMIT} bytes.")
