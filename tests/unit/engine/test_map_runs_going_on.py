"""Map runs of executions that go on: after a kill (a copy of what was committed then), a restart, and a redrive."""

from __future__ import annotations

import asyncio
import copy
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.local.engine.backlog import Backlog
from mapfold.local.store import ExecutionRow, MapRunRow, Store, open_store
from tests.unit.engine.fakes import FunctionError, Gate, StillClock
from tests.unit.engine.world import ALL, Ended, World, distributed_map, opened, pass_, task

WRITER = {
    "Resource": "arn:aws:states:::s3:putObject",
    "Parameters": {"Bucket": "out", "Prefix": "runs"},
    "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
}


def kill(world: World, into: Path) -> None:
    """What is on disk at this moment, as a kill would leave it."""
    into.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(world.store.file)) as here,
        closing(sqlite3.connect(into / world.store.file.name)) as there,
    ):
        here.backup(there)


@asynccontextmanager
async def resumed(data: Path, *, after: World) -> AsyncIterator[World]:
    """An engine on `data` that has gone on with what it found there; functions and S3 are as `after` left them."""
    async with open_store(data) as store, opened(store) as world:
        world.functions.handlers.update(after.functions.handlers)
        world.s3.objects.update(copy.deepcopy(after.s3.objects))
        await world.engine.resume()
        yield world


async def redriven(world: World, ended: ExecutionRow) -> Ended:
    """The execution's end after one redrive."""
    row = await world.store.execution(ended.arn)
    assert row is not None
    machine = await world.store.machine_revision(row.machine_revision)
    assert machine is not None
    return await world.end(await world.engine.redrive_execution(row, machine))


def called(world: World, name: str) -> list[Any]:
    """The events of a function's calls, sorted."""
    return sorted((event for function, event in world.functions.calls if function == name), key=json.dumps)


async def only_run(store: Store, execution_arn: str) -> MapRunRow:
    (row,) = await store.map_runs(execution_arn, ALL)
    return row


def inputs_of_rows(file: Path) -> list[Any]:
    """The inputs of all children that have ended, on disk."""
    with closing(sqlite3.connect(file)) as connection:
        return [json.loads(text) for (text,) in connection.execute("SELECT input FROM children")]


