"""Loops of states that wait for nothing: others have their turn, and whoever is cut off there can go on."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.local.engine import branches, driver
from tests.unit.engine.fakes import Gate
from tests.unit.engine.test_redrive import redrive
from tests.unit.engine.test_resume import live_types
from tests.unit.engine.world import World, inline_map, parallel, pass_, task

ROUNDS = 20


@pytest.fixture
def _turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have their turn after any three states."""
    monkeypatch.setattr(driver, "TURN", 3)
    monkeypatch.setattr(driver, "LONG", 1)
    monkeypatch.setattr(driver, "LONG_TURN_SECONDS", 0)


def loop() -> dict[str, Any]:
    """Counts to ROUNDS, in two states."""
    rule = {"Variable": "$.n", "NumericEquals": ROUNDS, "Next": "After"}
    return {
        "Add": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "More"},
        "More": {"Type": "Choice", "Choices": [rule], "Default": "Add"},
        "After": pass_(Result="counted"),
    }


@pytest.mark.usefixtures("_turns")
class TestTurn:
    async def test_a_loop_has_the_history_that_it_has_without_turns(self, world: World) -> None:
        """Each state is entered and left once a round, in one chain."""
        ended = await world.run(loop(), {"n": 0})

        once = ["PassStateEntered", "PassStateExited", "ChoiceStateEntered", "ChoiceStateExited"]
        last = ["PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
        assert ended.types == ["ExecutionStarted", *once * ROUNDS, *last]
        assert ended.line[2:] == [(type_, place) for place, type_ in enumerate(ended.types)][2:]
        assert ended.output == "counted"

    async def test_one_that_was_stopped_in_a_turn_is_redriven(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It stood in a state, though in none that waits, and goes on there."""
        monkeypatch.setattr(driver, "LONG_TURN_SECONDS", 60)
        started = await world.start(loop(), {"n": 0})
        await world.until(lambda: len(live_types(world, started)) > 3)
        stopped = await world.stop(started)
        monkeypatch.setattr(driver, "LONG_TURN_SECONDS", 0)

        again = await redrive(world, stopped)

        assert stopped.types[-2].endswith("StateEntered")
        assert again.output == "counted"
        assert again.types.count("PassStateEntered") == ROUNDS + 1

    async def test_a_branch_that_was_stopped_in_a_turn_is_redriven_too(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What its last state gave is not taken for its output."""
        monkeypatch.setattr(driver, "LONG_TURN_SECONDS", 60)
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"Both": parallel(loop(), {"T": task("waits")})}, {"n": 0})
        await gate.came.wait()
        stopped = await world.stop(started)
        monkeypatch.setattr(driver, "LONG_TURN_SECONDS", 0)
        gate.open()

        again = await redrive(world, stopped)

        assert stopped.types.count("PassStateExited") < ROUNDS
        assert again.output[0] == "counted"

    async def test_a_map_lets_others_live_between_its_iterations(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where none of them waits for anything: the branch beside it goes on meanwhile."""
        monkeypatch.setattr(branches, "TURN", 3)
        each = inline_map({"P": pass_()}, ItemsPath="$.items", MaxConcurrency=1)

        ended = await world.run({"Both": parallel({"M": each}, loop())}, {"n": 0, "items": list(range(ROUNDS))})

        second, last = (ended.id("MapIterationStarted", nth) for nth in (1, ROUNDS - 1))
        assert "ChoiceStateEntered" in ended.types[second:last]
        assert ended.output == [list(range(ROUNDS)), "counted"]
