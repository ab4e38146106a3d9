"""Parallel branches and the iterations of an inline Map: scopes that run at once inside one execution.

The first scope that fails stops the others, which leave their Aborted events (history-events 4), and its error
becomes the state's. What fails in the same moment has recorded its failure before, and is aborted like the others. A
failure that nothing may catch (States.Runtime) ends the execution: the service records no more than ExecutionFailed
then, and neither do we. An iteration that starts because another ended points back to that one's last event (rule 3),
and the state goes on from the last event inside it (rule 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress

from mapfold.local.engine.driver import TURN, World, drive
from mapfold.local.engine.event_log import HistoryFull
from mapfold.states import Scope, State
from mapfold.states.effects import EndScope, FailScope, Json, RunBranches, RunIterations, StateError, TaskFailed
from mapfold.states.frame import Frame, is_oversized
from mapfold.states.standing import Aborted, Inner, Standing, StandingError
from mapfold.states.visit import error_details, too_large
from mapfold.states.wait import Wait
from mapfold.states.work import WorkState

INLINE_AT_ONCE = 40
"""Iterations of an inline Map that run at once at the most, as in the service (quotas: "about 40")."""

_ABORTED = "aborted"
"""What a scope is cancelled with that leaves Aborted events, to the scopes inside it. A stop leaves none."""


class _Siblings:
    """What scopes that run together share: where they stand, and the failure that ended them, if any."""

    __slots__ = ("aborting", "failure", "had_failed", "last_event", "tasks")

    def __init__(self, last_event: int) -> None:
        self.last_event = last_event
        """The last inner event of the scope that ended last, or that failed."""
        self.failure: FailScope | None = None
        self.aborting = False
        """Whether those that are cancelled have to leave their Aborted events."""
        self.had_failed = False
        """Whether one had failed already when they were cut off: it is run again only to fail again."""
        self.tasks: list[asyncio.Task[None]] = []

    def take_over(self, inner: Mapping[int, Inner], outputs: list[Json]) -> list[tuple[int, Standing | None]]:
        """Which scopes are to be run, those first that had begun before; the outputs of the others are filled in."""
        if not inner:
            return [(index, None) for index in range(len(outputs))]
        if max(inner) >= len(outputs):
            raise StandingError(f"there are {len(outputs)} items, and the iteration {max(inner)} had begun")
        begun: list[tuple[int, Standing | None]] = []
        for index in sorted(inner):
            one = inner[index]
            if isinstance(one, Aborted):
                self.had_failed = True
            elif isinstance(one, Standing):
                begun.append((index, one))
            else:
                outputs[index] = one.output
                self.last_event = max(self.last_event, one.last)
        if self.had_failed:
            return begun
        return begun + [(index, None) for index in range(len(outputs)) if index not in inner]

    def end(self, last_event: int) -> None:
        """Note that a scope has succeeded. After a failure that changes nothing any more."""
        if self.failure is None:
            self.last_event = last_event

    async def fail(self, failure: FailScope, last_event: int) -> None:
        """Note the first failure, and abort all others. For a later one this ends with the abort, a CancelledError.

        Not left to the TaskGroup: on Python 3.11 one that sees an error forgets that its parent is being cancelled
        (a stop would be lost), and leaves the parent with a cancellation that nobody asked for (`asyncio.timeout`
        around it would not know its own any more).
        """
        if self.failure is not None:
            await asyncio.get_running_loop().create_future()
        self.failure, self.last_event = failure, last_event
        if failure.catchable:
            await asyncio.sleep(
                0
            )  # who fails in the same moment (four tasks that time out) records it before the abort
        if failure.catchable:
            self.abort()
            return
        here = asyncio.current_task()
        for task in self.tasks:
            if task is not here:
                task.cancel()

    def abort(self) -> None:
        """Cancel all others in their order (a TaskGroup has none), and have them leave their Aborted events."""
        self.aborting = True
        here = asyncio.current_task()
        for task in self.tasks:
            if task is not here:
                task.cancel(_ABORTED)


class _ScopeFailed(Exception):
    """Leaves a scope whose failure its siblings have been told."""


async def run_branches(effect: RunBranches, frame: Frame, world: World) -> list[Json] | TaskFailed:
    """Run every branch with the same input: the outputs in the order of the branches, or the first failure."""
    outputs: list[Json] = [None] * len(effect.branches)
    started = frame.previous
    siblings = _Siblings(started)

    async def run_one(index: int, standing: Standing | None) -> None:
        inner = frame.fork(previous=started)
        with suppress(_ScopeFailed):
            outputs[index] = await _run_scope(effect.branches[index], effect.data, inner, world, siblings, standing)

    to_run = siblings.take_over(effect.inner, outputs)
    return await _together((run_one(index, standing) for index, standing in to_run), siblings, frame, outputs)


async def run_iterations(effect: RunIterations, frame: Frame, world: World) -> list[Json] | TaskFailed:
    """Run one iteration per item, at most `at_once` at a time: the outputs in the order of the items, or a failure."""
    outputs: list[Json] = [None] * effect.count
    siblings = _Siblings(frame.previous)
    to_run = siblings.take_over(effect.inner, outputs)
    slots = min(effect.at_once or INLINE_AT_ONCE, INLINE_AT_ONCE, len(to_run))
    waiting = iter(to_run[slots:])
    not_begun = set(range(slots))

    async def run_slot(slot: int, inner: Frame) -> None:
        not_begun.discard(slot)
        index, standing = to_run[slot]
        with suppress(_ScopeFailed):
            outputs[index] = await _run_iteration(effect, index, inner, world, siblings, standing)
            for run, (index, standing) in enumerate(waiting, start=1):
                if not run % TURN:
                    await asyncio.sleep(0)  # as in a loop of states, but between two iterations: none is cut off
                if siblings.failure is not None:  # the abort reaches only those that wait for something
                    return
                inner = _start_iteration(effect, index, standing, frame, previous=inner.previous)
                outputs[index] = await _run_iteration(effect, index, inner, world, siblings, standing)

    # The first wave is started as a whole before any iteration goes on (history-events 4).
    wave = [
        _start_iteration(effect, index, standing, frame, previous=frame.previous) for index, standing in to_run[:slots]
    ]
    answer = await _together((run_slot(slot, inner) for slot, inner in enumerate(wave)), siblings, frame, outputs)
    if siblings.aborting:
        for slot in sorted(not_begun):  # the failure came before their task had its first turn
            details = _iteration(effect, to_run[slot][0])
            wave[slot].record_leaf("MapIterationAborted", "mapIterationAbortedEventDetails", details)
    return answer


def _start_iteration(
    effect: RunIterations, index: int, standing: Standing | None, frame: Frame, *, previous: int
) -> Frame:
    """The frame of an iteration; one that goes on has been started before (unconfirmed after a redrive)."""
    if standing is not None:
        return frame.fork(previous=standing.previous)
    inner = frame.fork(previous=previous)
    inner.record("MapIterationStarted", "mapIterationStartedEventDetails", _iteration(effect, index))
    return inner


async def _run_iteration(
    effect: RunIterations, index: int, frame: Frame, world: World, siblings: _Siblings, standing: Standing | None
) -> Json:
    details = _iteration(effect, index)
    try:
        output = await _iterate(effect, index, frame, world, siblings, standing)
    except _ScopeFailed:
        if siblings.aborting and (standing is None or not standing.failed):
            frame.record_leaf("MapIterationFailed", "mapIterationFailedEventDetails", details)
        raise
    except asyncio.CancelledError:
        if siblings.aborting:
            with suppress(HistoryFull):
                frame.record_leaf("MapIterationAborted", "mapIterationAbortedEventDetails", details)
        raise
    frame.record_leaf("MapIterationSucceeded", "mapIterationSucceededEventDetails", details)
    return output


async def _iterate(
    effect: RunIterations, index: int, frame: Frame, world: World, siblings: _Siblings, standing: Standing | None
) -> Json:
    """Select the iteration's input, and run its states."""
    data: Json = None
    if standing is None or standing.state is None:
        try:
            data = effect.select(index)
            if is_oversized(frame.text_of(data)):
                raise too_large(effect.name)
        except StateError as error:
            if standing is None or not standing.failed:
                _record_evaluation_failure(effect.name, error, frame)
            await siblings.fail(FailScope(error.error, error.cause, catchable=error.catchable), frame.previous)
            raise _ScopeFailed from error
    return await _run_scope(effect.processor, data, frame, world, siblings, standing)


