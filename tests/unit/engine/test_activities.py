"""Activities: workers ask for tasks, answer them by their tokens, and histories tell of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.engine.activities import Activities, ActivityTask
from mapfold.local.engine.tokens import TaskTokens
from mapfold.local.store import ActivityRow, KeptAnswer, Store, open_store
from mapfold.states.effects import Resource, RunTask
from mapfold.states.task_token import make_token
from tests.unit.engine.fakes import StillClock
from tests.unit.engine.test_tokens import Kept
from tests.unit.engine.world import (
    World,
    distributed_map,
    ending,
    inline_map,
    opened,
    parallel,
    pass_,
    wait,
)

NAME = "arn:aws:states:us-east-1:123456789012:activity:"
ARN = f"{NAME}review"
DONE = KeptAnswer('{"ok": true}')


def activity(**fields: Any) -> dict[str, Any]:
    """A Task of the activity `review`."""
    return {"Type": "Task", "Resource": ARN, **ending(fields)}


def add_activity(store: Store, arn: str = ARN) -> None:
    store.tasks.put_activity(ActivityRow(store.tasks.next_activity_id(), arn, arn.rpartition(":")[2], 1.0))


async def take(world: World, worker: str | None = "w1") -> ActivityTask:
    """GetActivityTask, for a task that is there or will be soon."""
    task = await world.engine.activities.poll(ARN, worker, seconds=5)
    assert task is not None
    return task


async def do(world: World, answer: KeptAnswer = DONE, *, worker: str | None = "w1") -> str:
    """Take the next task and answer it; its token."""
    task = await take(world, worker)
    assert world.engine.tokens.answer(task.token, answer)
    return task.token


def effect(number: int) -> RunTask:
    """A task of the activity whose input is a number."""
    return RunTask(Resource(ARN, "activity", "activity", "review", ""), number, token=f"t{number}", text=str(number))


def in_line(world: World) -> int:
    """How many tasks wait for a worker."""
    line = world.engine.activities._lines.get(ARN)
    return 0 if line is None else len(line.tasks)


@pytest.fixture
def world(world: World) -> World:
    add_activity(world.store)
    return world


class TestHistories:
    async def test_success(self, world: World) -> None:
        """Scheduled with the input, Started with the worker's name, Succeeded with the output as it was sent."""
        started = await world.start({"T": activity()}, {"n": 1})
        await do(world)
        ended = await world.end(started)

        assert ended.line[1:] == [
            ("TaskStateEntered", 0),
            ("ActivityScheduled", 2),
            ("ActivityStarted", 3),
            ("ActivitySucceeded", 4),
            ("TaskStateExited", 5),
            ("ExecutionSucceeded", 6),
        ]
        assert ended.details("ActivityScheduled") == {
            "resource": ARN,
            "input": '{"n":1}',
            "inputDetails": {"truncated": False},
        }
        assert ended.details("ActivityStarted") == {"workerName": "w1"}
        assert ended.details("ActivitySucceeded") == {
            "output": '{"ok": true}',
            "outputDetails": {"truncated": False},
        }
        assert ended.row.output == '{"ok": true}'

    async def test_a_worker_without_a_name(self, world: World) -> None:
        """ActivityStarted has no workerName then."""
        started = await world.start({"T": activity()})
        await do(world, worker=None)

        assert (await world.end(started)).details("ActivityStarted") == {}

    async def test_limits_are_in_the_scheduled_event_only_when_set(self, world: World) -> None:
        """As whole seconds, found by their paths too."""
        paths = {"TimeoutSecondsPath": "$.most", "HeartbeatSecondsPath": "$.beat"}
        started = await world.start({"T": activity(**paths)}, {"most": 60, "beat": 5})
        await do(world)
        details = (await world.end(started)).details("ActivityScheduled")

        assert (details["timeoutInSeconds"], details["heartbeatInSeconds"]) == (60, 5)

    @pytest.mark.parametrize(
        ("answer", "details"),
        [
            (KeptAnswer(error="E", cause="because"), {"error": "E", "cause": "because"}),
            (KeptAnswer(error="E"), {"error": "E"}),
            (KeptAnswer(), {}),
        ],
    )
    async def test_failure(self, world: World, answer: KeptAnswer, details: dict[str, str]) -> None:
        """ActivityFailed and ExecutionFailed have what SendTaskFailure gave, and no more."""
        started = await world.start({"T": activity()})
        await do(world, answer)
        ended = await world.end(started)

        assert ended.details("ActivityFailed") == details
        assert ended.details("ExecutionFailed") == details

    async def test_a_failure_is_retried_with_another_token_and_caught(self, world: World) -> None:
        """The input is the same; the token of the attempt that failed is worth nothing any more."""
        retry = {"ErrorEquals": ["E"], "MaxAttempts": 1, "IntervalSeconds": 1}
        catch = {"ErrorEquals": ["States.TaskFailed"], "Next": "P"}
        started = await world.start({"T": activity(Retry=[retry], Catch=[catch]), "P": pass_()}, 7)

        first = await do(world, KeptAnswer(error="E"))
        second = await do(world, KeptAnswer(error="E", cause="again"))
        ended = await world.end(started)

        assert first != second
        assert ended.previous("ActivityScheduled") == [2, ended.id("ActivityFailed")]
        assert ended.output == {"Error": "E", "Cause": "again"}

    async def test_an_activity_that_does_not_exist_fails_the_execution(self, world: World) -> None:
        """Nothing is scheduled, and no catcher is asked."""
        missing = f"{NAME}gone"
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "P"}]

        ended = await world.run({"T": {**activity(Catch=catch), "Resource": missing}, "P": pass_()})

        assert ended.types == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
        assert ended.details("ExecutionFailed") == {
            "error": "States.Runtime",
            "cause": "An error occurred while executing the state 'T' (entered at the event id #2). "
            f"The activity {missing} does not exist.",
        }

    async def test_an_output_that_is_too_large_fails_the_task(self, world: World) -> None:
        """States.DataLimitExceeded, which a catcher of States.ALL takes (seen on the service for functions)."""
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "P"}]
        started = await world.start({"T": activity(Catch=catch), "P": pass_()})
        await do(world, KeptAnswer(json.dumps("é" * 131_080, ensure_ascii=False)))
        ended = await world.end(started)

        assert ended.details("ActivityFailed")["error"] == "States.DataLimitExceeded"
        assert ended.output["Error"] == "States.DataLimitExceeded"

    async def test_the_token_is_in_the_context_object(self, world: World) -> None:
        """`$$.Task.Token` in Parameters is the token that the worker is given."""
        started = await world.start({"T": activity(Parameters={"token.$": "$$.Task.Token"})})
        task = await take(world)
        world.engine.tokens.answer(task.token, DONE)
        await world.end(started)

        assert json.loads(task.input) == {"token": task.token}


