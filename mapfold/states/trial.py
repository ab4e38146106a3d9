"""One state by itself (TestState): what becomes of an input, and what was made of it on the way.

A trial is a generator like the visit of a state: it yields effects and is sent their answers. It differs from a visit in
what it does with a failure: it tells who would handle it, and does not try again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mapfold.states.amounts import read_whole
from mapfold.states.effects import Effect, FailScope, Goto, Json, RunIterations, RunMap, StateError, Transition
from mapfold.states.frame import Frame
from mapfold.states.inspection import Notes
from mapfold.states.machine import Scope, State
from mapfold.states.map_distributed import DistributedMap
from mapfold.states.map_inline import InlineMap
from mapfold.states.parallel import Parallel
from mapfold.states.recovery import error_output
from mapfold.states.visit import WorkFailed, enter, leave
from mapfold.states.work import WorkState


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended. `status`: SUCCEEDED, FAILED, RETRIABLE or CAUGHT_ERROR.

    `output` is there where `has_output`; `handled` is errorDetails: the retrier or catcher that takes the error.
    """

    status: str
    output: Json = None
    has_output: bool = False
    next: str | None = None
    error: str | None = None
    cause: str | None = None
    handled: Mapping[str, int] = field(default_factory=dict)


def find_state(scope: Scope, name: str) -> State | None:
    """The state with this name in a scope, or in those inside it."""
    found = scope.states.get(name)
    inner = (find_state(one, name) for state in scope.states.values() for one in _scopes_of(state))
    return found or next((state for state in inner if state is not None), None)


def _scopes_of(state: State) -> Sequence[Scope]:
    if isinstance(state, Parallel):
        return state.branches
    return [state.processor] if isinstance(state, InlineMap | DistributedMap) else []


def try_state(
    state: State, data: Json, frame: Frame, notes: Notes, *, retries: int = 0, token: str | None = None
) -> Generator[Effect, Any, Outcome]:
    """Try `state` with the input `data`.

    `retries` have been made already by the retrier that takes its error; `token` is the task token of the context.
    """
    if isinstance(state, WorkState):
        return (yield from _try_work(state, data, frame, notes, retries, token))
    return _told((yield from state.run(data, frame)), frame)


def _told(transition: Transition, frame: Frame) -> Outcome:
    if isinstance(transition, FailScope):
        return Outcome("FAILED", error=transition.error, cause=_bare(transition.cause, frame))
    next_ = transition.name if isinstance(transition, Goto) else None
    return Outcome("SUCCEEDED", transition.data, True, next_)


def _bare(cause: str | None, frame: Frame) -> str | None:
    """A cause without the words that name the state and its event: there is no history."""
    prefix = (
        f"An error occurred while executing the state '{frame.state[0]}' (entered at the event id #{frame.entered}). "
    )
    return None if cause is None else cause.removeprefix(prefix)


def _try_work(
    state: WorkState, data: Json, frame: Frame, notes: Notes, retries: int, token: str | None
) -> Generator[Effect, Any, Outcome]:
    enter(state.entered_type, state.name, data, frame)
    if state.recovery.retriers:
        frame.retry_count = retries
    flow = state.flow
    try:
        state.before_attempt(frame)
        frame.task_token = token or frame.task_token
        inputs = data if flow.select is None else flow.select(data, frame)
        arguments = inputs if flow.arguments is None else flow.arguments(inputs, frame)
        result = notes["result"] = yield from _noting_items(state, inputs, arguments, frame, notes)
        output = result if flow.give is None else flow.give(data, result, frame)
        assigned = None if flow.assign is None else flow.assign(data, result, frame)
        return _told(leave(state.exited_type, state.name, output, assigned, frame, state.next), frame)
    except StateError as error:
        return _handle(state, error, data, frame, retries)


