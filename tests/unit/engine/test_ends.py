"""How executions end before their time: timeouts, StopExecution, the event limit, faults."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import Any

import pytest

from mapfold.local.engine import event_log
from tests.unit.engine.fakes import Gate
from tests.unit.engine.world import ALL, World, distributed_map, inline_map, parallel, pass_, task, wait

FAIL = {"F": {"Type": "Fail", "Error": "Broken"}}
ENDLESS = {
    "A": pass_(Next="B"),
    "B": {"Type": "Choice", "Choices": [{"Variable": "$.enough", "IsPresent": True, "Next": "C"}], "Default": "A"},
    "C": {"Type": "Succeed"},
}
"""It has an end, or it would be refused."""


class TestTimeouts:
    async def test_a_task_that_takes_too_long(self, world: World) -> None:
        """TimedOut says States.Timeout and no cause; a catcher sees an empty one. The invocation is given up."""
        world.functions.handlers["waits"] = Gate()
        catch = [{"ErrorEquals": ["States.Timeout"], "Next": "After"}]

        ended = await world.run({"T": task("waits", TimeoutSeconds=1, Catch=catch), "After": pass_()})

        assert ended.line[3:6] == [
            ("LambdaFunctionStarted", 3),
            ("LambdaFunctionTimedOut", 4),
            ("TaskStateExited", 5),
        ]
        assert ended.details("LambdaFunctionScheduled")["timeoutInSeconds"] == 1
        assert ended.details("LambdaFunctionTimedOut") == {"error": "States.Timeout"}
        assert ended.output == {"Error": "States.Timeout", "Cause": ""}

    async def test_a_machine_that_takes_too_long_is_timed_out_whatever_it_has_caught(self, world: World) -> None:
        """A failed and caught Parallel before does not matter. The error is in the event, not in DescribeExecution."""
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "W"}]
        states = {"Both": parallel(FAIL, {"B": wait()}, Catch=catch), "W": wait()}

        ended = await world.run(states, TimeoutSeconds=1)

        assert ended.failure == ("TIMED_OUT", None, None)
        assert ended.details("ExecutionTimedOut") == {"error": "States.Timeout"}
        assert ended.types[-2:] == ["WaitStateEntered", "ExecutionTimedOut"]

    async def test_a_machine_that_takes_too_long_within_branches_and_iterations(self, world: World) -> None:
        """Everything inside ends without an event of its own."""
        gate = world.functions.handlers["waits"] = Gate()
        inner = inline_map({"T": task("waits")})

        ended = await world.run({"Both": parallel({"M": inner}, {"W": wait()})}, [1, 2], TimeoutSeconds=1)

        assert ended.line[-1] == ("ExecutionTimedOut", 0)
        assert not [type_ for type_ in ended.types if "Aborted" in type_ or "Failed" in type_]
        assert (gate.waiting, ended.row.stop) == (0, ended.row.start + 1)


class TestStop:
    async def test_in_a_wait(self, world: World) -> None:
        """The event has the reason and the Wait's own previous (rule 7: recorded for a Wait)."""
        started = await world.start({"W": wait()})
        await world.until(lambda: len(world.engine.live_execution(started.arn).events_from(1)) == 2)  # type: ignore[union-attr]

        ended = await world.stop(started, "Enough", "waited too long")

        assert ended.line == [("ExecutionStarted", 0), ("WaitStateEntered", 0), ("ExecutionAborted", 0)]
        assert ended.details("ExecutionAborted") == {"error": "Enough", "cause": "waited too long"}
        assert ended.failure == ("ABORTED", "Enough", "waited too long")

    async def test_a_start_is_on_disk_when_it_is_answered(self, world: World) -> None:
        """Who was told the ARN finds the execution, though the process be killed in the next moment."""
        started = await world.start({"W": wait()})

        with sqlite3.connect(f"file:{world.store.file}?mode=ro", uri=True) as file:
            found = file.execute("SELECT status FROM executions WHERE arn = ?", (started.arn,)).fetchall()
        file.close()

        assert found == [("RUNNING",)]

    async def test_before_it_began(self, world: World) -> None:
        """An execution that has not had its first turn enters no state."""
        starting = asyncio.create_task(world.start({"P": pass_()}))
        await asyncio.sleep(0)  # the engine knows it, and it has not had its turn

        arn = "arn:aws:states:us-east-1:123456789012:execution:machine1:run1"
        await world.engine.stop_execution(arn, error=None, cause=None)
        ended = await world.end(await starting)

        assert ended.types == ["ExecutionStarted", "ExecutionAborted"]
        assert ended.details("ExecutionAborted") == {}

    async def test_in_a_task(self, world: World) -> None:
        """Neither Retry nor Catch sees it, and nobody waits for the function any more."""
        gate = world.functions.handlers["waits"] = Gate()
        every = [{"ErrorEquals": ["States.ALL"]}]
        states = {"T": task("waits", Retry=every, Catch=[{**every[0], "Next": "After"}]), "After": pass_()}
        started = await world.start(states)
        await gate.came.wait()

        ended = await world.stop(started)

        assert ended.types[-2:] == ["LambdaFunctionStarted", "ExecutionAborted"]
        assert world.functions.dropped == ["waits"]

    async def test_in_a_parallel_and_in_an_inline_map(self, world: World) -> None:
        """Everything inside ends with it, and no state has an Aborted event."""
        gate = world.functions.handlers["waits"] = Gate()
        inner = inline_map({"T": task("waits")})
        started = await world.start({"Both": parallel({"M": inner}, {"W": wait()})}, [1, 2])
        await world.until(lambda: gate.waiting == 2)

        ended = await world.stop(started)

        assert [type_ for type_ in ended.types if "Aborted" in type_] == ["ExecutionAborted"]
        assert ended.types[-1] == "ExecutionAborted"
        assert gate.waiting == 0

    async def test_what_has_ended_or_never_was(self, world: World) -> None:
        """None: the service then looks into the store."""
        row = (await world.run({"P": pass_()})).row

        assert await world.engine.stop_execution(row.arn, error=None, cause=None) is None
        assert await world.engine.stop_execution(row.arn + "x", error=None, cause=None) is None