class TestKilled:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        turns=st.lists(st.integers(1, 60), min_size=1, max_size=4),
        children=st.sampled_from(["STANDARD", "EXPRESS"]),
        batch=st.none() | st.integers(1, 4),
        writes=st.booleans(),
    )
    async def test_every_item_is_in_the_result_once(
        self, turns: list[int], children: str, batch: int | None, writes: bool
    ) -> None:
        """Killed at any moments, the run ends as ever, and no child that had a row is run again."""

        async def slow(event: Any) -> Any:
            await asyncio.sleep(0.001)
            return event

        fields: dict[str, Any] = {"MaxConcurrency": 5}
        fields |= {"ItemBatcher": {"MaxItemsPerBatch": batch}} if batch else {}
        fields |= {"ResultWriter": WRITER} if writes else {}
        states = {"M": distributed_map({"T": task("slow")}, children=children, **fields)}
        with TemporaryDirectory() as place:
            folders = [Path(place) / str(number) for number in range(len(turns) + 1)]
            async with open_store(folders[0]) as store, opened(store) as world:
                world.functions.handlers["slow"] = slow
                started = await world.start(states, list(range(30)))
                await asyncio.sleep(turns[0] / 1000)
                await store.flush()
                kill(world, folders[1])
            for number, wait in enumerate(turns[1:], 1):
                async with resumed(folders[number], after=world) as world:
                    await asyncio.sleep(wait / 1000)
                    await world.store.flush()
                    kill(world, folders[number + 1])

            done = inputs_of_rows(folders[-1] / store.file.name)
            async with resumed(folders[-1], after=world) as world:
                ended = await world.end(started)

                again = called(world, "slow")
                final = await only_run(world.store, started.arn)
                outputs = ended.output
                if writes:
                    files = world.s3.json("out", outputs["ResultWriterDetails"]["Key"])["ResultFiles"]["SUCCEEDED"]
                    outputs = [value for file in files for value in world.s3.json("out", file["Key"])]

        assert not [event for event in again if event in done]
        items = [item for value in outputs for item in (value["Items"] if batch else [value])]
        assert sorted(items) == list(range(30))
        assert (final.status, final.item_counts["succeeded"], final.item_counts["total"]) == ("SUCCEEDED", 30, 30)
        assert ended.types.count("MapRunStarted") == 1

    async def test_a_child_goes_on_in_the_state_that_it_was_in(self, world: World, tmp_path: Path) -> None:
        """States that it had left are not run again; its history is one line."""
        gate = world.functions.handlers["waits"] = Gate()
        world.functions.handlers["first"] = lambda event: event
        states = {"A": task("first", Next="B"), "B": task("waits")}
        started = await world.start({"M": distributed_map(states)}, [7, 8])
        await world.until(lambda: gate.waiting == 2)
        run = await world.map_run(started)
        await world.until(lambda: len(saved(world)) == 2)
        kill(world, tmp_path / "killed")

        async with resumed(tmp_path / "killed", after=world) as other:
            await other.until(lambda: len(other.functions.calls) == 2)
            gate.open()
            ended = await other.end(started)
            events = await other.store.child_events(run.id, 0)

        assert ended.output == [7, 8]
        assert {name for name, _ in other.functions.calls} == {"waits"}
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert [event["type"] for event in events].count("TaskStateEntered") == 2

    async def test_an_updated_limit_is_kept(self, world: World, tmp_path: Path) -> None:
        """UpdateMapRun's values, not those of the definition."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")}, MaxConcurrency=1)}, [1, 2, 3])
        await gate.came.wait()
        arn = (await world.map_run(started)).arn
        world.engine.update_map_run(arn, max_concurrency=2, tolerated_percentage=None, tolerated_count=1)
        await world.store.flush()
        kill(world, tmp_path / "killed")

        async with resumed(tmp_path / "killed", after=world) as other:
            await other.until(lambda: len(other.functions.calls) == 2)
            row = await other.live_map_run(started)

        assert (row.max_concurrency, row.tolerated_count, row.item_counts["running"]) == (2, 1, 2)

    async def test_a_restart_is_no_end(self, world: World, tmp_path: Path) -> None:
        """Leaving the engine leaves the map run RUNNING, without rows for the children that ran."""
        gate = Gate()
        async with open_store(tmp_path / "data") as store:
            async with opened(store) as first:
                first.functions.handlers["waits"] = gate
                started = await first.start({"M": distributed_map({"T": task("waits")})}, [1, 2])
                await first.until(lambda: gate.waiting == 2)
            run = await first.map_run(started)
            counts = await store.child_counts(run.id)
        async with resumed(tmp_path / "data", after=first) as second:
            await second.until(lambda: gate.waiting == 2)
            gate.open()
            ended = await second.end(started)

        assert (run.status, counts) == ("RUNNING", {})
        assert ended.output == [1, 2]
        assert ended.types == [
            "ExecutionStarted",
            "MapStateEntered",
            "MapStateStarted",
            "MapRunStarted",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
            "ExecutionSucceeded",
        ]

    async def test_one_that_was_being_stopped_has_not_succeeded(self, world: World, tmp_path: Path) -> None:
        """A kill in the middle of a stop: a child was ABORTED by then, the run was not. A redrive runs that child."""
        gate = Gate()

        async def work(event: Any) -> Any:
            return await gate(event) if event == 2 else event

        world.functions.handlers["work"] = work
        started = await world.start(
            {"M": distributed_map({"T": task("work")}, children="EXPRESS", MaxConcurrency=1)}, [1, 2]
        )
        await gate.came.wait()
        await world.store.flush()
        run = await world.map_run(started)
        kill(world, tmp_path / "killed")
        with closing(sqlite3.connect(tmp_path / "killed" / world.store.file.name)) as file, file:
            changed = file.execute("UPDATE children SET status = 'ABORTED', output = NULL").rowcount
        assert changed == 1
        gate.open()

        async with resumed(tmp_path / "killed", after=world) as other:
            cut_off = await other.end(started)
            ended = await redriven(other, started)
            again = await other.map_run(started)

        assert cut_off.failure[:2] == ("FAILED", "States.TaskFailed")
        assert "1 of its child executions are ABORTED. Redrive" in (cut_off.row.cause or "")
        assert (again.arn, ended.output) == (run.arn, [1, 2])

    async def test_a_map_run_that_only_the_history_knows_begins(self, world: World, tmp_path: Path) -> None:
        """Its row was not on disk yet: it has the ARN that the history says, and starts all children."""
        gate = world.functions.handlers["waits"] = Gate()
        started = await world.start({"M": distributed_map({"T": task("waits")})}, [1, 2])
        await world.until(lambda: gate.waiting == 2)
        arn = (await world.map_run(started)).arn
        kill(world, tmp_path / "killed")
        with closing(sqlite3.connect(tmp_path / "killed" / world.store.file.name)) as connection, connection:
            connection.execute("DELETE FROM map_runs")
        gate.open()

        async with resumed(tmp_path / "killed", after=world) as other:
            ended = await other.end(started)
            run = await other.map_run(started)

        assert (run.arn, run.status, ended.output) == (arn, "SUCCEEDED", [1, 2])
        assert ended.types.count("MapRunStarted") == 1


class TestOverWhileAway:
    """The execution was stopped, or timed out, and nobody could stop its map run."""

    @pytest.mark.parametrize("how", ["stopped", "timed out"])
    async def test_the_map_run_and_its_children_are_aborted(self, tmp_path: Path, how: str) -> None:
        """A child that has begun is; one that has not is pending. Nothing is left that says that it runs."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            started = await cut_off_and_over(store, clock, how)
            async with opened(store, clock=clock) as world:
                await world.engine.resume()
                ended = await world.end(started)
            run = await world.map_run(started)
            children = await store.children(run.id, ALL)
            events = await store.child_events(run.id, 0)

        assert ended.row.status == ("ABORTED" if how == "stopped" else "TIMED_OUT")
        assert run.status == "ABORTED"
        for counts in (run.item_counts, run.execution_counts):
            assert [counts[name] for name in ("pending", "running", "aborted", "total")] == [1, 0, 2, 3]
        assert [(child.index, child.status) for child in children] == [(1, "ABORTED"), (0, "ABORTED")]
        assert events[-1]["type"] == "ExecutionAborted"
        assert saved(world) == []

    async def test_a_redrive_goes_on_where_the_children_were(self, tmp_path: Path) -> None:
        """It counts as one of the map run, too, though the history does not have the map run's end."""
        clock = StillClock()
        async with open_store(tmp_path) as store:
            started = await cut_off_and_over(store, clock, "stopped")
            async with opened(store, clock=clock) as world:
                world.functions.handlers |= {"first": lambda event: event, "waits": lambda event: event}
                await world.engine.resume()
                await world.end(started)

                ended = await redriven(world, started)

            run = await world.map_run(started)

        assert ended.output == [7, 8, 9]
        assert called(world, "first") == [9]
        assert (run.redrive_count, run.status) == (1, "SUCCEEDED")
        assert ended.details("MapRunRedriven")["redriveCount"] == 1