class TestLines:
    async def test_tasks_are_given_out_in_the_order_in_which_they_were_scheduled(self, world: World) -> None:
        """To whoever asks, of whatever execution they are."""
        for number in range(3):
            await world.start({"T": activity()}, number)
        await world.until(lambda: in_line(world) == 3)

        inputs = [(await take(world, f"w{number}")).input for number in range(3)]

        assert inputs == ["0", "1", "2"]

    async def test_workers_are_served_in_the_order_in_which_they_asked(self, world: World) -> None:
        """Each task goes to one worker."""
        polls = [asyncio.create_task(take(world, f"w{number}")) for number in range(2)]
        await asyncio.sleep(0)

        for number in range(2):
            await world.start({"T": activity()}, number)

        assert [task.input for task in await asyncio.gather(*polls)] == ["0", "1"]

    async def test_a_poll_without_a_task_ends_with_nothing(self, world: World) -> None:
        """And a task that comes later is for the next one."""
        nothing = await world.engine.activities.poll(ARN, "w1", seconds=0.01)
        started = await world.start({"T": activity()})
        await do(world)

        assert nothing is None
        assert (await world.end(started)).row.status == "SUCCEEDED"

    async def test_a_worker_that_goes_away_takes_no_task(self) -> None:
        """Not even one that was given to it in the moment before: that is the next one to be given out."""
        tokens = TaskTokens(Kept())
        activities = Activities(tokens, lambda arn: True)
        gone = asyncio.create_task(activities.poll(ARN, "gone"))
        await asyncio.sleep(0)
        run_both = [asyncio.create_task(activities.run(effect(number), lambda: None)) for number in range(2)]
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait({gone})

        given = [await activities.poll(ARN, "stays", seconds=1) for _ in range(2)]

        assert gone.cancelled()
        assert [task.input for task in given if task is not None] == ["0", "1"]
        for task in given:
            assert task is not None
            tokens.answer(task.token, DONE)
        await asyncio.gather(*run_both)

    async def test_when_the_server_ends_nobody_waits_for_a_task(self) -> None:
        """Who asks is told that there is none, and what is scheduled then stays in the line."""
        activities = Activities(TaskTokens(Kept()), lambda arn: True)
        asking = asyncio.create_task(activities.poll(ARN, "w1"))
        await asyncio.sleep(0)

        activities.close()
        running = asyncio.create_task(activities.run(effect(1), lambda: None))

        assert await asking is None
        assert await activities.poll(ARN, "w2") is None
        assert not running.done()
        running.cancel()

    async def test_a_task_of_a_stopped_execution_is_given_to_nobody(self, world: World) -> None:
        """It leaves the line; the one that a worker has is worth nothing any more."""
        states = {"B": parallel({"T": activity()}, {"U": activity()})}
        started = await world.start(states)
        had = await take(world)
        await world.stop(started)

        left = await world.engine.activities.poll(ARN, "w1", seconds=0.01)

        assert left is None
        assert not world.engine.tokens.answer(had.token, DONE)