class TestTheEventLimit:
    """25,000 events: the last one may only be an ending. Here with a lower limit; the number is checked once."""

    @pytest.fixture
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> int:
        monkeypatch.setattr(event_log, "MAX_EVENTS", 30)
        return 30

    async def test_an_endless_machine_fails_with_event_25_000(self, world: World) -> None:
        """ExecutionFailed is the last event, with States.Runtime and the reason alone as cause."""
        ended = await world.run(ENDLESS)

        assert len(ended.events) == 25_000
        assert ended.line[-1] == ("ExecutionFailed", 24_999)
        assert ended.failure == (
            "FAILED",
            "States.Runtime",
            "The execution reached the maximum number of history events (25000).",
        )

    async def test_an_execution_may_succeed_with_the_last_event(self, world: World, limit: int) -> None:
        """Two events a Pass, Started and Succeeded: thirty."""
        states = {f"P{n}": pass_(Next=f"P{n + 1}") for n in range(13)} | {"P13": pass_()}

        ended = await world.run(states)

        assert (len(ended.events), ended.row.status) == (limit, "SUCCEEDED")

    @pytest.mark.parametrize("items", [range(5), range(40)], ids=["inside", "at the first wave"])
    async def test_iterations_that_fill_the_history(self, world: World, limit: int, items: Any) -> None:
        """Nothing catches it, and the cause is the same."""
        world.functions.handlers["echo"] = lambda event: event
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]

        ended = await world.run({"M": inline_map({"T": task("echo")}, Catch=catch), "After": pass_()}, list(items))

        assert [event["id"] for event in ended.events] == list(range(1, limit + 1))
        assert ended.types[-1] == "ExecutionFailed"
        assert "maximum number of history events" in (ended.row.cause or "")
        assert not (ended.row.cause or "").startswith("The embedded AWS has a fault")

    async def test_branches_that_fill_the_history_while_others_wait(self, world: World, limit: int) -> None:
        """Those that wait are cancelled, though no event of theirs has room."""
        ended = await world.run({"All": parallel({"W": wait()}, ENDLESS)})

        assert len(ended.events) == limit
        assert "maximum number of history events" in (ended.row.cause or "")

    async def test_the_start_of_a_task_that_has_no_room(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The execution fails when the task is done: its result has no room either."""
        monkeypatch.setattr(event_log, "MAX_EVENTS", 4)
        world.functions.handlers["echo"] = lambda event: event

        ended = await world.run({"T": task("echo", TimeoutSeconds=5)})

        assert ended.types == ["ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "ExecutionFailed"]

    async def test_an_express_execution_has_no_limit(self, world: World, limit: int) -> None:
        """Its history is in the store all the same."""
        states = {f"P{n}": pass_(Next=f"P{n + 1}") for n in range(40)} | {"P40": pass_()}

        ended = await world.run(states, type_="EXPRESS")

        assert (ended.row.status, len(ended.events)) == ("SUCCEEDED", 2 + 2 * 41)

    async def test_a_map_run_that_has_no_room_for_its_end(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """No map run is left running."""
        monkeypatch.setattr(event_log, "MAX_EVENTS", 5)
        started = await world.start({"M": distributed_map({"P": {"Type": "Succeed"}})}, [1])

        ended = await world.end(started)

        assert ended.row.status == "FAILED"
        assert (await world.map_run(started)).status != "RUNNING"


class TestFaults:
    """A bug of ours, here a state that raises, ends the execution that has it."""

    @pytest.fixture
    def buggy(self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        async def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("oops")

        caplog.set_level(logging.CRITICAL)
        monkeypatch.setattr(world.functions, "invoke", broken)

    @pytest.mark.parametrize("inside", [lambda t: t, lambda t: parallel({"T": t}, {"W": wait()})])
    async def test_a_bug_fails_its_execution_alone(self, world: World, buggy: None, inside: Any) -> None:
        """Others go on, and the cause names the exception."""
        other = await world.start({"W": wait()})

        ended = await world.run({"S": inside(task("any"))})

        assert ended.row.status == "FAILED"
        assert ended.row.cause == "The embedded AWS has a fault: ZeroDivisionError: oops"
        assert world.engine.live_execution(other.arn) is not None

    async def test_a_bug_in_a_child_fails_that_child(self, world: World, buggy: None) -> None:
        """The others of its map run go on."""
        choice = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "T"}], "Default": "P"}
        states = {"C": choice, "T": task("any"), "P": pass_()}
        started = await world.start(
            {"M": distributed_map(states, ToleratedFailureCount=1)}, [{"n": n} for n in range(3)]
        )

        ended = await world.end(started)

        counts = (await world.map_run(started)).execution_counts
        assert ended.row.status == "SUCCEEDED"
        assert (counts["succeeded"], counts["failed"]) == (2, 1)

    async def test_a_bug_in_a_map_run_leaves_no_map_run_running(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The map run is over with its execution."""
        caplog.set_level(logging.CRITICAL)
        reader = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"}}
        reader |= {"Parameters": {"Bucket": "b", "Key": "k"}}
        monkeypatch.setattr(world.s3, "get_object", lambda **_: 1 // 0)
        started = await world.start({"M": distributed_map({"P": pass_()}, ItemReader=reader)})

        ended = await world.end(started)

        run = await world.map_run(started)
        assert ended.row.status == "FAILED"
        assert run.status == "FAILED"
        assert world.engine.live_map_run(run.arn) is None


class TestFlushing:
    async def test_memory_and_store_together_are_the_history_without_gaps(self, world: World) -> None:
        """Events leave memory when they are handed to the store, and are in one of both, never in two."""
        started = await world.start({"P": pass_(Next="W"), "W": wait()})
        live: Any = world.engine.live_execution(started.arn)
        await world.until(lambda: len(live.events_from(1)) == 4)
        before = [event["id"] for event in live.events_from(1)]

        await world.until(lambda: not live.events_from(1))  # flushed, though it goes on

        kept = [event["id"] for event in await world.store.events(started.id, ALL)]
        assert before == kept == [1, 2, 3, 4]
        ended = await world.stop(started)
        assert [event["id"] for event in ended.events] == [1, 2, 3, 4, 5]
