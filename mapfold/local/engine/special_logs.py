"""Event logs of executions with something special: they tell somebody of their events, or may enter no more states.

Both are other classes than EventLog, so that nobody else's events cost anything for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mapfold.local.engine.event_log import EventLog, keep_nothing
from mapfold.local.execution_logs import Tell


class MachineGone(Exception):
    """The execution's state machine was deleted: it ends before it enters another state.

    No StateError, which the state that it passes through would take for a failure of its own.
    """


class ToldLog(EventLog):
    """An EventLog that tells of each event when it has been added."""

    __slots__ = ("_tell",)

    def __init__(
        self,
        clock: Callable[[], float],
        tell: Tell,
        *,
        keep: Callable[[], None] = keep_nothing,
        most: float | None = None,
    ) -> None:
        super().__init__(clock, keep=keep, most=most)
        self._tell = tell

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        """As ever, and told."""
        number = super().add(type_, previous, key, details)
        self._tell(self.pending[-1])
        return number


def make_log(
    clock: Callable[[], float],
    *,
    keep: Callable[[], None] = keep_nothing,
    most: float | None = None,
    tell: Tell | None = None,
) -> EventLog:
    """An EventLog; `tell` hears of its events. None: nobody does."""
    return EventLog(clock, keep=keep, most=most) if tell is None else ToldLog(clock, tell, keep=keep, most=most)


# --- the last state ---------------------------------------------------------------------------------------


def refuse_states(log: EventLog) -> None:
    """From now on the entry of a state into `log` is MachineGone; all else goes on."""
    log.__class__ = LAST.get(type(log), type(log))


class LastStateLog(EventLog):
    """What an EventLog becomes when no other state may be entered."""

    __slots__ = ()

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        """As ever, but for states."""
        _refuse(type_)
        return super().add(type_, previous, key, details)


class LastStateToldLog(ToldLog):
    """What a ToldLog becomes."""

    __slots__ = ()

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        """As ever, but for states."""
        _refuse(type_)
        return super().add(type_, previous, key, details)


def _refuse(type_: str) -> None:
    if type_.endswith("StateEntered"):
        raise MachineGone()


LAST: Mapping[type[EventLog], type[EventLog]] = {EventLog: LastStateLog, ToldLog: LastStateToldLog}
