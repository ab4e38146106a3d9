"""Inline Map: iterations side by side in one history (history-events 3 and 4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.engine.fakes import FunctionError, Gate
from tests.unit.engine.world import World, inline_map, pass_, task

CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]
FAIL = {"F": {"Type": "Fail", "Error": "Broken"}}


class TestSuccess:
    async def test_an_empty_map(self, world: World) -> None:
        """No iteration; the output is an empty array."""
        ended = await world.run({"M": inline_map({"P": pass_()})}, [])

        assert ended.line[1:] == [
            ("MapStateEntered", 0),
            ("MapStateStarted", 2),
            ("MapStateSucceeded", 3),
            ("MapStateExited", 3),
            ("ExecutionSucceeded", 5),
        ]
        assert ended.details("MapStateStarted") == {"length": 0}
        assert ended.output == []

    @pytest.mark.parametrize("processor", [{"P": pass_()}, {"T": task("echo")}])
    async def test_iterations_that_begin_together_point_at_the_maps_start(
        self, world: World, processor: dict[str, Any]
    ) -> None:
        """All are started before the first of them goes on, and each points at MapStateStarted (rule 3)."""
        world.functions.handlers["echo"] = lambda event: event

        ended = await world.run({"M": inline_map(processor)}, [7, 8, 9])

        assert ended.types[1:6] == ["MapStateEntered", "MapStateStarted", *["MapIterationStarted"] * 3]
        assert ended.previous("MapIterationStarted") == [3, 3, 3]
        assert [ended.details("MapIterationStarted", nth) for nth in range(3)] == [
            {"name": "M", "index": index} for index in range(3)
        ]
        assert ended.output == [7, 8, 9]

    async def test_a_serial_map_is_one_chain_with_leaves(self, world: World) -> None:
        """With MaxConcurrency 1 an iteration points at the last inner event of the one before, as that one's leaf does."""
        ended = await world.run({"M": inline_map({"P": pass_()}, MaxConcurrency=1)}, [7, 8])

        assert ended.line[1:] == [
            ("MapStateEntered", 0),
            ("MapStateStarted", 2),
            ("MapIterationStarted", 3),
            ("PassStateEntered", 4),
            ("PassStateExited", 5),
            ("MapIterationSucceeded", 6),
            ("MapIterationStarted", 6),
            ("PassStateEntered", 8),
            ("PassStateExited", 9),
            ("MapIterationSucceeded", 10),
            ("MapStateSucceeded", 10),
            ("MapStateExited", 10),
            ("ExecutionSucceeded", 13),
        ]

    @pytest.mark.parametrize(("limit", "at_once"), [(3, 3), (0, 40)])
    async def test_max_concurrency_bounds_what_runs_at_once(self, world: World, limit: int, at_once: int) -> None:
        """0 is the service's own bound of 40."""
        gate = Gate()
        world.functions.handlers["waits"] = gate
        started = await world.start({"M": inline_map({"T": task("waits")}, MaxConcurrency=limit)}, list(range(50)))
        await world.until(lambda: gate.waiting == at_once)
        called = len(world.functions.calls)
        gate.open()

        ended = await world.end(started)

        assert called == at_once
        assert ended.output == list(range(50))

    async def test_item_selector_sees_item_and_input(self, world: World) -> None:
        """`$` is the Map's input, `$$.Map.Item` the item."""
        fields: dict[str, Any] = {
            "ItemsPath": "$.items",
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"},
        }

        ended = await world.run({"M": inline_map({"P": pass_()}, **fields)}, {"items": ["a"], "k": 5})

        assert ended.output == [{"i": 0, "v": "a", "k": 5}]


class TestFailure:
    async def test_the_first_failure_aborts_the_running_iterations(self, world: World) -> None:
        """Failed and MapStateFailed share the failing event; each other one leaves two Aborted leaves (rule 4)."""
        gate = Gate()

        async def one_fails(event: Any) -> Any:
            if event == 1:
                await world.until(lambda: gate.waiting == 2)
                raise FunctionError("Broken")
            return await gate(event)

        world.functions.handlers["f"] = one_fails
        states = {"M": inline_map({"T": task("f")}, MaxConcurrency=3)}

        ended = await world.run(states, [0, 1, 2, 3, 4])

        failed = ended.id("LambdaFunctionFailed")
        assert ended.types[failed:] == [
            "MapIterationFailed",
            "TaskStateAborted",
            "MapIterationAborted",
            "TaskStateAborted",
            "MapIterationAborted",
            "MapStateFailed",
            "ExecutionFailed",
        ]
        assert ended.previous("MapIterationFailed") == ended.previous("MapStateFailed") == [failed]
        assert ended.previous("ExecutionFailed") == [ended.id("MapStateFailed")]
        assert ended.details("MapIterationFailed") == {"name": "M", "index": 1}
        assert {ended.details("MapIterationAborted", nth)["index"] for nth in (0, 1)} == {0, 2}
        assert ended.types.count("MapIterationStarted") == 3

    async def test_no_iteration_begins_after_a_failure(self, world: World) -> None:
        """Though none of them would ever have waited for anything."""
        choice = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericEquals": 0, "Next": "F"}], "Default": "P"}

        ended = await world.run(
            {"M": inline_map({"C": choice, **FAIL, "P": pass_()}, MaxConcurrency=2)}, list(range(10))
        )

        assert ended.types.count("MapIterationStarted") == 2
        assert ended.previous("MapStateFailed") == [ended.id("FailStateEntered")]

    async def test_a_caught_failure(self, world: World) -> None:
        """MapStateFailed, then MapStateExited with the catcher's output."""
        ended = await world.run({"M": inline_map(FAIL, Catch=CATCH), "After": pass_()}, [1])

        assert ended.line[4:8] == [
            ("FailStateEntered", 4),
            ("MapIterationFailed", 5),
            ("MapStateFailed", 5),
            ("MapStateExited", 7),
        ]

    async def test_a_retry_has_no_map_state_failed_between_attempts(self, world: World) -> None:
        """The next MapStateStarted points at the failing inner event (rule 8)."""
        retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 1}]

        ended = await world.run({"M": inline_map(FAIL, Retry=retry)}, [1])

        assert ended.line[2:] == [
            ("MapStateStarted", 2),
            ("MapIterationStarted", 3),
            ("FailStateEntered", 4),
            ("MapIterationFailed", 5),
            ("MapStateStarted", 5),
            ("MapIterationStarted", 7),
            ("FailStateEntered", 8),
            ("MapIterationFailed", 9),
            ("MapStateFailed", 9),
            ("ExecutionFailed", 11),
        ]

    async def test_an_item_selector_that_fails_fails_its_iteration(self, world: World) -> None:
        """With the cause that names the Map state, and no state of the processor entered."""
        fields: dict[str, Any] = {"ItemSelector": {"v.$": "$$.Map.Item.Value.x"}}

        ended = await world.run({"M": inline_map({"P": pass_()}, **fields)}, [1])

        assert "PassStateEntered" not in ended.types
        assert ended.row.error == "States.Runtime"
        assert (ended.row.cause or "").startswith("An error occurred while executing the state 'M'")