async def cut_off_and_over(store: Store, clock: StillClock, how: str) -> ExecutionRow:
    """An execution whose map run had two children in their second state, and a third to start."""
    async with opened(store, clock=clock) as world:
        gate = world.functions.handlers["waits"] = Gate()
        world.functions.handlers["first"] = lambda event: event
        states = {"A": task("first", Next="B"), "B": task("waits")}
        started = await world.start({"M": distributed_map(states, MaxConcurrency=2)}, [7, 8, 9], TimeoutSeconds=60)
        await world.until(lambda: gate.waiting == 2)
        if how == "stopped":
            store.execution_stopping(started.id, clock.now, None, None)
        else:
            clock.now += 61.0
    return started


class TestRedriven:
    @pytest.mark.parametrize("children", ["STANDARD", "EXPRESS"])
    async def test_only_what_failed_runs_again(self, world: World, children: str) -> None:
        """In the same map run, which the parent's history says is redriven; the child keeps its ARN."""
        world.functions.handlers["f"] = failing_on(2)
        states = {"M": distributed_map({"T": task("f")}, children=children, MaxConcurrency=1)}
        started = await world.start(states, [1, 2, 3])
        failed = await world.end(started)
        world.functions.handlers["f"] = lambda event: event
        world.functions.calls.clear()

        ended = await redriven(world, started)

        run = await world.map_run(started)
        child = await world.store.child(run.id, 1)
        events = await world.store.child_events(run.id, 1)
        assert failed.row.status == "FAILED"
        assert ended.output == [1, 2, 3]
        assert called(world, "f") == [2, 3]
        assert ended.details("MapRunRedriven") == {"mapRunArn": run.arn, "redriveCount": 1}
        assert (run.redrive_count, run.status, run.execution_counts["succeeded"]) == (1, "SUCCEEDED", 3)
        assert child is not None
        assert (child.status, child.redrive_count, child.attempt) == ("SUCCEEDED", 1, 1)
        assert ("ExecutionRedriven" in [event["type"] for event in events]) == (children == "STANDARD")

    async def test_a_child_is_redriven_from_the_state_that_failed(self, world: World) -> None:
        """What it had done stays done."""
        world.functions.handlers |= {"first": lambda event: event, "f": failing_on(1)}
        states = {"M": distributed_map({"A": task("first", Next="B"), "B": task("f")})}
        started = await world.start(states, [1])
        await world.end(started)
        world.functions.handlers["f"] = lambda event: event
        world.functions.calls.clear()

        ended = await redriven(world, started)

        assert ended.output == [1]
        assert called(world, "first") == []

    async def test_a_stopped_map_run_is_redriven(self, world: World) -> None:
        """Children that were aborted run again, those that never began begin."""
        gate = world.functions.handlers["waits"] = Gate()
        states = {"M": distributed_map({"T": task("waits")}, MaxConcurrency=1, ResultWriter=WRITER)}
        started = await world.start(states, [1, 2, 3])
        await gate.came.wait()
        stopped = await world.stop(started)
        before = await world.map_run(started)
        gate.open()

        ended = await redriven(world, started)

        run = await world.map_run(started)
        assert (stopped.row.status, before.status, before.item_counts["pending"]) == ("ABORTED", "ABORTED", 2)
        assert ended.output["ResultWriterDetails"]["Key"].endswith("/Redrive-1/manifest.json")
        assert (run.status, run.item_counts["succeeded"], run.item_counts["resultsWritten"]) == ("SUCCEEDED", 3, 3)

    @pytest.mark.parametrize(
        ("selector", "error"),
        [({"large": "x" * 200_000}, "States.DataLimitExceeded"), ({"none.$": "$.nothing"}, "States.Runtime")],
    )
    async def test_after_too_much_data_or_a_path_that_fails_another_map_run_begins(
        self, world: World, selector: dict[str, str], error: str
    ) -> None:
        """The same children would fail it again: AWS starts the Map anew, and redrives no map run."""
        started = await world.start({"M": distributed_map({"P": pass_()}, ItemSelector=selector)}, [1, 2])
        await world.end(started)

        ended = await redriven(world, started)

        runs = await world.store.map_runs(started.arn, ALL)
        assert (ended.row.error, [run.redrive_count for run in runs]) == (error, [0, 0])
        assert ended.types[ended.types.index("ExecutionRedriven") + 1 :] == [
            "MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed", "ExecutionFailed",
        ]  # fmt: skip

    async def test_limits_change_while_it_is_redriven(self, world: World) -> None:
        """UpdateMapRun lets more of the children run at once that wait for redrive."""
        world.functions.handlers["f"] = failing_on(1, 2, 3)
        fields: dict[str, Any] = {"MaxConcurrency": 1, "ToleratedFailureCount": 2}
        started = await world.start({"M": distributed_map({"T": task("f")}, **fields)}, [1, 2, 3])
        await world.end(started)
        gate = world.functions.handlers["f"] = Gate()
        redrive = asyncio.create_task(redriven(world, started))
        await gate.came.wait()
        before = await world.live_map_run(started)

        world.engine.update_map_run(before.arn, max_concurrency=3, tolerated_percentage=None, tolerated_count=None)
        await world.until(lambda: gate.waiting == 3)
        after = await world.live_map_run(started)
        gate.open()
        ended = await redrive

        counts = [(run.execution_counts["running"], run.execution_counts["pendingRedrive"]) for run in (before, after)]
        assert counts == [(1, 2), (3, 0)]
        assert ended.output == [1, 2, 3]

    async def test_a_map_run_is_redriven_a_thousand_times_at_the_most(self, world: World) -> None:
        """States.Runtime after that."""
        world.functions.handlers["f"] = failing_on(1)
        started = await world.start({"M": distributed_map({"T": task("f")})}, [1])
        await world.end(started)
        run = await world.map_run(started)
        world.store.map_run_saved(replace(run, redrive_count=1000))

        ended = await redriven(world, started)

        assert ended.failure[:2] == ("FAILED", "States.Runtime")
        assert "1000 times" in (ended.failure[2] or "")