def _noting_items(
    state: WorkState, inputs: Json, arguments: Json, frame: Frame, notes: Notes
) -> Generator[Effect, Any, Json]:
    """The work, with what a Map asks for noted before it is done."""
    work = state.work(inputs, arguments, frame)
    answer: Any = None
    while True:
        try:
            effect = work.send(answer)
        except StopIteration as stop:
            if isinstance(state, InlineMap) and "afterItemsPath" not in notes:  # no items, so no iterations
                _note_iterations(state, inputs, read_whole(state.max_concurrency, inputs, frame) or 0, [], frame, notes)
            return stop.value
        if isinstance(effect, RunIterations) and isinstance(state, InlineMap):
            selected = [] if state.selector is None else [effect.select(index) for index in range(effect.count)]
            _note_iterations(state, inputs, effect.at_once, selected, frame, notes)
        elif isinstance(effect, RunMap):
            _note_map(effect, notes)
        answer = yield effect


def _note_iterations(
    state: InlineMap, inputs: Json, at_once: int, selected: list[Json], frame: Frame, notes: Notes
) -> None:
    notes["maxConcurrency"] = at_once
    notes["afterItemsPath"] = state.items(inputs, frame)
    if state.selector is not None:
        notes["afterItemSelector"] = selected


def _note_map(effect: RunMap, notes: Notes) -> None:
    notes["maxConcurrency"] = effect.max_concurrency
    if effect.tolerated_count is not None:
        notes["toleratedFailureCount"] = effect.tolerated_count
    if effect.tolerated_percentage is not None:
        notes["toleratedFailurePercentage"] = effect.tolerated_percentage
    if effect.items is not None:
        notes["afterItemsPath"] = effect.items
        note_items(effect, effect.items, notes)


def note_items(effect: RunMap, items: Json, notes: Notes) -> None:
    """Note what a distributed Map makes of its items: ItemSelector for each, then ItemBatcher."""
    members: list[tuple[str | None, Json]]
    members = list(items.items()) if isinstance(items, dict) else [(None, item) for item in items]
    select = effect.select
    selected = [
        value if select is None else select(index, value, key, "STATE_DATA")
        for index, (key, value) in enumerate(members)
    ]
    if select is not None:
        notes["afterItemSelector"] = selected
    if effect.batcher is not None:
        size = effect.batcher.max_items or max(len(selected), 1)
        head = {} if effect.batcher.batch_input is None else {"BatchInput": effect.batcher.batch_input}
        notes["afterItemBatcher"] = [
            {**head, "Items": selected[first : first + size]} for first in range(0, len(selected), size)
        ]


def _handle(state: WorkState, failure: StateError, data: Json, frame: Frame, retries: int) -> Outcome:
    """Who takes a failure: a retrier that is not used up, else a catcher, else nobody."""
    name = failure.name if isinstance(failure, WorkFailed) else failure.error
    recovery = state.recovery
    matching = (index for index, retrier in enumerate(recovery.retriers) if retrier.errors.matches(failure.error))
    index = next(matching, None)
    delay = None if index is None else recovery.next_delay(failure, {index: retries}, frame.random)
    if index is not None and delay is not None:
        handled = {"retryIndex": index, "retryBackoffIntervalSeconds": int(delay)}
        return Outcome("RETRIABLE", error=name, cause=failure.cause, handled=handled)
    catcher = recovery.find_catcher(failure)
    if catcher is None:
        return Outcome("FAILED", error=name, cause=failure.cause)
    caught = error_output(name, failure.cause)
    try:
        output = caught if catcher.give is None else catcher.give(data, caught, frame)
        assigned = None if catcher.assign is None else catcher.assign(data, caught, frame)
        leave(state.exited_type, state.name, output, assigned, frame, catcher.next)
    except StateError as error:
        return Outcome("FAILED", error=error.error, cause=error.cause)
    handled = {"catchIndex": list(recovery.catchers).index(catcher)}
    return Outcome("CAUGHT_ERROR", output, True, catcher.next, name, failure.cause, handled)
