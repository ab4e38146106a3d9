"""Plan's time: Lambda ends it after 15 minutes, and a run is then to fail with what helps, not with a timeout."""

from __future__ import annotations

from collections.abc import Callable

SecondsLeft = Callable[[], float]

RESERVE_SECONDS = 20.0
"""Kept for what comes after."""


class OutOfTime(Exception):
    """The time ran out before all was looked at. The message says at what, how far it came, and the way out."""

    def __init__(self, work: str, *, after: str, fix: str) -> None:
        super().__init__(f"the time ran out while {work}, after {after}. {fix}.")
        self.work, self.after, self.fix = work, after, fix