class TestNested:
    async def test_a_child_with_a_map_run_goes_on_with_it(self, world: World, tmp_path: Path) -> None:
        """The child is saved before its map run is: killed then, what it did before is not done again."""
        gate = world.functions.handlers["waits"] = Gate()
        world.functions.handlers["first"] = lambda event: event
        inner = {**distributed_map({"T": task("waits")}), "Label": "Inner"}
        started = await world.start({"M": distributed_map({"A": task("first", Next="I"), "I": inner})}, [[1, 2], [3]])
        await world.until(lambda: gate.waiting == 3)
        outer = await world.map_run(started)
        nested = await only_run(world.store, world.child_arn(outer, 0))
        kill(world, tmp_path / "killed")

        async with resumed(tmp_path / "killed", after=world) as other:
            await other.until(lambda: len(other.functions.calls) == 3)
            counts = (await other.live_map_run(started)).execution_counts
            gate.open()
            ended = await other.end(started)
            after = await only_run(other.store, other.child_arn(outer, 0))

        assert ended.output == [[1, 2], [3]]
        assert called(other, "first") == []
        assert (counts["running"], counts["total"]) == (2, 2)
        assert (after.arn, after.status, after.execution_counts["succeeded"]) == (nested.arn, "SUCCEEDED", 2)

    async def test_a_redrive_reaches_the_item_of_the_nested_map_run(self, world: World) -> None:
        """The parent redrives its map run, that its child, and that its own map run."""
        world.functions.handlers["f"] = failing_on(3)
        inner = {**distributed_map({"T": task("f")}), "Label": "Inner"}
        started = await world.start({"M": distributed_map({"I": inner})}, [[1, 2], [3]])
        await world.end(started)
        outer = await world.map_run(started)
        done = await world.store.child_counts(outer.id)
        world.functions.handlers["f"] = lambda event: event
        world.functions.calls.clear()

        ended = await redriven(world, started)

        nested = await only_run(world.store, world.child_arn(outer, 1))
        events = await world.store.child_events(outer.id, 1)
        assert ended.output == [[1, 2], [3]]
        assert 3 in called(world, "f")
        if done.get("SUCCEEDED") == (1, 1):  # the first had ended before the second failed
            assert called(world, "f") == [3]
        assert (nested.redrive_count, nested.status) == (1, "SUCCEEDED")
        redrives = [event["type"] for event in events if event["type"].endswith("Redriven")]
        assert redrives == ["ExecutionRedriven", "MapRunRedriven"]

    async def test_a_stop_reaches_the_nested_map_runs(self, world: World) -> None:
        """All are ABORTED, and nothing counts as running."""
        gate = world.functions.handlers["waits"] = Gate()
        inner = {**distributed_map({"T": task("waits")}), "Label": "Inner"}
        started = await world.start({"M": distributed_map({"I": inner})}, [[1, 2], [3]])
        await world.until(lambda: gate.waiting == 3)

        await world.stop(started)

        outer = await world.map_run(started)
        nested = await only_run(world.store, world.child_arn(outer, 0))
        assert [(run.status, run.execution_counts["aborted"]) for run in (outer, nested)] == [("ABORTED", 2)] * 2

    async def test_a_child_that_cannot_go_on_as_its_map_run_has_failed_takes_its_own_with_it(
        self, world: World, tmp_path: Path
    ) -> None:
        """The kill came between the failure too many and the abort of the others. A redrive goes on with them."""
        gate = world.functions.handlers["waits"] = Gate()
        inner = {**distributed_map({"T": task("waits")}), "Label": "Inner"}
        world.functions.handlers["first"] = failing_on(["bad"])
        states = {"A": task("first", Next="I"), "I": inner}
        fields: dict[str, Any] = {"ToleratedFailureCount": 1}
        started = await world.start({"M": distributed_map(states, **fields)}, [["bad"], [2], [3]])
        await world.until(lambda: gate.waiting == 2)
        outer = await world.map_run(started)
        kill(world, tmp_path / "killed")
        with closing(sqlite3.connect(tmp_path / "killed" / world.store.file.name)) as connection, connection:
            connection.execute(
                "UPDATE map_runs SET tolerated_count = 0, tolerated_percentage = 0 WHERE id = ?", (outer.id,)
            )
        gate.open()

        async with resumed(tmp_path / "killed", after=world) as other:
            failed = await other.end(started)
            run = await other.map_run(started)
            nested = [await only_run(other.store, other.child_arn(outer, index)) for index in (1, 2)]
            left = saved(other)
            other.functions.handlers["first"] = lambda event: event
            ended = await redriven(other, started)

        assert failed.row.error == "States.ExceedToleratedFailureThreshold"
        assert [run.execution_counts[name] for name in ("pending", "failed", "aborted")] == [0, 1, 2]
        assert [one.status for one in nested] == ["ABORTED", "ABORTED"]
        assert left == []
        assert ended.output == [["bad"], [2], [3]]
        assert called(other, "first") == [["bad"]]