def _record_evaluation_failure(name: str, error: StateError, frame: Frame) -> None:
    """Record that a JSONata ItemSelector could not be evaluated: an event of the iteration, in the Map's name."""
    if error.error == "States.QueryEvaluationError":
        details = error_details(error.error, error.cause, state=name)
        if error.location is not None:
            details["location"] = error.location
        frame.record("EvaluationFailed", "evaluationFailedEventDetails", details)


def _iteration(effect: RunIterations, index: int) -> dict[str, Json]:
    return {"name": effect.name, "index": index}


async def _run_scope(
    scope: Scope, data: Json, frame: Frame, world: World, siblings: _Siblings, standing: Standing | None
) -> Json:
    try:
        ending = await drive(scope, data, frame, world, standing)
        if isinstance(ending, EndScope):
            siblings.end(frame.previous)
            return ending.data
        await siblings.fail(ending, frame.previous)
    except asyncio.CancelledError:
        if siblings.aborting and frame.state[0] in scope.states:
            with suppress(HistoryFull):
                _record_abort(scope.states[frame.state[0]], frame)
        raise
    raise _ScopeFailed


def _record_abort(state: State, frame: Frame) -> None:
    """Others than those that wait for something have no event for it."""
    if isinstance(state, WorkState):
        frame.record_leaf(state.entered_type.replace("Entered", "Aborted"))
    elif isinstance(state, Wait):
        frame.record_leaf("WaitStateAborted")


async def _together(
    scopes: Iterable[Coroutine[None, None, None]], siblings: _Siblings, frame: Frame, outputs: list[Json]
) -> list[Json] | TaskFailed:
    async with asyncio.TaskGroup() as group:
        siblings.tasks += [group.create_task(scope) for scope in scopes]
        try:
            if siblings.tasks:
                await asyncio.wait(siblings.tasks)
        except asyncio.CancelledError as stop:
            if stop.args == (_ABORTED,):
                siblings.abort()
            raise
    frame.previous = siblings.last_event
    if siblings.failure is None:
        if siblings.had_failed:
            raise StandingError(f"the state '{frame.state[0]}' does not repeat its history: no branch fails again")
        return outputs
    return TaskFailed(siblings.failure.error, siblings.failure.cause, catchable=siblings.failure.catchable)
