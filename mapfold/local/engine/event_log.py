"""The history of one running execution: numbered, kept in wire form, handed on in blocks.

Events are dictionaries as GetExecutionHistory sends them, so that each is built once and encoded once, together with its
neighbours. What has been handed to the store leaves memory (`take`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MAX_EVENTS = 25_000
"""Events that a STANDARD execution may have (Step Functions service quotas)."""

ENDINGS = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})


class HistoryFull(Exception):
    """The execution has no room for another event: it fails, and nothing inside it can catch that.

    No StateError, which the state that it passes through would take for a failure of its own.
    """

    def __init__(self) -> None:
        super().__init__(f"The execution reached the maximum number of history events ({MAX_EVENTS}).")


def keep_nothing() -> None:
    """The `keep` of a log whose owner hands its events on at the end only."""


class EventLog:
    """Keeps the events of a STANDARD execution. Fulfils `mapfold.states.frame.History`.

    `keep` queues to the store what has been recorded so far; the log's owner says how. `most` is how many there may be,
    if not `MAX_EVENTS`.
    """

    __slots__ = ("_clock", "_most", "count", "keep", "pending")

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        count: int = 0,
        keep: Callable[[], None] = keep_nothing,
        most: float | None = None,
    ) -> None:
        self._clock = clock
        self.keep = keep
        self._most = MAX_EVENTS if most is None else most
        self.count = count
        """How many events there are; the last one's id."""
        self.pending: list[dict[str, Any]] = []
        """Events that nobody has taken yet, oldest first."""

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        """Append an event and return its id. Raises HistoryFull where only an ending has room."""
        number = self.count + 1
        if number >= self._most and type_ not in ENDINGS:
            raise HistoryFull()
        event: dict[str, Any] = {
            "timestamp": self._clock(),
            "type": type_,
            "id": number,
            "previousEventId": previous,
        }
        if key is not None:
            event[key] = details
        self.pending.append(event)
        self.count = number
        return number

    def take(self) -> tuple[int, list[dict[str, Any]]]:
        """The pending events with the id of the first; they are no longer kept here."""
        events, self.pending = self.pending, []
        return self.count - len(events) + 1, events


class CountingLog:
    """Numbers events and drops them: an EXPRESS execution has no history of its own (GetExecutionHistory refuses it)."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        self.count += 1
        return self.count

    def keep(self) -> None:
        """Nothing is kept."""