class TestTimeouts:
    async def test_both_clocks_start_when_a_worker_takes_the_task(self, world: World) -> None:
        """
        In the line nothing times out (Troubleshooting activities). A missed heartbeat and a timeout leave the same
        event; a catcher tells them apart by name, and sees no cause.
        """
        late = {"Type": "Task", "Resource": ARN, "HeartbeatSeconds": 1, "TimeoutSeconds": 900, "Next": "Caught"}
        late["Catch"] = [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Caught"}]
        slow = {"Type": "Task", "Resource": ARN, "TimeoutSeconds": 1, "Next": "Caught"}
        slow["Catch"] = [
            {"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Wrong"},
            {"ErrorEquals": ["States.Timeout"], "Next": "Caught"},
        ]
        started = [
            await world.start({"T": late, "Caught": pass_()}),
            await world.start({"T": slow, "Caught": pass_(), "Wrong": {"Type": "Fail"}}),
        ]
        await asyncio.sleep(1.05)
        waited = [world.engine.live_execution(one.arn) is not None for one in started]
        for _ in started:
            await take(world)

        ends = [await world.end(one) for one in started]

        assert waited == [True, True]
        for ended in ends:
            assert ended.details("ActivityTimedOut") == {"error": "States.Timeout"}
            assert ended.output == {"Error": "States.Timeout", "Cause": ""}

    async def test_the_machine_s_timeout_ends_tasks_in_the_line_too(self, world: World) -> None:
        """TIMED_OUT, which no catcher sees; nobody is given the task any more."""
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "P"}]
        started = await world.start({"T": activity(Catch=catch), "P": pass_()}, TimeoutSeconds=1)
        ended = await world.end(started)

        assert ended.types[-2:] == ["ActivityScheduled", "ExecutionTimedOut"]
        assert await world.engine.activities.poll(ARN, "w1", seconds=0.01) is None


class TestInside:
    async def test_every_iteration_has_a_task(self, world: World) -> None:
        """The outputs come in the order of the items, whoever was done first."""
        started = await world.start({"M": inline_map({"T": activity()})}, [1, 2])
        first, second = [await take(world) for _ in range(2)]
        for task in (second, first):
            world.engine.tokens.answer(task.token, KeptAnswer(task.input))

        assert (await world.end(started)).output == [1, 2]

    async def test_children_of_a_map_run_have_tokens_of_their_own(self, world: World) -> None:
        """Any number of them wait in the line at once."""
        started = await world.start({"M": distributed_map({"T": activity()})}, list(range(300)))
        await world.until(lambda: in_line(world) == 300)
        tasks = [await take(world) for _ in range(300)]
        for task in tasks:
            world.engine.tokens.answer(task.token, KeptAnswer(task.input))

        assert (await world.end(started)).output == list(range(300))
        assert len({task.token for task in tasks}) == 300


