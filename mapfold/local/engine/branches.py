"""Parallel branches and the iterations of an inline Map: scopes that run at once inside one execution.

The first scope that fails stops the others, which leave their Aborted events (history-events 4), and its error
becomes the state's. An iteration that starts because another ended points back to that one's last event (rule 3), and
the state goes on from the last event inside it (rule 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable

from mapfold.local.engine.driver import World, drive
from mapfold.states import Scope, State
from mapfold.states.effects import EndScope, FailScope, Json, RunBranches, RunIterations, StateError, TaskFailed
from mapfold.states.frame import Frame
from mapfold.states.wait import Wait
from mapfold.states.work import WorkState

INLINE_AT_ONCE = 40
"""Iterations of an inline Map that run at once at the most, as in the service (quotas: "about 40")."""


class _Siblings:
    """What scopes that run together share: where they stand, and the failure that ended them, if any."""

    __slots__ = ("failure", "last_event")

    def __init__(self, last_event: int) -> None:
        self.last_event = last_event
        """The last inner event of the scope that ended last, or that failed."""
        self.failure: FailScope | None = None

    def fail(self, failure: FailScope, last_event: int) -> None:
        """Note a failure; only the first counts."""
        if self.failure is None:
            self.failure, self.last_event = failure, last_event


class _SiblingFailed(Exception):
    """Leaves a TaskGroup, which then cancels the others."""


async def run_branches(effect: RunBranches, frame: Frame, world: World) -> list[Json] | TaskFailed:
    """Run every branch with the same input: the outputs in the order of the branches, or the first failure."""
    outputs: list[Json] = [None] * len(effect.branches)
    started = frame.previous
    siblings = _Siblings(started)

    async def run_one(index: int, branch: Scope) -> None:
        inner = frame.fork(previous=started)
        outputs[index] = await _run_scope(branch, effect.data, inner, world, siblings)

    return await _together(
        (run_one(index, branch) for index, branch in enumerate(effect.branches)), siblings, frame, outputs
    )


async def run_iterations(effect: RunIterations, frame: Frame, world: World) -> list[Json] | TaskFailed:
    """Run one iteration per item, at most `at_once` at a time: the outputs in the order of the items, or a failure."""
    outputs: list[Json] = [None] * effect.count
    siblings = _Siblings(frame.previous)
    waiting = iter(range(effect.count))
    started = frame.previous

    async def run_slot() -> None:
        previous = started
        for index in waiting:
            inner = frame.fork(previous=previous)
            outputs[index] = await _run_iteration(effect, index, inner, world, siblings)
            previous = inner.previous

    slots = min(effect.at_once or INLINE_AT_ONCE, INLINE_AT_ONCE, effect.count)
    return await _together((run_slot() for _ in range(slots)), siblings, frame, outputs)


async def _run_iteration(effect: RunIterations, index: int, frame: Frame, world: World, siblings: _Siblings) -> Json:
    details = {"name": effect.name, "index": index}
    frame.record("MapIterationStarted", "mapIterationStartedEventDetails", details)
    try:
        output = await _run_scope(effect.processor, effect.select(index), frame, world, siblings)
    except StateError as error:  # ItemSelector could not be evaluated for this item
        siblings.fail(FailScope(error.error, error.cause, catchable=error.catchable), frame.previous)
        frame.record_leaf("MapIterationFailed", "mapIterationFailedEventDetails", details)
        raise _SiblingFailed from error
    except _SiblingFailed:
        frame.record_leaf("MapIterationFailed", "mapIterationFailedEventDetails", details)
        raise
    except asyncio.CancelledError:
        if siblings.failure is not None:
            frame.record_leaf("MapIterationAborted", "mapIterationAbortedEventDetails", details)
        raise
    frame.record_leaf("MapIterationSucceeded", "mapIterationSucceededEventDetails", details)
    return output


async def _run_scope(scope: Scope, data: Json, frame: Frame, world: World, siblings: _Siblings) -> Json:
    try:
        ending = await drive(scope, data, frame, world)
    except asyncio.CancelledError:
        if siblings.failure is not None and frame.state[0] in scope.states:
            _record_abort(scope.states[frame.state[0]], frame)
        raise
    if isinstance(ending, EndScope):
        siblings.last_event = frame.previous
        return ending.data
    siblings.fail(ending, frame.previous)
    raise _SiblingFailed


def _record_abort(state: State, frame: Frame) -> None:
    """Only states that wait can be caught by an abort, and only they have an event for it."""
    if isinstance(state, WorkState):
        frame.record_leaf(state.entered_type.replace("Entered", "Aborted"))
    elif isinstance(state, Wait):
        frame.record_leaf("WaitStateAborted")


async def _together(
    scopes: Iterable[Coroutine[None, None, None]], siblings: _Siblings, frame: Frame, outputs: list[Json]
) -> list[Json] | TaskFailed:
    try:
        async with asyncio.TaskGroup() as group:
            for scope in scopes:
                group.create_task(scope)
    except* _SiblingFailed:
        pass  # the failure is in `siblings`
    frame.previous = siblings.last_event
    if siblings.failure is None:
        return outputs
    return TaskFailed(siblings.failure.error, siblings.failure.cause, catchable=siblings.failure.catchable)
