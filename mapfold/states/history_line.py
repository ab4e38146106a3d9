"""A scope as its events tell of it: what `history_reader.py` notes of the execution, a branch or an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from mapfold.states.effects import Json, WentOn
from mapfold.states.machine import Scope, State
from mapfold.states.map_distributed import DistributedMap
from mapfold.states.map_inline import InlineMap
from mapfold.states.parallel import Parallel
from mapfold.states.standing import Aborted, Answered, Ended, Inner, Seen, Standing, StandingError
from mapfold.states.task import Task
from mapfold.states.wait import Wait

Event = Mapping[str, Any]

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "Task": Task,
    "Wait": Wait,
    "Parallel": Parallel,
    "Map": (InlineMap, DistributedMap),
}


def seen(event: Event) -> Seen:
    """An event that a state has recorded."""
    return Seen(event["type"], event["id"], event["timestamp"])


class Line:
    """A scope that has begun: the execution's, a branch's or an iteration's.

    state, text, before, steps, since: the visit that is under way (see `Standing`), with `state` None between two.
    left: the output of the state that was left last, as text. scheduled: a task's attempt that has not ended; under_way:
    the time and the type of its events since.
    started: when the work of a Parallel or Map began; answered: how it ended is in `steps`; given_up: and that was its
    last attempt. inner, length: its branches or iterations, and how many there are to be.
    """

    __slots__ = (
        "aborted",
        "answered",
        "before",
        "failed",
        "given_up",
        "inner",
        "left",
        "length",
        "map_run_anew",
        "map_run_arn",
        "map_run_over",
        "parent",
        "previous",
        "scheduled",
        "scope",
        "since",
        "started",
        "state",
        "steps",
        "text",
        "under_way",
        "variables",
    )

    def __init__(self, scope: Scope, parent: Line | None) -> None:
        self.scope = scope
        self.parent = parent
        self.previous = 0
        self.variables: dict[str, Json] = {}
        self.state: State | None = None
        self.text = "null"
        self.before = 0
        self.since = 0.0
        self.left: str | None = None
        self.aborted = False
        self.failed = False
        self.steps: list[Seen | Answered] = []
        self._forget_work()

    def _forget_work(self) -> None:
        self.scheduled: Seen | None = None
        self.under_way: dict[str, float] = {}
        self.started: Seen | None = None
        self.answered = self.given_up = False
        self.inner: dict[int, Line] = {}
        self.length = 0
        self.map_run_arn: str | None = None
        self.map_run_over = self.map_run_anew = False

    # --- questions ------------------------------------------------------------------------------------------

    def is_in(self, name: str) -> bool:
        """Whether the state `name` is the current one."""
        return self.state is not None and self.state.name == name

    def leads_to(self, name: str) -> bool:
        """Whether the state `name` is entered from here: as the scope's next one, or as the first of a branch."""
        if self.state is None:
            return name in self.scope.states
        return isinstance(self.state, Parallel) and any(branch.start_at == name for branch in self.state.branches)

    def is_a(self, kind: str) -> bool:
        """Whether the current state is of this kind ("Parallel")."""
        return isinstance(self.state, KINDS[kind])

    def is_at_work(self, kind: str) -> bool:
        """Whether the current state is of this kind ("Parallel"), and its work may still go on."""
        return isinstance(self.state, KINDS[kind]) and not self.given_up

    def branch(self, name: str) -> int:
        """The index of the branch that starts at the state `name`."""
        assert isinstance(self.state, Parallel)
        return next(index for index, branch in enumerate(self.state.branches) if branch.start_at == name)

    def family(self) -> list[Line]:
        """This scope, and those of its branches."""
        return [self, *self.inner.values()]

    def outer_variables(self) -> dict[str, Json]:
        """The variables of the enclosing scopes."""
        return {} if self.parent is None else {**self.parent.outer_variables(), **self.parent.variables}

    # --- what happens -----------------------------------------------------------------------------------------

    def enter(self, state: State, text: str, event: Event) -> None:
        self.state, self.text, self.before, self.left = state, text, event["previousEventId"], None
        self.since = event["timestamp"]
        self.steps = [seen(event)]
        self._forget_work()

    def leave(self, details: Mapping[str, Any]) -> None:
        for name, text in details.get("assignedVariables", {}).items():
            self.variables[name] = orjson.loads(text)
        self.left = details["output"]
        self.state = None
        self._forget_work()

    def start(self, seen: Seen) -> None:
        """The work of a Parallel or Map begins, for the first time or again."""
        self.steps.append(seen)
        self._forget_work()
        self.started = seen
        if isinstance(self.state, Parallel):
            self.length = len(self.state.branches)

    def begin(self, index: int) -> Line:
        """A branch or an iteration begins."""
        if isinstance(self.state, Parallel):
            scope = self.state.branches[index]
        elif isinstance(self.state, InlineMap):
            scope = self.state.processor
        else:
            raise StandingError(f"a state without branches or iterations began the one with number {index}")
        inner = self.inner[index] = Line(scope, self)
        return inner

    def redrive(self, time: float, *, anew: bool) -> None:
        """The execution was redriven: attempts do not count any more, nor does a failure; waiting begins again.

        `anew`: a Parallel or Map starts its work again as a whole, and not only what has not succeeded. A distributed
        Map does so by a new map run.

        What is done again points back to where the state was entered, or began its work (seen of tasks on the service).
        """
        self.since = time
        self.aborted = self.failed = self.answered = self.given_up = False
        self.scheduled, self.under_way = None, {}
        del self.steps[1:]
        if anew or self.map_run_anew or self.started is None:
            self._forget_work()
        else:
            self.steps.append(self.started)
        if self.steps and isinstance(begun := self.steps[-1], Seen):
            self.previous = begun.id
        self.map_run_over = self.map_run_arn is not None  # though the history may not have its end
        for inner in self.inner.values():
            if inner.state is not None or inner.left is None:
                inner.redrive(time, anew=False)

    # --- results ----------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        went_on = self._went_on()
        steps = tuple(self.steps)
        if went_on is not None and self.scheduled is not None:
            steps += (self.scheduled,)
        return Standing(
            state=None if self.state is None else self.state.name,
            text=self.text,
            before=self.before,
            steps=steps,
            previous=self.previous,
            since=self.since,
            variables=self.variables,
            inner={index: line.as_inner() for index, line in self.inner.items()},
            map_run_arn=None if self.map_run_anew else self.map_run_arn,
            redriven=self.map_run_over and not self.map_run_anew,
            failed=self.failed,
            went_on=went_on,
        )

    def _went_on(self) -> WentOn | None:
        """Set if a worker may have the token of the task's attempt: what is not known to be submitted is done again."""
        if self.scheduled is None or not isinstance(self.state, Task) or not self.state.takes_token:
            return None
        if self.state.resource.family == "activity":
            return WentOn(self.under_way.get("ActivityStarted"))
        return WentOn(self.under_way.get("TaskStarted")) if "TaskSubmitted" in self.under_way else None

    def as_inner(self) -> Inner:
        if self.state is None and self.left is not None:
            return Ended(orjson.loads(self.left), self.previous)
        return Aborted() if self.aborted else self.standing()
