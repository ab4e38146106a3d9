"""Reads from the events of an execution where it stands (`mapfold.states.standing`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mapfold.states.effects import Json
from mapfold.states.machine import Scope
from mapfold.states.standing import Standing


def read_standing(
    scope: Scope, events: Iterable[Mapping[str, Any]], *, execution: Mapping[str, Json]
) -> Standing | None:
    """Where an execution (or a child) of `scope` stands that has these events, in the order of their ids.

    None: no state has been entered. An execution that was redriven has ExecutionRedriven in its events: record it
    first. `execution` is the frame's (the context object's members). Raises StandingError for a history that nobody
    can go on from.
    """
    reader = HistoryReader(scope, execution=execution)
    for event in events:
        reader.add(event)
    return reader.standing()


class HistoryReader:
    """Takes events one by one."""

    def __init__(self, scope: Scope, *, execution: Mapping[str, Json]) -> None:
        self._scope = scope
        self._execution = execution

    def add(self, event: Mapping[str, Any]) -> None:
        """Take the next event."""

    def standing(self) -> Standing | None:
        """Where the execution stands after the events so far."""
        raise NotImplementedError
