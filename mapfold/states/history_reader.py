"""Reads from the events of an execution where it stands (`mapfold.states.standing`).

Events of branches and iterations that run side by side are mixed in the history. Which of them an event belongs to
follows from the event that it points back to (history-events 3): every running scope is a `Line`, found by the id of
its last event; where one event is the last of a scope and the first that another points to, the names of states tell
them apart, which are unique in a machine.

Only what can still matter is kept: of a state, the events of the visit that is under way; of a scope, its variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from mapfold.states.effects import FailScope, Json, TaskFailed, TaskSucceeded
from mapfold.states.frame import Frame
from mapfold.states.history_line import Event, Line, seen
from mapfold.states.machine import Scope
from mapfold.states.map_distributed import DistributedMap
from mapfold.states.standing import Answered, Seen, Standing, StandingError, go_on
from mapfold.states.task import PREFIXES, Task

ENDINGS = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})
STARTED_ANEW = frozenset({"States.DataLimitExceeded", "States.Runtime"})
"""A map run that failed with one of these is not redriven: its state starts a new one."""


def read_standing(scope: Scope, events: Iterable[Event], *, execution: Mapping[str, Json]) -> Standing | None:
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
    """Takes the events of an execution one by one. All methods raise StandingError.

    `count` is how many there were, `redrives` how many times it was redriven, `ending` its last event if it has ended.
    """

    def __init__(self, scope: Scope, *, execution: Mapping[str, Json]) -> None:
        self.count = 0
        self.redrives = 0
        self.ending: Event | None = None
        self._execution = execution
        self._root = Line(scope, None)
        self._at: dict[int, Line] = {0: self._root}
        """By the id of an event, the scope that it belongs to."""

    def add(self, event: Event) -> None:
        """Take the next event."""
        try:
            if event["id"] != self.count + 1:
                raise StandingError(f"event {self.count + 1} is missing")
            self.count += 1
            reader = _READERS.get(event["type"])
            if reader is not None:
                reader(self, event)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StandingError(
                f"event {self.count} is not one of a history: {type(error).__name__}: {error}"
            ) from error

    def standing(self) -> Standing | None:
        """Where the execution stands after the events so far."""
        root = self._root
        if root.state is None and root.left is None:
            return None
        if root.state is None:
            raise StandingError(f"event {root.previous} leaves a state, and nothing says where to")
        return root.standing()

    # --- whose event it is --------------------------------------------------------------------------------

    def _line(self, event: Event) -> Line:
        """The scope that has recorded the event that `event` points back to."""
        line = self._at.get(event["previousEventId"])
        if line is None:
            raise StandingError(f"event {event['id']} points back to event {event['previousEventId']}, which is none")
        return line

    def _owner(self, event: Event, owns: Callable[[Line], bool]) -> Line:
        """The scope, from that line outwards, to which `event` belongs."""
        line: Line | None = self._line(event)
        while line is not None:
            if owns(line):
                return line
            line = line.parent
        raise StandingError(f"event {event['id']}, {event['type']}, belongs to no state")

    def _follow(self, line: Line, event: Event) -> Seen:
        """Note that `event` is the last one of `line`."""
        number: int = event["id"]
        line.previous = number
        self._at[number] = line
        return seen(event)

    # --- the execution ------------------------------------------------------------------------------------

    def _ended(self, event: Event) -> None:
        self._follow(self._root, event)
        self.ending = event

    def _redriven(self, event: Event) -> None:
        self.redrives += 1
        error = None if self.ending is None else (_details(self.ending) or {}).get("error")
        if self._root.state is not None:
            self._root.redrive(event["timestamp"], anew=error == "States.DataLimitExceeded")
        self.ending = None

    # --- states -------------------------------------------------------------------------------------------

    def _entered(self, event: Event) -> None:
        details = _details(event)
        name = details["name"]
        line = self._owner(event, lambda line: line.leads_to(name))
        if line.state is not None:  # a Parallel, one of whose branches begins
            if line is not self._line(event):  # its Started event was taken for that of a Parallel inside it
                self._start(line, event, Seen("ParallelStateStarted", event["previousEventId"], event["timestamp"]))
            line = line.begin(line.branch(name))
        line.enter(line.scope.states[name], details["input"], event)
        self._follow(line, event)

    def _exited(self, event: Event) -> None:
        details = _details(event)
        line = self._owner(event, lambda line: line.is_in(details["name"]))
        line.leave(details)
        self._follow(line, event)

    def _aborted(self, event: Event) -> None:
        kind: str = event["type"].removesuffix("StateAborted")
        self._owner(event, lambda line: line.is_a(kind)).aborted = True  # it may have failed in the same moment

    def _iteration_aborted(self, event: Event) -> None:
        self._iteration(event).aborted = True

    def _iteration_failed(self, event: Event) -> None:
        self._iteration(event).failed = True

    def _iteration(self, event: Event) -> Line:
        name = _details(event)["name"]
        return self._owner(event, lambda line: line.parent is not None and line.parent.is_in(name))

    def _evaluation_failed(self, event: Event) -> None:
        name, before = _details(event)["state"], event["previousEventId"]
        inner = self._line(event)
        if inner.state is None and inner.parent is not None and inner.parent.is_in(name):  # an ItemSelector's
            self._follow(inner, event)
            return
        line = next((line for line in self._at[before].family() if line.is_in(name) and line.before == before), None)
        if line is None:
            line = self._owner(event, lambda line: line.is_in(name))
        line.steps.append(self._follow(line, event))

    # --- tasks --------------------------------------------------------------------------------------------

    def _task_event(self, event: Event) -> Line:
        return self._owner(event, lambda line: isinstance(line.state, Task))

    def _scheduled(self, event: Event) -> None:
        line = self._task_event(event)
        line.scheduled, line.under_way = self._follow(line, event), {}

    def _under_way(self, event: Event) -> None:
        line = self._task_event(event)
        self._follow(line, event)
        line.under_way[event["type"]] = event["timestamp"]

    def _succeeded(self, event: Event) -> None:
        text = _details(event)["output"]
        self._attempted(event, TaskSucceeded(orjson.loads(text), text))

    def _failed(self, event: Event) -> None:
        self._attempted(event, _failure(event, timed_out=event["type"].endswith("TimedOut")))

    def _attempted(self, event: Event, answer: TaskSucceeded | TaskFailed) -> None:
        line = self._task_event(event)
        end = self._follow(line, event)
        if line.scheduled is None:
            raise StandingError(f"event {event['id']} ends a task that was not scheduled")
        line.steps += [line.scheduled, Answered(answer, end.time), end]
        line.scheduled, line.under_way = None, {}

    # --- Parallel and Map -----------------------------------------------------------------------------------

    def _work_started(self, event: Event) -> None:
        line = self._work_event(event)
        self._start(line, event, seen(event))
        self._follow(line, event)
        if event["type"] == "MapStateStarted":
            line.length = _details(event)["length"]

    def _start(self, line: Line, event: Event, started: Seen) -> None:
        """The work of `line` starts with `started`; how the attempt before ended is known by `event`, or never will be."""
        if not self._close_attempt(line, event):
            del line.steps[1:]
        line.start(started)

    def _work_succeeded(self, event: Event) -> None:
        """A leaf: the state's next event points back to where this one does."""
        line = self._work_event(event)
        line.previous = event["previousEventId"]
        if isinstance(line.state, DistributedMap):
            return
        if line.length:
            outputs = [orjson.loads(line.inner[index].left or "") for index in range(line.length)]
            line.steps.append(Answered(outputs, event["timestamp"]))
        line.steps.append(seen(event))
        line.answered = True

    def _work_failed(self, event: Event) -> None:
        line = self._work_event(event)
        if self._close_attempt(line, event):
            line.steps.append(seen(event))
            line.given_up = True
        elif line.started is not None:  # the attempt will fail again, and tell why
            line.steps[1:] = [line.started]
        self._follow(line, event)

    def _work_event(self, event: Event) -> Line:
        kind: str = event["type"].partition("State")[0]
        return self._owner(event, lambda line: line.is_at_work(kind))

    def _close_attempt(self, line: Line, event: Event) -> bool:
        """Note how the work of `line` ended that `event` comes after, unless that is known, or none had begun.

        False: the history does not tell. A failure whose retries cannot be counted is taken for the first one: there
        may be more attempts than the definition says, never fewer.
        """
        if line.started is None or line.answered:
            return True
        failed = self._line(event)
        if failed is line and line.map_run_arn is None:  # fields of the state itself could not be evaluated
            return True
        failure = self._failure_of(failed) if failed.parent is line else None
        if failure is None:
            return False
        answer = TaskFailed(failure.error, failure.cause, catchable=failure.catchable)
        line.steps.append(Answered(answer, event["timestamp"]))
        return True

    def _failure_of(self, line: Line) -> FailScope | None:
        """How a branch or iteration failed that stands at its last state: it comes to the same end again."""
        if line.state is None:
            return None
        frame = Frame(
            history=_NoHistory(), clock=lambda: line.since, execution=self._execution, outer=line.outer_variables()
        )
        frame.variables.update(line.variables)
        try:
            next(go_on(line.scope, line.standing(), frame))
        except StopIteration as stop:
            return stop.value if isinstance(stop.value, FailScope) else None
        except StandingError:
            return None
        return None  # it would have to do something, so this was not its end

    def _iteration_started(self, event: Event) -> None:
        details = _details(event)
        line = self._owner(event, lambda line: line.is_in(details["name"]))
        self._follow(line.begin(details["index"]), event)

    # --- map runs -------------------------------------------------------------------------------------------

    def _map_run_event(self, event: Event) -> Line:
        line = self._owner(event, lambda line: isinstance(line.state, DistributedMap))
        self._follow(line, event)
        return line

    def _map_run_started(self, event: Event) -> None:
        line = self._map_run_event(event)
        line.map_run_arn, line.map_run_over = _details(event)["mapRunArn"], False

    def _map_run_aborted(self, event: Event) -> None:
        self._map_run_event(event).map_run_over = True

    def _map_run_failed(self, event: Event) -> None:
        line = self._map_run_event(event)
        failure = _failure(event)
        line.map_run_over, line.answered = True, True
        line.map_run_anew = failure.error in STARTED_ANEW
        line.steps.append(Answered(failure, event["timestamp"]))

    def _map_run_succeeded(self, event: Event) -> None:
        """Its output is not in the history. If the state then fails, it is with a new map run that it is tried again."""
        line = self._map_run_event(event)
        line.map_run_over = line.map_run_anew = True


