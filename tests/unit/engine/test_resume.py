"""Executions that were cut off, by leaving the engine or by a crash, go on in the next engine on the same store."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.engine import event_log
from mapfold.local.store import ExecutionRow, KeptAnswer, MapRunRow, Store, open_store
from tests.unit.engine.fakes import FunctionError, Gate, StillClock
from tests.unit.engine.world import ALL, Ended, World, function, inline_map, opened, parallel, pass_, task, wait

RETRY = {"ErrorEquals": ["Broken"], "IntervalSeconds": 100, "BackoffRate": 3, "MaxAttempts": 2}


async def cut_off(store: Store, states: dict[str, Any], data: Any = None, *, at: int, **options: Any) -> ExecutionRow:
    """Start an execution, and leave the engine when `at` tasks are under way. A task `echo` answers at once."""
    async with opened(store) as world:
        gate = world.functions.handlers["waits"] = Gate()
        world.functions.handlers["echo"] = lambda event: event
        started = await world.start(states, data, **options)
        await world.until(lambda: gate.waiting == at)
    return started


async def cut_off_two(store: Store) -> tuple[ExecutionRow, ExecutionRow]:
    """Two executions with the inputs 1 and 2, cut off in a task each."""
    async with opened(store) as world:
        gate = world.functions.handlers["waits"] = Gate()
        first, second = [await world.start({"T": task("waits")}, n) for n in (1, 2)]
        await world.until(lambda: gate.waiting == 2)
    return first, second


async def go_on(world: World, started: ExecutionRow) -> Ended:
    """Resume in an engine whose tasks answer, and wait for the end."""
    world.functions.handlers |= {"waits": lambda event: event, "echo": lambda event: event}
    await world.engine.resume()
    return await world.end(started)


async def submitted(store: Store, started: ExecutionRow) -> None:
    """Wait until the history says that a task's call was accepted: the answer to its token is all that is missing."""
    async with asyncio.timeout(5):
        while (await store.events(started.id, ALL))[-1]["type"] != "TaskSubmitted":  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


class TestLeaving:
    async def test_nothing_is_recorded_and_everything_is_running_still(self, tmp_path: Path) -> None:
        """Leaving is not stopping: the store has what had happened, and no word of an end."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"T": task("waits")}, at=1)

            row = await store.execution(started.arn)
            events = await store.events(started.id, ALL)

        assert row is not None
        assert (row.status, row.stop) == ("RUNNING", None)
        assert [one["type"] for one in events][-1] == "LambdaFunctionStarted"

    async def test_what_nobody_started_again_stays_for_the_next_time(self, tmp_path: Path) -> None:
        """Resume says how many there are; it may be cut off again, with nothing recorded twice."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"W": wait(Next="T"), "T": task("echo")}, at=0)
            for _ in range(2):
                async with opened(store, clock=StillClock()) as world:
                    assert await world.engine.resume() == 1
                    await world.until(lambda: True)

            events = await store.events(started.id, ALL)

        assert [one["type"] for one in events] == ["ExecutionStarted", "WaitStateEntered"]