class TestBacklog:
    async def test_a_map_run_over_the_limit_waits_with_all_counts_at_zero(self, world: World) -> None:
        """MapRunStarted is in the history already; it begins when another one closes."""
        gate = world.functions.handlers["waits"] = Gate()
        world.engine._map_runs._backlog = Backlog(1)
        first = await world.start({"M": distributed_map({"T": task("waits")})}, [1])
        await gate.came.wait()
        second = await world.start({"M": distributed_map({"P": pass_()})}, [2, 3])
        await world.until(lambda: len(world.engine._map_runs._live) == 2)
        waiting = await world.live_map_run(second)
        gate.open()

        ended = [await world.end(one) for one in (first, second)]

        assert (waiting.status, set(waiting.item_counts.values())) == ("RUNNING", set())
        assert [one.output for one in ended] == [[1], [2, 3]]

    async def test_nested_map_runs_do_not_wait_for_each_other_for_ever(self, world: World) -> None:
        """With room for one, a child's own map run is let in when its parent has nothing else to do."""
        world.engine._map_runs._backlog = Backlog(1)
        inner = {**distributed_map({"P": pass_()}), "Label": "Inner"}

        ended = await world.run({"M": distributed_map({"I": inner})}, [[1, 2], [3]])

        assert ended.output == [[1, 2], [3]]

    async def test_who_stops_waiting_leaves_its_place_to_the_next(self) -> None:
        """Also if its turn came at the same moment."""
        backlog = Backlog(1)
        await backlog.enter("a")
        tasks = [asyncio.create_task(backlog.enter(name)) for name in ("b", "c")]
        await asyncio.sleep(0)

        backlog.leave()
        tasks[0].cancel()
        await asyncio.wait(tasks, timeout=5)

        assert tasks[0].cancelled()
        assert not list(backlog.waiting)
        assert tasks[1].done()


def saved(world: World) -> list[Any]:
    """The snapshots on disk."""
    with closing(sqlite3.connect(world.store.file)) as connection:
        return connection.execute("SELECT id FROM running_children").fetchall()


def failing_on(*items: Any) -> Any:
    def handler(event: Any) -> Any:
        if event in items:
            raise FunctionError("Broken")
        return event

    return handler