class _NoHistory:
    """Takes no events: for states that are run again only to see how they end."""

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        return previous

    def keep(self) -> None:
        """There is nothing to keep."""


def _details(event: Event) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return found


def _failure(event: Event, *, timed_out: bool = False) -> TaskFailed:
    details = _details(event)
    error = details.get("error")
    return TaskFailed(error, details.get("cause"), timed_out=timed_out, catchable=error != "States.Runtime")


def _readers() -> dict[str, Callable[[HistoryReader, Event], None]]:
    """Every type of event that tells something, and who reads it."""
    reader = HistoryReader
    table: dict[str, Callable[[HistoryReader, Event], None]] = {
        "ExecutionRedriven": reader._redriven,
        "EvaluationFailed": reader._evaluation_failed,
        "MapIterationStarted": reader._iteration_started,
        "MapIterationAborted": reader._iteration_aborted,
        "MapIterationFailed": reader._iteration_failed,
        "MapRunStarted": reader._map_run_started,
        "MapRunRedriven": reader._map_run_started,
        "MapRunSucceeded": reader._map_run_succeeded,
        "MapRunFailed": reader._map_run_failed,
        "MapRunAborted": reader._map_run_aborted,
    }
    table |= dict.fromkeys(ENDINGS, reader._ended)
    for kind in ("Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"):
        table |= {f"{kind}StateEntered": reader._entered, f"{kind}StateExited": reader._exited}
        table[f"{kind}StateAborted"] = reader._aborted
    for kind in ("Parallel", "Map"):
        table[f"{kind}StateStarted"] = reader._work_started
        table[f"{kind}StateSucceeded"] = reader._work_succeeded
        table[f"{kind}StateFailed"] = reader._work_failed
    for prefix, _ in PREFIXES.values():
        table |= {f"{prefix}Scheduled": reader._scheduled, f"{prefix}Succeeded": reader._succeeded}
        table |= dict.fromkeys((f"{prefix}Started", f"{prefix}Submitted"), reader._under_way)
        table |= dict.fromkeys((f"{prefix}Failed", f"{prefix}TimedOut", f"{prefix}SubmitFailed"), reader._failed)
    return table


_READERS = _readers()