async def cut_off(data: Path, states: dict[str, Any], input_: Any = None, *, taken: int, clock: Any = None) -> Any:
    """Start an execution and leave the engine when workers have `taken` tasks: the execution, and those tasks."""
    async with open_store(data) as store, opened(store, clock=clock) as world:
        add_activity(store)
        started = await world.start(states, input_)
        tasks = [await take(world) for _ in range(taken)]
        if not taken:
            await world.until(lambda: in_line(world) == 1)
    return started, tasks


class TestRestarts:
    async def test_a_task_that_a_worker_has_is_waited_for(self, tmp_path: Path) -> None:
        """It is not scheduled again, and its token is still good."""
        started, (task,) = await cut_off(tmp_path, {"T": activity()}, taken=1)
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            assert world.engine.tokens.answer(task.token, DONE)
            ended = await world.end(started)

        assert ended.types[2:] == [
            "ActivityScheduled",
            "ActivityStarted",
            "ActivitySucceeded",
            "TaskStateExited",
            "ExecutionSucceeded",
        ]

    async def test_a_task_in_the_line_is_there_again(self, tmp_path: Path) -> None:
        """It is not scheduled again either, and may be retried after it fails."""
        retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
        started, _ = await cut_off(tmp_path, {"T": activity(Retry=retry)}, 5, taken=0)
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            await do(world, KeptAnswer(error="E"))
            await do(world)
            ended = await world.end(started)

        assert ended.types.count("ActivityScheduled") == 2
        assert ended.row.status == "SUCCEEDED"

    async def test_retries_that_went_before_count(self, tmp_path: Path) -> None:
        """The second attempt is waited for, and the token of the first is not good again."""
        retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1, "IntervalSeconds": 1}]
        async with open_store(tmp_path) as store, opened(store) as world:
            add_activity(store)
            started = await world.start({"T": activity(Retry=retry)})
            first = await do(world, KeptAnswer(error="E"))
            second = await take(world)
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            refused = world.engine.tokens.answer(first, DONE)
            world.engine.tokens.answer(second.token, KeptAnswer(error="E", cause="again"))
            ended = await world.end(started)

        assert not refused
        assert ended.failure == ("FAILED", "E", "again")
        assert ended.types.count("ActivityScheduled") == 2

    async def test_the_time_that_nobody_ran_it_counts_for_the_timeout(self, tmp_path: Path) -> None:
        """TimeoutSeconds counts from ActivityStarted, whatever happened since."""
        clock = StillClock()
        started, _ = await cut_off(tmp_path, {"T": activity(TimeoutSeconds=100)}, taken=1, clock=clock)
        clock.now += 101
        async with open_store(tmp_path) as store, opened(store, clock=clock) as world:
            await world.engine.resume()
            ended = await world.end(started)

        assert ended.types[-2:] == ["ActivityTimedOut", "ExecutionFailed"]

    async def test_branches_and_iterations_go_on_waiting(self, tmp_path: Path) -> None:
        """Each with its own token; nothing is scheduled twice."""
        states = {"B": parallel({"T": activity()}, {"M": inline_map({"U": activity()})})}
        started, tasks = await cut_off(tmp_path, states, [8, 9], taken=3)
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            for task in tasks:
                assert world.engine.tokens.answer(task.token, KeptAnswer(task.input))
            ended = await world.end(started)

        assert ended.output == [[8, 9], [8, 9]]
        assert ended.types.count("ActivityScheduled") == 3

    async def test_a_child_of_a_map_run_goes_on_waiting(self, tmp_path: Path) -> None:
        """One that was saved; its token is the same."""
        started, tasks = await cut_off(tmp_path, {"M": distributed_map({"T": activity()})}, [8, 9], taken=2)
        async with open_store(tmp_path) as store, opened(store) as world:
            await world.engine.resume()
            for task in tasks:
                assert world.engine.tokens.answer(task.token, KeptAnswer(task.input))
            ended = await world.end(started)

        assert ended.output == [8, 9]


