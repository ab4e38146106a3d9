"""Where a scope stood when it was cut off, and how it goes on from there.

An execution goes on after a crash (a resume) or after its end (a redrive). Its history says all that is needed:
`mapfold.states.history_reader` reads a `Standing` from it. The state that was left behind is then run again as a
generator, like any other, but against a `Replay`: what it had recorded is not recorded again, the tasks whose end is
in the history are answered from there, and waits that are over are not waited for. When the history has no more to
say, the state goes on for real. So a state does not know the difference, counters of retries come out right, and the
loop that runs states which were never cut off knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from mapfold.states.effects import Effect, Json, RunBranches, RunIterations, RunMap, RunTask, Transition, WentOn
from mapfold.states.frame import Frame

if TYPE_CHECKING:
    from mapfold.states.machine import Scope


class StandingError(Exception):
    """A history that a scope cannot go on from. The text says which event, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that the state has recorded already. `time` is epoch seconds."""

    type: str
    id: int
    time: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What the world answered, as the history tells it: a `TaskSucceeded`, a `TaskFailed` or a list of outputs."""

    value: Any
    time: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A branch or iteration that has succeeded. `last` is the id of its last event."""

    output: Json
    last: int


@dataclass(frozen=True, slots=True)
class Aborted:
    """A branch or iteration that was aborted since another had failed, which is about to fail the state."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A scope that has begun and not ended.

    state: the state that was entered and not left; None for an iteration that has not entered any.
    text: that state's raw input, JSON. before: what its Entered event points back to.
    steps: what happened in this visit so far, Entered first; what may not count again (a redrive) is left out.
    previous: the id that the scope's next event points back to.
    since: when waiting began (epoch seconds): the time of entry, or that of the last redrive.
    variables: what the scope has assigned.
    inner: for a Parallel or an inline Map, its branches or iterations that have begun, by their index.
    map_run_arn, redriven: for a distributed Map, as in `RunMap`.
    failed: for an iteration, whether its MapIterationFailed is in the history.
    went_on: for a task whose last attempt somebody outside still works on, when they began; its Scheduled is in `steps`.
    """

    state: str | None
    text: str
    before: int
    steps: Sequence[Seen | Answered]
    previous: int
    since: float
    variables: Mapping[str, Json]
    inner: Mapping[int, Inner] = field(default_factory=dict)
    map_run_arn: str | None = None
    redriven: bool = False
    failed: bool = False
    went_on: WentOn | None = None


Inner = Standing | Ended | Aborted
"""How a branch or an iteration stands that has begun."""


def go_on(scope: Scope, standing: Standing, frame: Frame) -> Generator[Effect, Any, Transition]:
    """Run the state that was cut off, as `State.run` does: yields only what has yet to be done."""
    if standing.state is None or standing.state not in scope.states:
        raise StandingError(f"the state machine has no state '{standing.state}'")
    data = orjson.loads(standing.text)
    frame.remember(data, standing.text)
    replay = Replay(standing, frame)
    steps = scope.states[standing.state].run(data, frame)
    answer: Any = None
    try:
        while True:
            effect = steps.send(answer)
            known = replay.answer(effect)
            answer = (yield effect) if known is None else known.value
    except StopIteration as stop:
        transition: Transition = stop.value
        return transition
    finally:
        replay.end()


class Replay:
    """Takes the place of a frame's history and clock while the state that was cut off catches up with its past."""

    __slots__ = ("_clock", "_done", "_frame", "_history", "_now", "_standing", "_steps")

    def __init__(self, standing: Standing, frame: Frame) -> None:
        self._standing = standing
        self._frame = frame
        self._history, self._clock = frame.history, frame.clock
        self._steps = list(reversed(standing.steps))
        self._now = self._steps[-1].time
        self._done = False
        frame.history, frame.clock = self, self._time
        frame.previous = standing.before

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        """The id of the event if it is in the history; if there is none left, the history goes on with this one."""
        if not self._steps:
            self.end()
            # An evaluation that failed on entry points where Entered points (history-events rule 6).
            at = previous if type_ == "EvaluationFailed" else self._standing.previous
            return self._history.add(type_, at, key, details)
        step = self._steps.pop()
        if not isinstance(step, Seen) or step.type != type_:
            found = f"event {step.id} is {step.type}" if isinstance(step, Seen) else "the work had ended"
            raise StandingError(f"the state '{self._standing.state}' does not repeat its history: {found}, not {type_}")
        self._move(step.time)
        return step.id

    def keep(self) -> None:
        """What is recorded is kept as ever."""
        self._history.keep()

    def answer(self, effect: Effect) -> Answered | None:
        """What the world answered to `effect`. None: it has not; do it, with the replay at its end."""
        if self._done:
            return None
        steps = self._steps
        if steps and isinstance(steps[-1], Answered):
            step = steps.pop()
            assert isinstance(step, Answered)
            self._move(step.time)
            return step
        if steps:  # a wait between two attempts, which is over
            return Answered(None, self._now)
        self.end()
        standing = self._standing
        if isinstance(effect, RunBranches | RunIterations):
            effect.inner = standing.inner
        elif isinstance(effect, RunTask):
            effect.went_on = standing.went_on
        elif isinstance(effect, RunMap):
            effect.map_run_arn, effect.redriven = standing.map_run_arn, standing.redriven
        return None

    def end(self) -> None:
        """Give the frame back its history and clock, and let the next event follow the last one."""
        if self._done:
            return
        self._done = True
        self._frame.history, self._frame.clock = self._history, self._clock
        self._frame.previous = self._standing.previous

    def _move(self, time: float) -> None:
        self._now = time if self._steps else max(time, self._standing.since)

    def _time(self) -> float:
        return self._now
