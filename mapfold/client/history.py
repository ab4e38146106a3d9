"""A run's history as a tree: the execution, its states, the map run that a Map state started, its children.

The states of an execution are few (its history has at most 25,000 events). Children may be ten thousands: they come as
an iterator that pages, and nothing here keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mapfold.client.pages import BadToken, Entry, entries_of
from mapfold.client.values import (
    FAILURES,
    Event,
    Execution,
    ExecutionSummary,
    Json,
    MapRun,
    MapRunSummary,
    Page,
    Status,
)


class ReadsHistories(Protocol):
    """What a history takes of `AwsClient`."""

    def find_execution(self, arn: str) -> Execution | None: ...
    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]: ...
    def map_run(self, arn: str) -> MapRun: ...
    def children(self, map_run_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]: ...
    def execution_page(
        self, arn: str, *, status: Status | None = None, size: int = 1000, token: str | None = None
    ) -> Page[ExecutionSummary]: ...
    def event_page(self, arn: str, *, size: int = 1000, token: str | None = None) -> Page[Event]: ...


@dataclass(frozen=True, slots=True)
class Child:
    """A child execution of a map run; `error` and `cause` where it ended badly."""

    summary: ExecutionSummary
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class MapRunNode:
    """A map run and its children. The iterator can be gone through once."""

    run: MapRun
    children: Iterator[Child]


@dataclass(frozen=True, slots=True)
class StateNode:
    """One visit of a state. `attempts`: how often its work was started, retries included."""

    name: str
    type: str
    status: Status
    started: float
    stopped: float | None
    attempts: int
    error: str | None = None
    cause: str | None = None
    map_runs: tuple[MapRunNode, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionNode:
    """An execution and the states that it went through, in the order in which they were entered."""

    execution: Execution
    states: tuple[StateNode, ...]


def history(aws: ReadsHistories, execution: Execution, *, failed_only: bool = False) -> ExecutionNode:
    """The tree of an execution. `failed_only` keeps only children that failed, timed out or were aborted.

    An EXPRESS execution has no states here: its history is not in the API (history-events.md 5).
    """
    visits = _visits(aws.events(execution.arn))
    return ExecutionNode(execution, tuple(_state_node(aws, visit, execution, failed_only) for visit in visits))


def children(aws: ReadsHistories, map_run_arn: str, *, failed_only: bool = False) -> Iterator[Child]:
    """A map run's children as a stream; with the error and cause of those that ended badly."""
    if not failed_only:
        yield from (_child(aws, summary) for summary in aws.children(map_run_arn))
        return
    for status in FAILURES:
        yield from (_child(aws, summary) for summary in aws.children(map_run_arn, status))


def child_entries(
    aws: ReadsHistories,
    map_runs: Sequence[MapRunSummary],
    *,
    status: Status | None = None,
    size: int,
    position: Json = None,
) -> Iterator[Entry[Child]]:
    """The children of map runs, one map run after the other, from a position on (pages.py)."""
    number, inner = (0, None) if position is None else _map_run_position(position, len(map_runs))
    for index, map_run in enumerate(map_runs[number:], number):
        fetch = partial(_child_page, aws, map_run.arn, status)
        for summary, behind in entries_of(fetch, size=size, position=inner):
            is_last = behind is None and index + 1 >= len(map_runs)
            yield _child(aws, summary), None if is_last else [index, behind] if behind else [index + 1, None]
        inner = None


def event_entries(
    aws: ReadsHistories, execution_arn: str, *, size: int, position: Json = None
) -> Iterator[Entry[EventLine]]:
    """The events of one STANDARD execution, oldest first, from a position on (pages.py)."""

    def fetch(size: int, token: str | None) -> Page[EventLine]:
        page = aws.event_page(execution_arn, size=size, token=token)
        return Page(tuple(EventLine(0, execution_arn, event) for event in page.items), page.next)

    return entries_of(fetch, size=size, position=position)


def _child_page(
    aws: ReadsHistories, map_run_arn: str, status: Status | None, size: int, token: str | None
) -> Page[ExecutionSummary]:
    return aws.execution_page(map_run_arn, status=status, size=size, token=token)


