"""Where a run stands, by the newest events of its history: the states that it is in, or the one that it failed in.

One call each, however long the history is. History events point back (`previous`) to the one that they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from mapfold.client.values import Event, Execution, Json, Status, decode

NEWEST_EVENTS = 100
"""Of a run that has ended: the states behind the one that failed are few."""

OPEN_EVENTS = 1000
"""Of a run that runs: the most that one GetExecutionHistory gives."""

_FINISH = "Finish"
_OWN_ENDS = ("Failed", "ToleratedFailureExceeded")
"""The Fail states of a job's machine: they tell an error that is another state's, or that of the items."""

_FAILURES = ("Failed", "TimedOut", "Aborted")


class ReadsEvents(Protocol):
    """What this takes of `AwsClient`."""

    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]: ...


@dataclass(frozen=True, slots=True)
class OpenState:
    """A state that a run is in. waits_for: whom, where it waits for somebody: `a task token`, `a worker of …`."""

    name: str
    type: str
    waits_for: str | None = None

    def as_document(self) -> dict[str, Json]:
        """As `mapfold show --json` tells it."""
        return {"name": self.name, "type": self.type, "waits_for": self.waits_for}


@dataclass(frozen=True, slots=True)
class Standing:
    """The states that a run is in, in the order in which they were entered. is_whole: its whole history was looked at."""

    states: tuple[OpenState, ...]
    is_whole: bool


def newest_events(aws: ReadsEvents, arn: str, count: int = NEWEST_EVENTS) -> list[Event]:
    """The last events of an execution, newest first, by one call."""
    return list(islice(aws.events(arn, newest_first=True, page=count), count))


def standing(aws: ReadsEvents, execution: Execution) -> Standing:
    """The states that an execution that runs is in."""
    newest = newest_events(aws, execution.arn, OPEN_EVENTS)
    visits = _open_visits(reversed(newest))
    return Standing(
        tuple(OpenState(visit.name, visit.type, visit.waits_for) for visit in visits),
        is_whole=not newest or newest[-1].id <= 1,
    )


def failed_state(newest: Sequence[Event], execution: Execution) -> str | None:
    """The state whose error an execution ended with; None where it cannot be told, or no state failed."""
    if execution.status is Status.TIMED_OUT:
        return next((visit.name for visit in reversed(_open_visits(reversed(newest)))), None)
    if execution.status is not Status.FAILED:
        return None
    entered = _first(newest, "StateEntered")
    if entered is not None and entered.type == "FailStateEntered" and _name(entered) not in _OWN_ENDS:
        return _name(entered)
    by_id = {event.id: event for event in newest}
    for event in newest:
        if (
            event.type.endswith(_FAILURES)
            and not event.type.startswith("Execution")
            and event.details.get("error") == execution.error
        ):
            return _state_of(event, newest, by_id)
    return None


def finish_report(newest: Iterable[Event]) -> Mapping[str, Json] | None:
    """What the Finish state gave, if it was left within these events."""
    for event in newest:
        if event.type == "TaskStateExited" and event.details.get("name") == _FINISH:
            report = decode(event.details.get("output"))
            if is_report(report):
                return dict(report)
    return None


def replacing_state(newest: Iterable[Event]) -> str | None:
    """The first state behind Finish that gave something else than its report."""
    found = None
    for event in newest:
        if not event.type.endswith("StateExited"):
            continue
        if event.details.get("name") == _FINISH:
            return found
        if not is_report(decode(event.details.get("output"))):
            found = _name(event)
    return None


def is_report(value: Json) -> bool:
    """Whether this is what Finish gives."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("items"), Mapping)
        and bool({"result", "result_uri"} & value.keys())
    )


def _state_of(failure: Event, newest: Sequence[Event], by_id: Mapping[int, Event]) -> str | None:
    """The state that an event of a failure belongs to: the one that it was entered for, or that it leaves."""
    event: Event | None = failure
    while event is not None and not event.type.endswith(("StateEntered", "StateExited")):
        event = by_id.get(event.previous)
    if event is not None and event.type.endswith("StateEntered"):
        return _name(event)
    left = next((e for e in newest if e.previous == failure.id and e.type.endswith("StateExited")), None)
    return _name(left) if left is not None else None


@dataclass(slots=True, eq=False)
class _Visit:
    """A state that was entered, and the visit that it follows or, first in a branch, is within."""

    name: str
    type: str
    after: _Visit | None
    waits_for: str | None = None

    def is_behind(self, other: _Visit) -> bool:
        visit = self.after
        while visit is not None and visit is not other:
            visit = visit.after
        return visit is other


def _open_visits(events: Iterable[Event]) -> list[_Visit]:
    """Those that were not left, of events in their order."""
    owners: dict[int, _Visit] = {}
    opened: list[_Visit] = []
    for event in events:
        owner = owners.get(event.previous)
        if event.type.endswith("StateEntered"):
            owner = _Visit(_name(event), event.type.removesuffix("StateEntered"), owner)
            opened.append(owner)
        elif event.type.endswith(("StateExited", "StateAborted")):
            owner = _left(event, owner, opened)
            opened = [visit for visit in opened if visit is not owner]
            if owner is not None and owner.type in ("Parallel", "Map"):
                opened = [visit for visit in opened if not visit.is_behind(owner)]
        elif owner is not None:
            owner.waits_for = _waits_for(event, owner.waits_for)
        if owner is not None:
            owners[event.id] = owner
    return opened


def _left(event: Event, owner: _Visit | None, opened: Sequence[_Visit]) -> _Visit | None:
    """The visit that ends: a Parallel's or Map's last event follows from one of its branches."""
    name = event.details.get("name")
    if owner is not None and name in (None, owner.name):
        return owner
    return next((visit for visit in reversed(opened) if visit.name == name), None)


def _waits_for(event: Event, before: str | None) -> str | None:
    if event.type == "TaskSubmitted" and str(event.details.get("resource", "")).endswith(".waitForTaskToken"):
        return "a task token"
    if event.type == "ActivityScheduled":
        return f"a worker of {event.details.get('resource', 'its activity')}"
    if event.type == "ActivityStarted" or event.type.endswith((*_FAILURES, "Succeeded")):
        return None
    return before


def _first(events: Iterable[Event], ending: str) -> Event | None:
    return next((event for event in events if event.type.endswith(ending)), None)


def _name(event: Event) -> str:
    return str(event.details.get("name", ""))
