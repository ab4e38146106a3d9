"""RedriveExecution: an execution that failed, timed out or was stopped goes on with the states that were not left.

How each kind of state is redriven follows the Developer Guide, "Restarting state machine executions with redrive".
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.engine.clock import iso_timestamp
from mapfold.local.store import open_store
from tests.unit.engine.fakes import Gate, StillClock
from tests.unit.engine.test_resume import fails, forget_events, live_types
from tests.unit.engine.world import Ended, World, inline_map, opened, parallel, pass_, task, wait

FAIL = {"F": {"Type": "Fail", "Error": "Broken"}}


async def redrive(world: World, ended: Ended) -> Ended:
    """Redrive, and wait for the end."""
    return await world.end(await begin_redrive(world, ended))


async def begin_redrive(world: World, ended: Ended) -> Any:
    machine = world.store.machine(ended.row.machine_arn)
    assert machine is not None
    return await world.engine.redrive_execution(ended.row, machine)


def mend(world: World) -> None:
    """What failed works from now on."""
    world.functions.handlers["fails"] = lambda event: event
    world.functions.calls.clear()


@pytest.fixture
def broken(world: World) -> World:
    world.functions.handlers |= {"fails": fails, "echo": lambda event: event}
    return world


class TestTasks:
    async def test_a_failed_task_is_scheduled_again(self, broken: World) -> None:
        """
        It is not entered again: the new attempt follows the event of its entry. What was left before is kept.
        ExecutionRedriven follows the end, and nothing follows it.
        """
        ended = await broken.run({"E": task("echo", Next="T"), "T": task("fails")}, 3)
        mend(broken)

        again = await redrive(broken, ended)

        last = len(ended.events)
        assert again.line[last:] == [
            ("ExecutionRedriven", last),
            ("LambdaFunctionScheduled", ended.id("TaskStateEntered", 1)),
            ("LambdaFunctionStarted", last + 2),
            ("LambdaFunctionSucceeded", last + 3),
            ("TaskStateExited", last + 4),
            ("ExecutionSucceeded", last + 5),
        ]
        assert again.details("ExecutionRedriven") == {"redriveCount": 1}
        assert (again.output, broken.functions.calls) == (3, [("fails", 3)])
        assert (again.row.status, again.row.redrive_count, again.row.error) == ("SUCCEEDED", 1, None)

    async def test_retries_begin_again(self, broken: World) -> None:
        """With MaxAttempts 1: two attempts before, and two after."""
        retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        states = {"T": task("fails", Retry=retry, Parameters={"retry.$": "$$.State.RetryCount"})}

        again = await redrive(broken, await broken.run(states))

        assert [event["retry"] for _, event in broken.functions.calls] == [0, 1, 0, 1]
        assert again.row.status == "FAILED"

    async def test_the_context_object_tells_of_it(self, broken: World) -> None:
        """RedriveCount, and RedriveTime, which is there only after a redrive; StartTime stays."""
        ended = await broken.run({"T": task("fails", Next="P"), "P": pass_(Parameters={"all.$": "$$.Execution"})}, 1)
        mend(broken)

        again = await redrive(broken, ended)

        told = again.output["all"]
        assert again.row.redrive_date is not None
        assert (told["RedriveCount"], told["RedriveTime"]) == (1, iso_timestamp(again.row.redrive_date))
        assert told["StartTime"] == iso_timestamp(ended.row.start)

    async def test_a_second_and_a_third_time(self, broken: World) -> None:
        """Each counts, and the history is one."""
        ended = await broken.run({"T": task("fails")}, 1)
        ended = await redrive(broken, await redrive(broken, ended))
        mend(broken)

        again = await redrive(broken, ended)

        counts = [
            one["executionRedrivenEventDetails"]["redriveCount"] for one in again.events if "Redriven" in one["type"]
        ]
        assert counts == [1, 2, 3]
        assert [one["id"] for one in again.events] == list(range(1, len(again.events) + 1))
        assert again.row.status == "SUCCEEDED"

    async def test_one_that_was_stopped_before_its_first_state_begins_with_it(self, broken: World) -> None:
        """As ever the event of its entry points back to none, and a second redrive can read that."""
        starting = asyncio.create_task(broken.start({"T": task("fails")}, 1))
        await asyncio.sleep(0)
        (arn,) = broken.engine._live
        await broken.engine.stop_execution(arn, error=None, cause=None)
        stopped = await broken.end(await starting)
        failed = await redrive(broken, stopped)
        mend(broken)

        again = await redrive(broken, failed)

        assert stopped.types == ["ExecutionStarted", "ExecutionAborted"]
        assert again.previous("TaskStateEntered") == [0]
        assert (again.row.status, again.row.redrive_count) == ("SUCCEEDED", 2)


class TestOtherStates:
    async def test_a_fail_state_fails_again(self, broken: World) -> None:
        """Nothing but the end is recorded."""
        ended = await broken.run(FAIL)

        again = await redrive(broken, ended)

        assert again.types[-2:] == ["ExecutionRedriven", "ExecutionFailed"]
        assert again.previous("ExecutionFailed")[-1] == again.id("FailStateEntered")
        assert again.failure == ("FAILED", "Broken", None)

    async def test_a_choice_is_made_again(self, broken: World) -> None:
        """With the same input it fails again."""
        choice = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "P"}]}

        again = await redrive(broken, await broken.run({"C": choice, "P": pass_()}, {"n": 2}))

        assert again.types.count("ChoiceStateEntered") == 1
        assert again.row.error == "States.Runtime"

    @pytest.mark.parametrize(("later", "over"), [(99.0, False), (100.0, True)])
    async def test_a_wait_that_was_stopped_waits_anew(self, tmp_path: Path, later: float, over: bool) -> None:
        """All its seconds, counted from the redrive, also when it is cut off after that."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            async with opened(store, clock=clock) as world:
                started = await world.start({"W": wait(Seconds=100)})
                await world.until(lambda: "WaitStateEntered" in live_types(world, started))
                ended = await world.stop(started)
                clock.now += 80.0
                await begin_redrive(world, ended)
            clock.now += later
            async with opened(store, clock=clock) as world:
                await world.engine.resume()
                await world.until(lambda: not over or world.engine.live_execution(started.arn) is None)
            row = await store.execution(started.arn)

        assert row is not None
        assert row.status == ("SUCCEEDED" if over else "RUNNING")

    async def test_the_machines_timeout_begins_again(self, tmp_path: Path) -> None:
        """It is counted from the redrive."""
        clock = StillClock()
        async with open_store(tmp_path) as store, opened(store, clock=clock) as world:
            gate = world.functions.handlers["waits"] = Gate()
            ended = await world.run({"T": task("waits")}, 1, TimeoutSeconds=1)
            gate.open()
            clock.now += 1000.0

            again = await redrive(world, ended)

        assert (ended.row.status, again.row.status) == ("TIMED_OUT", "SUCCEEDED")