def _map_run_position(position: Json, map_runs: int) -> tuple[int, Json]:
    match position:
        case [int() as number, inner] if 0 <= number < map_runs:
            return number, inner
        case _:
            raise BadToken


@dataclass(slots=True)
class _Visit:
    """A state that was entered; filled in by the events that follow."""

    name: str
    type: str
    entered: Event
    last: int
    exited: Event | None = None
    attempts: int = 0
    failure: Event | None = None
    is_caught: bool = False  # it failed, and nothing succeeded after: if it was left, a Catch led on
    map_runs: list[str] = field(default_factory=list)


def _visits(events: Iterator[Event]) -> list[_Visit]:
    """The states that were visited. An event belongs to the visit that the event it points back to belongs to."""
    visits: list[_Visit] = []
    owner: dict[int, _Visit] = {}
    for event in events:
        if event.type.endswith("StateEntered"):
            visit = _Visit(event.details.get("name", ""), event.type.removesuffix("StateEntered"), event, event.id)
            visits.append(visit)
            owner[event.id] = visit
            continue
        found = owner.get(event.previous) or (visits[-1] if visits else None)
        if found is None or event.type.startswith("Execution"):
            continue
        owner[event.id] = found
        _note(found, event)
    return visits


def _note(visit: _Visit, event: Event) -> None:
    if event.type.endswith("StateExited"):
        visit.exited = event
    elif event.type in ("LambdaFunctionStarted", "TaskStarted", "ActivityStarted"):
        visit.attempts += 1
    elif event.type in ("MapRunStarted", "MapRunRedriven"):
        visit.attempts += 1
        visit.map_runs.append(str(event.details["mapRunArn"]))
    elif event.type.endswith(("Failed", "TimedOut", "Aborted")) and (event.details or visit.failure is None):
        visit.failure, visit.is_caught = event, True
    elif event.type.endswith("Succeeded") and not event.type.startswith("MapIteration"):
        visit.is_caught = False


def _state_node(aws: ReadsHistories, visit: _Visit, execution: Execution, failed_only: bool) -> StateNode:
    # The error of a failure that was retried, and then went well, is kept to be seen.
    failure = visit.failure
    details = failure.details if failure else {}
    return StateNode(
        name=visit.name,
        type=visit.type,
        status=_status(visit, execution),
        started=visit.entered.at,
        stopped=visit.exited.at if visit.exited else failure.at if failure else execution.stopped,
        attempts=visit.attempts,
        error=details.get("error"),
        cause=details.get("cause"),
        map_runs=tuple(
            MapRunNode(aws.map_run(arn), children(aws, arn, failed_only=failed_only))
            for arn in dict.fromkeys(visit.map_runs)
        ),
    )


def _status(visit: _Visit, execution: Execution) -> Status:
    if visit.exited is not None and not visit.is_caught:
        return Status.SUCCEEDED
    if execution.status is Status.SUCCEEDED and not visit.is_caught:
        return Status.SUCCEEDED
    if visit.failure is not None and visit.failure.type.endswith("TimedOut"):
        return Status.TIMED_OUT
    if visit.failure is not None and visit.failure.type.endswith("Failed"):
        return Status.FAILED
    return execution.status


def _child(aws: ReadsHistories, summary: ExecutionSummary) -> Child:
    """ListExecutions does not tell why; only of a child that ended badly is DescribeExecution asked."""
    if summary.status not in FAILURES:
        return Child(summary)
    execution = aws.find_execution(summary.arn)
    return Child(summary) if execution is None else Child(summary, execution.error, execution.cause)


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event, how deep it lies (0: of the run itself, 1: of a child), and the execution that it belongs to."""

    depth: int
    execution: str
    event: Event


def all_events(aws: ReadsHistories, execution: Execution, *, failed_only: bool = False) -> Iterator[EventLine]:
    """Every event of a run and, where a map run started, of its children, as a stream.

    `failed_only` leaves out the children that ended well. EXPRESS children have no events in the API.
    """
    for event in aws.events(execution.arn):
        yield EventLine(0, execution.arn, event)
        if event.type != "MapRunStarted":
            continue
        for child in children(aws, str(event.details["mapRunArn"]), failed_only=failed_only):
            yield from (EventLine(1, child.summary.arn, inner) for inner in aws.events(child.summary.arn))