class TestRedrives:
    async def test_a_redrive_schedules_the_task_again_with_another_token(self, world: World) -> None:
        """Both attempts follow the event of entry; the old token stays closed."""
        started = await world.start({"T": activity()})
        old = await do(world, KeptAnswer(error="E"))
        failed = await world.end(started)
        machine = world.store.machine(started.machine_arn)
        assert machine is not None
        await world.engine.redrive_execution(failed.row, machine)
        task = await take(world)

        refused = world.engine.tokens.answer(old, DONE)
        world.engine.tokens.answer(task.token, DONE)
        ended = await world.end(started)

        assert not refused
        assert task.token != old
        assert ended.previous("ActivityScheduled") == [2, 2]
        assert ended.row.status == "SUCCEEDED"


class TestCallbacks:
    """A `.waitForTaskToken` task that was submitted before the engine was left, made of its history alone."""

    RESOURCE = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"

    async def submit(self, store: Store, clock: StillClock, **fields: Any) -> Any:
        """An execution whose task was submitted, as the store has it after a crash; its token."""
        name = {"resourceType": "sqs", "resource": "sendMessage.waitForTaskToken"}
        parameters = {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token"}}
        states = {"T": {"Type": "Task", "Resource": self.RESOURCE, "Parameters": parameters, **ending(fields)}}
        async with opened(store, clock=clock) as world:
            row = await world.start({"W": wait(Next="T"), **states})
        entered = {"name": "T", "input": "{}", "inputDetails": {}}
        left = {"name": "W", "output": "{}", "outputDetails": {}}
        details: list[tuple[str, str, Any]] = [
            ("WaitStateExited", "stateExitedEventDetails", left),
            ("TaskStateEntered", "stateEnteredEventDetails", entered),
            ("TaskScheduled", "taskScheduledEventDetails", {**name, "parameters": "{}", "region": "us-east-1"}),
            ("TaskStarted", "taskStartedEventDetails", name),
            ("TaskSubmitted", "taskSubmittedEventDetails", {**name, "output": "{}"}),
        ]
        events = [
            {"id": at, "previousEventId": at - 1, "timestamp": clock.now, "type": type_, key: value}
            for at, (type_, key, value) in enumerate(details, start=3)
        ]
        store.add_events(row.id, 3, len(events), json.dumps(events).encode())
        token = make_token(row.arn, 0, 4)
        store.tasks.token_opened(token)
        await store.flush()
        return row, token

    async def test_it_waits_on_with_the_same_token(self, tmp_path: Path) -> None:
        """It is not submitted again. The answer's end and the state's follow what is in the history."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            row, token = await self.submit(store, clock)
        async with open_store(tmp_path) as store, opened(store, clock=clock) as world:
            await world.engine.resume()
            taken = world.engine.tokens.answer(token, DONE)
            ended = await world.end(row)

        assert taken
        assert ended.line[5:] == [
            ("TaskStarted", 5),
            ("TaskSubmitted", 6),
            ("TaskSucceeded", 7),
            ("TaskStateExited", 8),
            ("ExecutionSucceeded", 9),
        ]

    async def test_its_timeout_counts_from_when_it_was_started(self, tmp_path: Path) -> None:
        """And it is closed then, with the event of a timeout."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            row, token = await self.submit(store, clock, TimeoutSeconds=50)
        clock.now += 51
        async with open_store(tmp_path) as store, opened(store, clock=clock) as world:
            await world.engine.resume()
            ended = await world.end(row)
            refused = world.engine.tokens.answer(token, DONE)

        assert not refused
        assert ended.details("TaskTimedOut") == {
            "resourceType": "sqs",
            "resource": "sendMessage.waitForTaskToken",
            "error": "States.Timeout",
        }

    async def test_an_answer_that_came_before_the_crash_counts(self, tmp_path: Path) -> None:
        """Its sender was told so."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            row, token = await self.submit(store, clock)
            store.tasks.token_answered(token, KeptAnswer("42"))
        async with open_store(tmp_path) as store, opened(store, clock=clock) as world:
            await world.engine.resume()
            ended = await world.end(row)

        assert ended.output == 42