class TestParallelAndMap:
    async def test_only_branches_that_did_not_succeed_run(self, broken: World) -> None:
        """The aborted and the failed one go on where they were; the other's output is kept."""
        both = parallel(
            {"A": task("echo")},
            {"B": wait(Seconds=50_000, Next="B2"), "B2": task("echo")},
            {"C": task("echo", Next="C2"), "C2": task("fails")},
        )
        ended = await broken.run({"All": both}, 4)
        mend(broken)

        again = await begin_redrive(broken, ended)
        await broken.until(lambda: len(broken.functions.calls) == 1)
        stopped = await broken.stop(again)

        assert broken.functions.calls == [("fails", 4)]
        assert stopped.types.count("ParallelStateStarted") == 1
        assert stopped.types.count("WaitStateEntered") == 1

    async def test_after_too_much_data_all_branches_run_again(self, broken: World) -> None:
        """States.DataLimitExceeded of the Parallel itself is mended only by other outputs."""
        broken.functions.handlers["echo"] = lambda event: "x" * 200_000
        ended = await broken.run({"Both": parallel({"A": task("echo")}, {"B": task("echo")})}, 1)
        broken.functions.handlers["echo"] = lambda event: event
        broken.functions.calls.clear()

        again = await redrive(broken, ended)

        assert ended.row.error == "States.DataLimitExceeded"
        assert again.output == [1, 1]
        assert broken.functions.calls == [("echo", 1)] * 2

    async def test_only_iterations_that_did_not_succeed_run(self, broken: World) -> None:
        """Their inputs are what they were, and the others' outputs are kept."""

        def odd_fails(event: Any) -> Any:
            return fails(event) if event == 3 else event

        broken.functions.handlers["fails"] = odd_fails
        ended = await broken.run({"M": inline_map({"T": task("fails")}, MaxConcurrency=1)}, [1, 2, 3, 4])
        mend(broken)

        again = await redrive(broken, ended)

        assert again.output == [1, 2, 3, 4]
        assert [event for _, event in broken.functions.calls] == [3, 4]
        assert again.types.count("MapStateStarted") == 1


class TestCrashes:
    @pytest.mark.parametrize("lost", [True, False], ids=["before its event", "after it"])
    async def test_a_redrive_that_was_cut_off_goes_on(self, tmp_path: Path, lost: bool) -> None:
        """The store has counted it: the event is recorded if it was not."""
        async with open_store(tmp_path) as store:
            async with opened(store) as first:
                first.functions.handlers["fails"] = fails
                ended = await first.run({"T": task("fails")}, 1)
            async with opened(store) as second:
                gate = second.functions.handlers["fails"] = Gate()
                started = await begin_redrive(second, ended)
                await second.until(lambda: gate.waiting == 1)
            if lost:
                await forget_events(store, ended.row, after=len(ended.events))
            async with opened(store) as third:
                third.functions.handlers["fails"] = lambda event: event
                await third.engine.resume()
                again = await third.end(started)

        assert (again.row.status, again.row.redrive_count) == ("SUCCEEDED", 1)
        assert again.types.count("ExecutionRedriven") == 1
        assert again.types.count("TaskStateEntered") == 1
