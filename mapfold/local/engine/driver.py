"""Runs a scope: asks its states what to do, has the world do it, and follows the transitions.

This is the one loop between the language (`mapfold.states`, which decides) and everything that acts. A scope is an
execution, a branch of a Parallel or an iteration of a Map.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from mapfold.states import Scope
from mapfold.states.effects import Effect, EndScope, FailScope, Goto, Json
from mapfold.states.frame import Frame


class World(Protocol):
    """Performs effects."""

    def perform(self, effect: Effect, frame: Frame) -> Awaitable[Any]:
        """Do what `effect` asks and return the answer that its docstring promises."""
        ...


async def drive(scope: Scope, data: Json, frame: Frame, world: World) -> EndScope | FailScope:
    """Run `scope` from its first state with `data` to its end. A failure is a value; an exception is a bug of ours.

    Does not suspend where no state has to wait: a child execution of Pass states costs no turn of the event loop.
    """
    states = scope.states
    name = scope.start_at
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