class TestGoingOn:
    async def test_a_task_in_flight_is_scheduled_again(self, tmp_path: Path) -> None:
        """Its state is not entered again, and the new attempt follows the last event that was kept."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"P": pass_(Result=7, Next="T"), "T": task("waits")}, at=1)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.line[3:] == [
            ("TaskStateEntered", 3),
            ("LambdaFunctionScheduled", 4),
            ("LambdaFunctionStarted", 5),
            ("LambdaFunctionScheduled", 6),
            ("LambdaFunctionStarted", 7),
            ("LambdaFunctionSucceeded", 8),
            ("TaskStateExited", 9),
            ("ExecutionSucceeded", 10),
        ]
        assert (ended.output, world.functions.calls) == (7, [("waits", 7)])

    @pytest.mark.parametrize(("later", "over"), [(99.0, False), (100.0, True)])
    async def test_a_wait_counts_from_when_it_was_entered(self, tmp_path: Path, later: float, over: bool) -> None:
        """The time that the engine was away counts. The context object still tells the first time of entry."""
        clock = StillClock()
        states = {"W": wait(Seconds=100, Next="P"), "P": pass_(Parameters={"at.$": "$$.State.EnteredTime"})}
        async with open_store(tmp_path) as store:
            async with opened(store, clock=clock) as world:
                started = await world.start(states)
            clock.now += later
            async with opened(store, clock=clock) as world:
                await world.engine.resume()
                if over:
                    ended = await world.end(started)
                    assert ended.types[2:4] == ["WaitStateExited", "PassStateEntered"]
                else:
                    await world.until(lambda: True)
                    assert world.engine.live_execution(started.arn) is not None

    async def test_failed_attempts_still_count_and_the_wait_for_the_next_one_goes_on(self, tmp_path: Path) -> None:
        """With MaxAttempts 2, after one failure and the wait before the first retry: two more attempts, no more."""
        clock = StillClock()
        states = {"T": task("fails", Retry=[RETRY], Parameters={"n.$": "$$.State.RetryCount"})}
        async with open_store(tmp_path) as store:
            async with opened(store, clock=clock) as world:
                world.functions.handlers["fails"] = fails
                started = await world.start(states)
                await world.until(lambda: len(world.functions.calls) == 1)
                await world.until(lambda: "LambdaFunctionFailed" in live_types(world, started))
            clock.now += 99.0
            async with opened(store, clock=clock) as world:
                world.functions.handlers["fails"] = fails
                await world.engine.resume()
                await world.until(lambda: True)
                early = list(world.functions.calls)
            clock.now += 1.0
            async with opened(store, clock=clock) as world:
                world.functions.handlers["fails"] = fails
                await world.engine.resume()
                await world.until(lambda: len(world.functions.calls) == 1)
                clock.now += 300.0
            async with opened(store, clock=clock) as last:
                last.functions.handlers["fails"] = fails
                await last.engine.resume()
                ended = await last.end(started)

        assert early == []
        assert [event["n"] for _, event in world.functions.calls + last.functions.calls] == [1, 2]
        assert ended.failure == ("FAILED", "Broken", json.dumps(FunctionError("Broken").document))
        assert ended.types.count("LambdaFunctionFailed") == 3

    async def test_a_catch_catches_what_fails_then(self, tmp_path: Path) -> None:
        """The state is the same as ever."""
        catch = [{"ErrorEquals": ["Broken"], "Next": "P", "ResultPath": "$.error"}]
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"T": task("waits", Catch=catch), "P": pass_()}, {"n": 1}, at=1)
            async with opened(store) as world:
                world.functions.handlers["waits"] = fails
                await world.engine.resume()
                ended = await world.end(started)

        assert (ended.output["n"], ended.output["error"]["Error"]) == (1, "Broken")

    async def test_variables_are_what_they_were(self, tmp_path: Path) -> None:
        """Those of the execution, and in a branch its own beside them."""
        branch = {"A": pass_(Assign={"y": 2}, Next="T"), "T": task("waits", Next="Z")}
        branch |= {"Z": pass_(Parameters={"x.$": "$x", "y.$": "$y"})}
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"S": pass_(Assign={"x": [1]}, Next="B"), "B": parallel(branch)}, at=1)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.output == [{"x": [1], "y": 2}]

    async def test_branches_that_have_ended_are_not_run_again(self, tmp_path: Path) -> None:
        """Their outputs are in the history."""
        both = parallel({"A": task("echo", Next="A2"), "A2": pass_(Result="done")}, {"B": task("waits")})
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"Both": both}, 5, at=1)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.output == ["done", 5]
        assert world.functions.calls == [("waits", 5)]
        assert ended.types.count("ParallelStateStarted") == 1

    async def test_an_inline_map_goes_on_half_way(self, tmp_path: Path) -> None:
        """Iterations that ended are kept, those under way go on, and the others begin in their turn."""
        first = {"Type": "Choice", "Choices": [{"Variable": "$", "NumericLessThan": 2, "Next": "E"}], "Default": "T"}
        each = inline_map({"C": first, "E": task("echo"), "T": task("waits")}, MaxConcurrency=2)
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"M": each}, list(range(6)), at=2)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.output == list(range(6))
        assert sorted(event for _, event in world.functions.calls) == [2, 3, 4, 5]
        assert ended.types.count("MapIterationStarted") == ended.types.count("MapIterationSucceeded") == 6

    async def test_a_parallel_in_a_map_in_a_parallel(self, tmp_path: Path) -> None:
        """Each scope is found by its own chain of events."""
        inner = parallel({"A": task("echo")}, {"B": task("waits")})
        both = parallel({"M": inline_map({"In": inner})}, {"W": task("waits")})
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"Both": both}, [1, 2], at=3)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.output == [[[1, 1], [2, 2]], [1, 2]]
        assert sorted(str(event) for _, event in world.functions.calls) == ["1", "2", "[1, 2]"]

    async def test_a_failed_parallel_that_waited_for_its_retry_runs_no_aborted_branch(self, tmp_path: Path) -> None:
        """The failed branch fails again without doing anything; the retry then starts all of them."""
        clock = StillClock()
        retry = [{**RETRY, "MaxAttempts": 1}]
        both = parallel({"B": wait(Next="B2"), "B2": pass_()}, {"A": task("fails")}, Retry=retry)
        async with open_store(tmp_path) as store:
            async with opened(store, clock=clock) as world:
                world.functions.handlers["fails"] = fails
                started = await world.start({"Both": both})
                await world.until(lambda: "WaitStateAborted" in live_types(world, started))
            async with opened(store, clock=clock) as world:
                await world.engine.resume()
                await world.until(lambda: True)
                await world.until(lambda: world.engine.live_execution(started.arn) is not None)
            events = await store.events(started.id, ALL)

        assert world.functions.calls == []
        assert [one["type"] for one in events].count("ParallelStateStarted") == 1

    @pytest.mark.parametrize(
        "failing",
        [
            {"F": {"Type": "Fail", "Error": "Broken"}},
            {"F": {"Type": "Fail", "QueryLanguage": "JSONata", "Error": "{% $states.input.error %}"}},
            {"In": parallel({"F": {"Type": "Fail", "Error": "Broken"}})},
            {"M": inline_map({"F": {"Type": "Fail", "Error": "Broken"}}, ItemsPath="$.items")},
            {"T": task("fails")},
        ],
        ids=["a Fail", "a Fail that computes", "a Parallel", "a Map", "a task"],
    )
    async def test_attempts_of_a_parallel_count(self, tmp_path: Path, failing: dict[str, Any]) -> None:
        """
        What the first attempt failed with follows from the state inside that failed. Cut off in the second one, which
        fails again: there is no third, with MaxAttempts 1.
        """
        retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 5, "MaxAttempts": 1}]
        gated = {"G": task("gate", ResultPath=None, Next=next(iter(failing))), **failing}
        both = parallel({"W": task("waits")}, gated, Retry=retry)
        gate = Gate()
        answers: Iterator[Any] = iter([lambda event: event, gate])
        async with open_store(tmp_path) as store:
            async with opened(store) as world:
                world.functions.handlers |= {
                    "waits": Gate(),
                    "gate": lambda event: next(answers)(event),
                    "fails": fails,
                }
                started = await world.start({"Both": both}, {"error": "Broken", "items": [1]})
                await world.until(lambda: gate.waiting == 1)
            async with opened(store) as world:
                world.functions.handlers |= {"waits": Gate(), "gate": lambda event: event, "fails": fails}
                await world.engine.resume()
                ended = await world.end(started)

        starts = [one for one in ended.events if one["type"] == "TaskStateEntered" and details(one)["name"] == "G"]
        assert len(starts) == 2
        assert ended.failure[:2] == ("FAILED", "Broken")


class TestTime:
    async def test_the_machines_timeout_counts_from_the_start(self, tmp_path: Path) -> None:
        """If it passed while the engine was away, nothing is run any more."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            async with opened(store, clock=clock) as world:
                world.functions.handlers["waits"] = Gate()
                started = await world.start({"T": task("waits")}, TimeoutSeconds=100)
                await world.until(lambda: len(world.functions.calls) == 1)
            clock.now += 100.0
            async with opened(store, clock=clock) as world:
                ended = await go_on(world, started)

        assert ended.failure == ("TIMED_OUT", None, None)
        assert ended.types[-1] == "ExecutionTimedOut"
        assert world.functions.calls == []

    @pytest.mark.parametrize(("later", "status"), [(200.0, "SUCCEEDED"), (300.0, "TIMED_OUT")])
    async def test_an_express_execution_runs_again_if_it_is_young(
        self, tmp_path: Path, later: float, status: str
    ) -> None:
        """Nothing goes on from its history: it begins again, or its five minutes are over."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            async with opened(store, clock=clock) as world:
                world.functions.handlers["waits"] = Gate()
                started = await world.start({"T": task("waits")}, 3, type_="EXPRESS")
                await world.until(lambda: len(world.functions.calls) == 1)
            clock.now += later
            async with opened(store, clock=clock) as world:
                ended = await go_on(world, started)

        assert ended.row.status == status
        assert len(world.functions.calls) == (status == "SUCCEEDED")


class TestWhatACrashLeaves:
    async def test_an_execution_without_any_event(self, tmp_path: Path) -> None:
        """Killed before its first events were kept, it begins."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"P": pass_(Next="T"), "T": task("waits")}, 1, at=1)
            await forget_events(store, started, after=0)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.types[:3] == ["ExecutionStarted", "PassStateEntered", "PassStateExited"]
        assert ended.output == 1

    async def test_an_end_that_did_not_reach_its_row(self, tmp_path: Path) -> None:
        """The last event tells how it ended, and when: nothing is run."""
        async with open_store(tmp_path) as store:
            async with opened(store) as world:
                ended = await world.run({"T": task("missing")})
            await set_running(store, ended.row)
            async with opened(store) as world:
                again = await go_on(world, ended.row)

        assert again.failure == ended.failure
        assert again.row.stop == ended.events[-1]["timestamp"]
        assert again.line == ended.line

    async def test_an_execution_that_was_stopping(self, tmp_path: Path) -> None:
        """StopExecution was answered: it does not run on, whenever the process ends."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"T": task("waits")}, at=1)
            store.execution_stopping(started.id, 42.0, "Enough", "of that")
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.failure == ("ABORTED", "Enough", "of that")
        assert (ended.row.stop, ended.types[-1]) == (42.0, "ExecutionAborted")
        assert world.functions.calls == []

    async def test_a_machine_that_was_updated_or_deleted_meanwhile(self, tmp_path: Path) -> None:
        """An execution keeps the revision that it was started with."""
        async with open_store(tmp_path) as store:
            first, second = await cut_off_two(store)
            machine = store.machine(first.machine_arn)
            assert machine is not None
            definition = json.dumps({"StartAt": "P", "States": {"P": pass_(Result="new")}})
            store.put_machine(replace(machine, definition=definition, revision=store.next_revision()))
            store.delete_machine(second.machine_arn)
            async with opened(store) as world:
                ended = await go_on(world, first)
                other = await world.end(second)

        assert (ended.output, other.output) == (1, 2)

    async def test_an_execution_of_a_machine_that_is_being_deleted(self, tmp_path: Path) -> None:
        """The work that was cut off is done again, and its end at the next transition is not forgotten: ABORTED."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"T": task("waits", Next="P"), "P": pass_()}, at=1)
            store.publishing.put_creation(replace(store.publishing.creation(started.machine_arn), deleting=1.0))
        async with open_store(tmp_path) as store, opened(store) as world:
            ended = await go_on(world, started)

        assert ended.row.status == "ABORTED"
        assert ended.types[-3:] == ["LambdaFunctionSucceeded", "TaskStateExited", "ExecutionAborted"]

    async def test_a_token_that_is_waited_for_takes_its_answer_in_the_next_process(self, tmp_path: Path) -> None:
        """The function is not called again, and its token is still the one that it was given."""
        states = {
            "T": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Parameters": {"FunctionName": function("echo"), "Payload": {"token.$": "$$.Task.Token"}},
                "End": True,
            }
        }
        async with open_store(tmp_path) as store, opened(store) as world:
            world.functions.handlers["echo"] = lambda event: event
            started = await world.start(states)
            await submitted(store, started)
            token = world.functions.calls[0][1]["token"]
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            taken = world.engine.tokens.answer(token, KeptAnswer(output="7"))
            ended = await world.end(started)

        assert taken
        assert (ended.output, world.functions.calls) == (7, [])
        assert ended.types.count("TaskSubmitted") == 1

    @pytest.mark.parametrize(
        ("broken", "reason"),
        [
            (b"not JSON", "invalid literal"),
            (b'[{"id": 4, "type": "ExecutionStarted"}]', "event 1 is missing"),
            (b'[{"id": 1, "type": "LambdaFunctionStarted", "previousEventId": 9}]', "which is none"),
            (b'[{"id": 1}]', "event 1 is not one of a history"),
        ],
    )
    async def test_a_history_that_cannot_be_read_back(self, tmp_path: Path, broken: bytes, reason: str) -> None:
        """Its execution fails and says why; the others go on."""
        async with open_store(tmp_path) as store:
            bad, good = await cut_off_two(store)
            await forget_events(store, bad, after=0)
            store.add_events(bad.id, 1, 4, broken)
            async with opened(store) as world:
                ended = await go_on(world, good)
                await world.until(lambda: world.engine.live_execution(bad.arn) is None)
                row = await store.execution(bad.arn)

        assert row is not None
        assert (row.status, row.error) == ("FAILED", "States.Runtime")
        assert "cannot go on from its history" in (row.cause or "")
        assert reason in (row.cause or "")
        assert ended.output == 2

    async def test_a_machine_that_is_not_there(self, tmp_path: Path) -> None:
        """As of a store that was mended by hand: the execution fails with an event after its last one."""
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"T": task("waits")}, at=1)
        alter(tmp_path, "DELETE FROM machine_revisions")
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            ended = await world.end(started)

        assert ended.failure[:2] == ("FAILED", "States.Runtime")
        assert ended.line[-1] == ("ExecutionFailed", 4)

    async def test_a_map_run_of_nobody(self, tmp_path: Path) -> None:
        """Its execution has ended: it is closed as well."""
        run = MapRunRow(
            1, "arn:aws:states:us-east-1:123456789012:mapRun:m/L:u",
            "arn:aws:states:us-east-1:123456789012:execution:m:x", "arn", "L", 1.0,
        )  # fmt: skip
        async with open_store(tmp_path) as store, opened(store) as world:
            store.map_run_saved(run)
            await world.engine.resume()
            closed = await store.map_run(run.arn)

        assert closed is not None
        assert closed.status == "ABORTED"

    async def test_the_event_limit_counts_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing starts from 1 again."""
        caplog.set_level(logging.CRITICAL)
        async with open_store(tmp_path) as store:
            started = await cut_off(store, {"T": task("waits")}, at=1)
            monkeypatch.setattr(event_log, "MAX_EVENTS", 6)
            async with opened(store) as world:
                ended = await go_on(world, started)

        assert ended.types[-2:] == ["LambdaFunctionScheduled", "ExecutionFailed"]
        assert len(ended.events) == 6


def details(event: Any) -> Any:
    """The details of an event."""
    return next(value for key, value in event.items() if key.endswith("EventDetails"))


def fails(event: Any) -> Any:
    raise FunctionError("Broken")


def live_types(world: World, started: ExecutionRow) -> list[str]:
    """The types of the events that a running execution has in memory."""
    live: Any = world.engine.live_execution(started.arn)
    return [one["type"] for one in live.events_from(1)]


async def forget_events(store: Store, row: ExecutionRow, *, after: int) -> None:
    """Take the events after an id out of the store, as if they had not been written."""
    await store.flush()
    alter(store.file.parent, f"DELETE FROM events WHERE execution_id = {row.id} AND first_event_id > {after}")


async def set_running(store: Store, row: ExecutionRow) -> None:
    """Take an execution's end out of the store, all but its events."""
    await store.flush()
    alter(store.file.parent, f"UPDATE executions SET status = 'RUNNING', stop = NULL, error = NULL WHERE id = {row.id}")


def alter(data: Path, statement: str) -> None:
    """Change the store's file behind its back."""
    with sqlite3.connect(data / "stepfunctions.sqlite") as file:
        file.execute(statement)
    file.close()
