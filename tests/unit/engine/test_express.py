"""EXPRESS executions: five minutes, at least once when asynchronous, at most once when somebody waits for the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mapfold.local.engine import execution
from mapfold.local.store import ExecutionRow, MachineRow, open_store
from tests.unit.engine.fakes import Gate
from tests.unit.engine.world import ALL, World, opened, pass_, task, wait


def machine(world: World, states: dict[str, object], **top: object) -> MachineRow:
    return world.machine("machine", states, type_="EXPRESS", **top)


async def run(world: World, states: dict[str, object], **top: object) -> ExecutionRow:
    """Run an EXPRESS machine as StartSyncExecution does."""
    return await world.engine.run_execution(machine(world, states, **top), name="one", input_text='{ "a": 1 }')


class TestSynchronous:
    async def test_the_answer_is_its_end(self, world: World) -> None:
        """Its ARN has the machine, the name and a uuid; its input is the text that was sent."""
        row = await run(world, {"P": pass_(Result=7)})

        assert (row.status, row.output, row.input) == ("SUCCEEDED", "7", '{ "a": 1 }')
        assert row.arn.rpartition(":")[0] == "arn:aws:states:us-east-1:123456789012:express:machine:one"
        assert row.stop is not None

    async def test_a_failure_is_an_answer_too(self, world: World) -> None:
        """With the error and cause of the state that failed."""
        row = await run(world, {"F": {"Type": "Fail", "Error": "Enough", "Cause": "it is"}})

        assert (row.status, row.error, row.cause) == ("FAILED", "Enough", "it is")

    @pytest.mark.parametrize("top", [{"TimeoutSeconds": 1}, {}], ids=["its own limit", "five minutes"])
    async def test_one_that_takes_too_long_is_timed_out(
        self, world: World, monkeypatch: pytest.MonkeyPatch, top: dict[str, object]
    ) -> None:
        """At its limit to the millisecond, or at that of all EXPRESS executions (here a second)."""
        monkeypatch.setattr(execution, "EXPRESS_SECONDS", 1)

        row = await run(world, {"W": wait()}, **top)

        assert (row.status, row.error, row.stop) == ("TIMED_OUT", None, row.start + 1)

    async def test_a_loop_that_waits_for_nothing_is_timed_out(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No number of events ends it; it lets others have their turn all the same, and its own limit come."""
        monkeypatch.setattr(execution, "EXPRESS_SECONDS", 0.02)
        rule = {"Variable": "$.a", "NumericEquals": 2, "Next": "S"}
        loop = {"C": {"Type": "Choice", "Choices": [rule], "Default": "C"}, "S": {"Type": "Succeed"}}

        row = await asyncio.wait_for(run(world, loop), 5)

        assert row.status == "TIMED_OUT"

    async def test_it_goes_on_when_nobody_waits_any_more(self, world: World) -> None:
        """A client that goes away does not end it."""
        gate = world.functions.handlers["waits"] = Gate()
        asked = asyncio.create_task(run(world, {"T": task("waits")}))
        await gate.came.wait()
        asked.cancel()
        await asyncio.wait({asked})

        gate.open()
        await world.until(lambda: not world.engine._live)

        (row,) = await world.store.executions("arn:aws:states:us-east-1:123456789012:stateMachine:machine", ALL)
        assert row.status == "SUCCEEDED"

    async def test_one_that_was_cut_off_is_not_run_again(self, tmp_path: Path) -> None:
        """At most once: who asked for it has had no answer, and will not get one."""
        async with open_store(tmp_path) as store:
            async with opened(store) as world:
                gate = world.functions.handlers["waits"] = Gate()
                asked = asyncio.create_task(run(world, {"T": task("waits")}))
                await gate.came.wait()
            row = await asked
            async with opened(store) as world:
                assert await world.engine.resume() == 0

        assert (row.status, row.stop) == ("RUNNING", None)


class TestAsynchronous:
    async def test_the_same_name_twice_is_two_executions(self, world: World) -> None:
        """StartExecution is not idempotent for EXPRESS: each has a uuid in its ARN."""
        one = machine(world, {"P": pass_()})

        first = await world.engine.start_execution(one, name="same", input_text="{}")
        second = await world.engine.start_execution(one, name="same", input_text="{}")

        assert first.arn != second.arn
        assert first.arn.startswith("arn:aws:states:us-east-1:123456789012:express:machine:same:")

    async def test_its_history_is_that_of_any_execution(self, world: World) -> None:
        """Though GetExecutionHistory refuses it: Mapfold's own endpoint shows it."""
        ended = await world.run({"P": pass_()}, type_="EXPRESS")

        assert ended.line == [
            ("ExecutionStarted", 0),
            ("PassStateEntered", 0),
            ("PassStateExited", 2),
            ("ExecutionSucceeded", 3),
        ]

    async def test_one_that_was_cut_off_runs_again_from_its_start(self, tmp_path: Path) -> None:
        """At least once: what it had done is done again, and its history is that of the second time."""
        async with open_store(tmp_path) as store:
            async with opened(store) as world:
                gate = world.functions.handlers["waits"] = Gate()
                world.functions.handlers["echo"] = lambda event: event
                started = await world.start({"E": task("echo", Next="T"), "T": task("waits")}, type_="EXPRESS")
                await gate.came.wait()
            async with opened(store) as world:
                world.functions.handlers |= {"waits": lambda event: event, "echo": lambda event: event}
                await world.engine.resume()
                ended = await world.end(started)

        assert world.functions.calls == [("echo", {}), ("waits", {})]
        assert [event["id"] for event in ended.events] == list(range(1, 13))
        assert ended.types.count("ExecutionStarted") == 1
