"""Whatever a definition is, it compiles or is refused; and what compiles runs to an end, or fails as a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapfold.errors import DefinitionError
from mapfold.states import (
    Effect,
    EndScope,
    FailScope,
    Frame,
    Json,
    Machine,
    RunMap,
    RunTask,
    StateError,
    TaskFailed,
    TaskSucceeded,
    compile_machine,
    encode,
)
from mapfold.states.advice import find_warnings

from .broken_definitions import EXPRESSIONS, INPUT, PATHS, broken, json_values
from .conftest import World

ERRORS = ("A", "States.Timeout", "States.TaskFailed", "States.Runtime", "Lambda.Unknown", None)
RESULTS: tuple[Json, ...] = (None, 1, "abc", [], {"Payload": {"n": 9, "a": "a"}}, INPUT, [INPUT])


class EnoughError(Exception):
    """The machine goes on for longer than the test looks."""


class Careless(World):
    """A world that answers anything to anything, for a while. Its time jumps over every wait."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random, self.budget = random, 60

    def perform(self, effect: Effect, frame: Frame) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise EnoughError
        if isinstance(effect, RunTask):
            return self.answer()
        if isinstance(effect, RunMap):
            self.select_first(effect)
            return self.answer()
        return super().perform(effect, frame)

    def answer(self) -> TaskSucceeded | TaskFailed:
        if self.random.random() < 0.5:
            return TaskSucceeded(self.random.choice(RESULTS))
        error = self.random.choice(ERRORS)
        cause = self.random.choice([None, "because"])
        return TaskFailed(error, cause, timed_out=error == "States.Timeout", catchable=error != "States.Runtime")

    def select_first(self, effect: RunMap) -> None:
        """ItemSelector may fail, which the driver takes as a value."""
        if effect.select is not None:
            with suppress(StateError):
                encode(effect.select(0, 1, None, "STATE_DATA"))


def compiled(definition: Any, *, express: bool = False) -> Machine | None:
    """The machine, or None where the definition is refused: with problems that can be told."""
    try:
        return compile_machine(definition, express=express)
    except DefinitionError as error:
        problems = error.problems
    assert problems
    for problem in problems:
        assert problem.code.isupper()
        assert problem.text
        assert problem.at is None or problem.at.startswith("/")
    return None


@pytest.mark.parametrize("definition", [PATHS, EXPRESSIONS])
def test_the_definitions_that_are_broken_below_are_whole(definition: Mapping[str, Json]) -> None:
    """Otherwise little would be tested."""
    assert compile_machine(definition).scope.start_at == "Pass"


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_definition_with_changes_anywhere_compiles_or_is_refused_and_runs(seed: int) -> None:
    """No other exception than DefinitionError, and none at all at run time, whatever tasks answer."""
    random = Random(seed)
    definition = broken(random)
    find_warnings(definition)

    machine = compiled(definition, express=random.random() < 0.2)

    if machine is not None:
        world = Careless(random)
        with suppress(EnoughError):
            end = world.run(machine.scope, random.choice([INPUT, {}, [], None, "x"]))
            assert isinstance(end, EndScope | FailScope)
            if isinstance(end, FailScope):
                assert isinstance(end.error, str | None)
                assert isinstance(end.cause, str | None)


@settings(max_examples=80, deadline=None)
@given(definition=json_values() | st.text())
def test_any_json_and_any_text_is_refused_or_compiles(definition: Json) -> None:
    """As a value, and as text."""
    find_warnings(definition)

    compiled(definition)
    compiled(json.dumps(definition) if not isinstance(definition, str) else f'{{"StartAt": {definition}')
