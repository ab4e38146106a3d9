"""Runs a scope: asks its states what to do, has the world do it, and follows the transitions.

This is the one loop between the language (`mapfold.states`, which decides) and everything that acts. A scope is an
execution, a branch of a Parallel or an iteration of a Map.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol

from mapfold.states import Scope, State
from mapfold.states.effects import Effect, EndScope, FailScope, Goto, Json, Transition
from mapfold.states.frame import Frame
from mapfold.states.standing import Seen, Standing, go_on
from mapfold.states.visit import enter

TURN = 256
"""States that a scope visits before others get their turn, if none of them waits for anything; iterations of a Map alike."""
LONG = 50
"""Turns that a STANDARD execution has room for in its history. An EXPRESS one may loop on for its five minutes: each of
its turns then takes `LONG_TURN_SECONDS`, about a millisecond a state, so that its history stays in bounds."""
LONG_TURN_SECONDS = 0.25


class World(Protocol):
    """Performs effects."""

    def perform(self, effect: Effect, frame: Frame) -> Awaitable[Any]:
        """Do what `effect` asks and return the answer that its docstring promises."""
        ...


async def drive(
    scope: Scope, data: Json, frame: Frame, world: World, standing: Standing | None = None
) -> EndScope | FailScope:
    """Run `scope` from its first state with `data` to its end. A failure is a value; an exception is a bug of ours.

    With `standing` it goes on from there, and `data` counts only where no state has been entered.
    Does not suspend where no state has to wait, unless it visits hundreds: a child execution of Pass states costs no
    turn of the event loop, and one that loops lets the others live, and can be stopped.
    """
    states = scope.states
    name = scope.start_at
    if standing is not None:
        first = await _go_on(scope, data, frame, world, standing)
        if not isinstance(first, Goto):
            return first
        name, data = first.name, first.data
    visits = 0
    while True:
        steps = states[name].run(data, frame)
        answer: Any = None
        try:
            while True:
                answer = await world.perform(steps.send(answer), frame)
        except StopIteration as stop:
            transition = stop.value
        if type(transition) is not Goto:
            ending: EndScope | FailScope = transition
            return ending
        name, data = transition.name, transition.data
        visits += 1
        if not visits % TURN:
            standing = await _let_others_live(states[name], data, frame, visits)
            transition = await _go_on(scope, data, frame, world, standing)
            if not isinstance(transition, Goto):
                return transition
            name, data = transition.name, transition.data


async def _let_others_live(state: State, data: Json, frame: Frame, visits: int) -> Standing:
    """Wait in `state`: a scope may be stopped, and its history kept, wherever it waits, and nobody could go on between two."""
    before = frame.previous
    enter(state.entered_type, state.name, data, frame)
    now, entered = frame.state[1], frame.entered
    await asyncio.sleep(0 if visits < LONG * TURN else LONG_TURN_SECONDS)
    steps = (Seen(state.entered_type, entered, now),)
    return Standing(state.name, frame.text_of(data), before, steps, entered, now, frame.variables)


async def _go_on(scope: Scope, data: Json, frame: Frame, world: World, standing: Standing) -> Transition:
    """Run the state that was cut off to its transition."""
    frame.variables.update(standing.variables)
    if standing.state is None:
        frame.previous = standing.previous
        return Goto(scope.start_at, data)
    steps = go_on(scope, standing, frame)
    answer: Any = None
    try:
        while True:
            answer = await world.perform(steps.send(answer), frame)
    except StopIteration as stop:
        transition: Transition = stop.value
        return transition
