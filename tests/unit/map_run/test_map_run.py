"""A whole map run, with children that answer from a function."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run import Child, MapRun, MapRunStatus, Tolerance
from mapfold.states.effects import (
    BatcherSpec,
    Json,
    ReaderSpec,
    RunMap,
    StateError,
    TaskFailed,
    TaskSucceeded,
    WriterSpec,
)
from tests.unit.map_run.fakes import IDENTITY, RUN_UUID, Children, FakeS3, map_spec

TO_S3 = WriterSpec("out", "runs", "JSONL", "COMPACT")
LINES = ReaderSpec("s3:getObject", {"InputType": "JSONL"}, {"Bucket": "in", "Key": "lines"})


def new_run(spec: RunMap, children: Children, s3: FakeS3 | None = None, **settings: Any) -> MapRun:
    store = s3 or FakeS3()
    return MapRun(spec, IDENTITY, run_child=children.run, s3=lambda: store, clock=lambda: 1000.0, **settings)


def lines(count: int) -> FakeS3:
    """An S3 with one JSON Lines object of the numbers from 0."""
    return FakeS3({("in", "lines"): "".join(f"{number}\n" for number in range(count)).encode()})


def failing(*indexes: int) -> Any:
    """Children that fail at these indexes, and echo their input at others."""

    def answer(child: Child) -> Json | BaseException:
        return ValueError("broken") if child.index in indexes else json.loads(child.input_text)

    return answer


def result_file(s3: FakeS3, status: str) -> list[Json]:
    """All values of one status, over the files that the manifest names."""
    manifest = s3.json("out", f"runs/{RUN_UUID}/manifest.json")
    return [value for file in manifest["ResultFiles"][status] for value in s3.json("out", file["Key"])]


@asynccontextmanager
async def running(run: MapRun) -> AsyncIterator[asyncio.Task[TaskSucceeded | TaskFailed]]:
    """A run that goes on until its children can do no more; the block sees it there."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run.run())
        before = -1
        while before != run.counts().executions.running or not before:
            before = run.counts().executions.running
            for _ in range(50):
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)  # a reader's thread may still be at work
        yield task


async def outcome(run: MapRun) -> tuple[str | None, str | None]:
    """Error and cause of a run that fails."""
    answer = await run.run()
    assert isinstance(answer, TaskFailed)
    return answer.error, answer.cause


class TestResults:
    async def test_outputs_come_back_in_the_order_of_the_items(self) -> None:
        """Without a ResultWriter the Map's output is the array of the children's outputs."""
        run = new_run(map_spec([3, 1, 2]), Children())

        answer = await run.run()

        assert isinstance(answer, TaskSucceeded)
        assert (answer.output, answer.text) == ([3, 1, 2], "[3,1,2]")
        assert (run.status, run.start_date, run.stop_date) == (MapRunStatus.SUCCEEDED, 1000.0, 1000.0)

    async def test_no_items_are_a_success(self) -> None:
        """An empty array gives an empty array, and starts no child."""
        answer = await new_run(map_spec([]), Children()).run()

        assert isinstance(answer, TaskSucceeded)
        assert answer.output == []

    @pytest.mark.parametrize("waits", [False, True])
    async def test_every_item_of_a_reader_is_run_once(self, waits: bool) -> None:
        """Through all chunks, whether children wait inside or end at once."""
        wait = asyncio.Event()
        children = Children(wait=wait if waits else None)
        s3 = lines(3210)
        run = new_run(map_spec(reader=LINES, writer=TO_S3), children, s3)
        wait.set()

        answer = await run.run()

        assert isinstance(answer, TaskSucceeded)
        assert sorted(int(child.input_text) for child in children.started) == list(range(3210))
        assert sorted(result_file(s3, "SUCCEEDED")) == list(range(3210))
        assert answer.output["ResultWriterDetails"]["Key"] == f"runs/{RUN_UUID}/manifest.json"

    async def test_max_items_cuts_before_anything_else(self) -> None:
        """MaxItems 0 is no limit; a negative one fails the run with AWS's words."""
        some, everything = Children(), Children()

        await new_run(map_spec(reader=LINES, max_items=1500, batcher=BatcherSpec(1000, None)), some, lines(3000)).run()
        await new_run(map_spec([1, 2], max_items=0), everything).run()
        failed = await outcome(new_run(map_spec(reader=LINES, max_items=-1), Children(), lines(3)))

        assert [child.item_count for child in some.started] == [1000, 500]
        assert len(everything.started) == 2
        assert failed == ("States.ItemReaderFailed", "field MaxItems must be positive")

    @pytest.mark.parametrize(
        ("config", "arguments"),
        [
            ({"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"}, {"Prefix": "part/"}),
            ({"InputType": "JSONL", "ManifestType": "ATHENA_DATA"}, {"Key": "manifest.csv"}),
        ],
    )
    @pytest.mark.parametrize("batcher", [None, BatcherSpec(2, None), BatcherSpec(None, 60)])
    async def test_max_items_cuts_the_whole_stream_and_each_item_knows_its_object(
        self, config: dict[str, Json], arguments: dict[str, Json], batcher: BatcherSpec | None
    ) -> None:
        """
        MaxItems counts over all objects, and the object behind it is not opened. A batch holds items of several
        objects, and the selector is told of each whence it came, also in the chunk that was cut.
        """
        parts = [b"0\n1\n2\n", b"3\n", b"4\n5\n6\n", b"7\n"]
        s3 = FakeS3({("b", f"part/{number}"): text for number, text in enumerate(parts)})
        s3.objects["b", "manifest.csv"] = b"".join(b"s3://b/part/%d\n" % number for number in range(4))
        resource = "s3:getObject" if "Key" in arguments else "s3:listObjectsV2"
        seen: list[tuple[int, Json, str]] = []

        def select(index: int, value: Json, key: str | None, source: str) -> Json:
            seen.append((index, value, source))
            return value

        reader = ReaderSpec(resource, config, {"Bucket": "b", **arguments})
        children = Children(lambda child: 1)
        run = new_run(map_spec(reader=reader, max_items=6, select=select, batcher=batcher), children, s3)
        answer = await run.run()

        assert isinstance(answer, TaskSucceeded)
        assert seen == [(n, n, f"S3://b/part/{part}") for n, part in enumerate([0, 0, 0, 1, 2, 2])]
        assert run.counts().items.total == 6
        assert {call["Key"] for call in s3.calls("get_object")} <= {"manifest.csv", "part/0", "part/1", "part/2"}

    async def test_a_part_that_cannot_be_read_fails_the_run_where_it_is(self) -> None:
        """States.ItemReaderFailed; what came before it has run or is aborted."""
        s3 = FakeS3({("b", "m"): b"s3://b/1\ns3://b/2\n", ("b", "1"): b"1\n"})
        reader = ReaderSpec(
            "s3:getObject", {"InputType": "JSONL", "ManifestType": "ATHENA_DATA"}, {"Bucket": "b", "Key": "m"}
        )

        error, cause = await outcome(new_run(map_spec(reader=reader), Children(), s3))

        assert error == "States.ItemReaderFailed"
        assert cause == (
            "s3://b/m, line 2: s3://b/2: The specified key does not exist. "
            "(Service: S3, Status Code: 404, Request ID: R, Extended Request ID: H) (SDK Attempt Count: 1)"
        )

    async def test_the_selectors_error_is_the_runs(self) -> None:
        """Running children are aborted, and the error keeps its name."""

        def select(index: int, value: Json, key: str | None, source: str) -> Json:
            if index == 2:
                raise StateError("States.Runtime", "no such path")
            return value

        children = Children(wait=asyncio.Event())
        run = new_run(map_spec([0, 1, 2, 3], select=select), children)

        answer = await run.run()

        assert answer == TaskFailed("States.Runtime", "no such path", catchable=False)
        assert sorted(children.aborted) == [0, 1]

    async def test_an_output_over_256_kib_fails_after_all_children_ran(self) -> None:
        """States.DataLimitExceeded; a ResultWriter is what it takes."""
        children = Children(lambda child: "x" * 1000)

        error, _ = await outcome(new_run(map_spec(list(range(300))), children))

        assert (error, len(children.started)) == ("States.DataLimitExceeded", 300)


class TestConcurrency:
    async def test_never_more_than_max_concurrency_run_at_once(self) -> None:
        """And as many as that, where there are items enough."""
        wait = asyncio.Event()
        children = Children(wait=wait)
        run = new_run(map_spec(list(range(100)), max_concurrency=7), children)

        async with running(run):
            at_once = children.running
            wait.set()

        assert (at_once, children.most_at_once) == (7, 7)
        assert len(children.started) == 100

    async def test_without_a_limit_all_children_run_at_once(self) -> None:
        """0 stands for 10,000."""
        wait = asyncio.Event()
        children = Children(wait=wait)
        run = new_run(map_spec(list(range(2500))), children)

        async with running(run):
            at_once = children.running
            wait.set()

        assert at_once == 2500

    async def test_no_map_run_has_more_than_ten_thousand_children_at_once(self) -> None:
        """The hard maximum, whatever MaxConcurrency or UpdateMapRun say."""
        wait = asyncio.Event()
        children = Children(wait=wait)
        run = new_run(map_spec(list(range(10_050)), max_concurrency=20_000), children)

        async with running(run):
            run.update(max_concurrency=30_000)
            for _ in range(400):
                await asyncio.sleep(0)
            wait.set()

        assert children.most_at_once == 10_000
        assert len(children.started) == 10_050

    async def test_a_crowded_run_starts_no_more_at_once(self) -> None:
        """Where children only stand in a queue, the next ones are started as these end; once it is short, more at once."""
        gate = asyncio.Event()
        children = Children(wait=gate)
        most = 40
        run = new_run(map_spec(list(range(500))), children, is_crowded=lambda: children.running >= most)

        async with running(run):
            crowded = children.running
            most = 200
            gate.set()

        assert 40 <= crowded < 80
        assert len(children.started) == 500

    async def test_once_it_is_crowded_no_more_a_run_grows_without_a_child_having_ended(self) -> None:
        """Children that have left the queue may go on for hours, in a Wait: the others do not wait for their end."""
        gate = asyncio.Event()
        children = Children(wait=gate)
        most = 40
        run = new_run(map_spec(list(range(500))), children, is_crowded=lambda: children.running >= most)

        async with running(run), asyncio.timeout(10):
            crowded = children.running
            most = 1000
            while children.running < 500:  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.001)
            gate.set()

        assert crowded < 80

    async def test_the_limit_can_be_changed_while_it_runs(self) -> None:
        """More: others start at once. Fewer: nothing is stopped, and new ones wait."""
        wait = asyncio.Event()
        children = Children(wait=wait)
        run = new_run(map_spec(list(range(100)), max_concurrency=3), children)

        async with running(run):
            run.update(max_concurrency=11)
            for _ in range(50):
                await asyncio.sleep(0)
            grown = children.running
            run.update(max_concurrency=2)
            children.most_at_once = 0
            wait.set()

        assert grown == 11
        assert children.most_at_once <= 2
        assert len(children.started) == 100

    async def test_children_that_end_at_once_need_one_slot(self) -> None:
        """No task is made for a child that does not wait, and the loop is not blocked for long."""
        run = new_run(map_spec(list(range(20_000)), writer=TO_S3), Children())
        turns = 0

        async with asyncio.TaskGroup() as group:
            task = group.create_task(run.run())
            while not task.done():
                turns += 1
                most = len(asyncio.all_tasks())
                await asyncio.sleep(0)

        assert turns > 5
        assert most < 10

    async def test_large_inputs_bound_the_children_at_once(self) -> None:
        """A laptop has no room for 10,000 inputs of 256 KiB: past a sum of bytes, children wait for room."""
        wait = asyncio.Event()
        children = Children(lambda child: 1, wait=wait)
        run = new_run(map_spec(["x" * 1000] * 100), children, input_bytes_at_once=10_000)

        async with running(run):
            at_once = children.running
            wait.set()

        assert at_once == 10
        assert len(children.started) == 100

    async def test_the_reader_never_outruns_the_children(self) -> None:
        """One chunk is in use and one is read ahead; the rest of the source stays where it is."""
        wait = asyncio.Event()
        children = Children(wait=wait)
        s3 = lines(200_000)
        run = new_run(map_spec(reader=LINES, max_concurrency=5), children, s3)

        async with running(run):
            read = run.counts().items.total
            bytes_left = [body for name, body in s3.requests if name == "get_object"]
            run.stop()

        assert read <= 1000
        assert len(bytes_left) == 1


class TestToleratedFailure:
    async def test_the_first_failure_too_many_stops_the_map_run(self) -> None:
        """
        With ToleratedFailureCount 2 the third failed item fails the map run,
        and items that were waiting for a slot are never started.
        """
        children = Children(failing(1, 3, 5))
        run = new_run(map_spec(list(range(10)), max_concurrency=1, tolerated_count=2), children)

        failed = await outcome(run)

        assert failed == (
            "States.ExceedToleratedFailureThreshold",
            "The specified tolerated failure threshold was exceeded",
        )
        assert len(children.started) == 6
        assert run.status == MapRunStatus.FAILED

    async def test_a_failed_child_counts_all_items_of_its_batch(self) -> None:
        """One failed child of 4 exceeds a tolerated count of 3."""
        children = Children(failing(0))
        run = new_run(map_spec(list(range(8)), batcher=BatcherSpec(4, None), tolerated_count=3), children)

        error, _ = await outcome(run)

        assert error == "States.ExceedToleratedFailureThreshold"

    async def test_the_percentage_is_judged_when_the_total_is_known(self) -> None:
        """While the reader has not come to its end, failures by the hundred are no verdict."""
        children = Children(failing(*range(1200)))
        run = new_run(map_spec(reader=LINES, tolerated_percentage=50, max_concurrency=1), children, lines(2000))

        error, _ = await outcome(run)

        assert error == "States.ExceedToleratedFailureThreshold"
        assert len(children.started) > 1000

    async def test_tolerated_failures_appear_as_their_records(self) -> None:
        """The run succeeds; the failed child's record stands in its place."""
        run = new_run(map_spec(["a", "b"], tolerated_percentage=50), Children(failing(1)))

        answer = await run.run()

        assert isinstance(answer, TaskSucceeded)
        assert answer.output[0] == "a"
        assert (answer.output[1]["Status"], answer.output[1]["Error"]) == ("FAILED", "ValueError")

    async def test_a_timed_out_child_is_a_failure(self) -> None:
        """Failed and timed-out ones count against the tolerance."""
        run = new_run(map_spec([1]), Children(lambda child: TimeoutError()))

        error, _ = await outcome(run)

        assert error == "States.ExceedToleratedFailureThreshold"
        assert run.counts().items.timed_out == 1

    async def test_a_tolerance_that_is_lowered_below_what_failed_fails_the_run(self) -> None:
        """UpdateMapRun is judged at once."""
        wait = asyncio.Event()
        run = new_run(map_spec(list(range(4)), tolerated_count=9, max_concurrency=2), MixedChildren(wait))

        async with running(run) as task:
            run.update(tolerated_count=0)

        assert isinstance(task.result(), TaskFailed)
        assert run.tolerance.count == 0

    @pytest.mark.parametrize(("child_type", "aborted"), [("STANDARD", 4), ("EXPRESS", 0)])
    async def test_running_standard_children_are_aborted_and_express_ones_run_out(
        self, child_type: str, aborted: int
    ) -> None:
        """The result files are written all the same: what succeeded, failed, and was never started."""
        s3 = lines(2500)
        wait = asyncio.Event()
        children = MixedChildren(wait)
        spec = map_spec(reader=LINES, writer=TO_S3, child_type=child_type, max_concurrency=4, tolerated_count=5)
        run = new_run(spec, children, s3)

        async with running(run) as task:
            run.update(tolerated_count=0)
            wait.set()

        counts = run.counts()
        assert isinstance(task.result(), TaskFailed)
        assert counts.executions.aborted == aborted
        assert counts.executions.failed == 1
        assert len(result_file(s3, "FAILED")) == 1 + aborted
        assert len(result_file(s3, "SUCCEEDED")) == counts.executions.succeeded == 4 - aborted
        pending = result_file(s3, "PENDING")
        assert len(pending) == counts.items.pending == 2500 - 5
        assert counts.items.total == 2500

    @given(
        count=st.integers(0, 60),
        failing_at=st.sets(st.integers(0, 60), max_size=12),
        batch=st.none() | st.integers(1, 7),
        max_concurrency=st.integers(0, 9),
        tolerated_count=st.none() | st.integers(0, 12),
        tolerated_percentage=st.none() | st.floats(0, 100),
        waits=st.booleans(),
    )
    async def test_the_verdict_is_the_rules_and_no_item_runs_twice(
        self,
        count: int,
        failing_at: set[int],
        batch: int | None,
        max_concurrency: int,
        tolerated_count: int | None,
        tolerated_percentage: float | None,
        waits: bool,
    ) -> None:
        """
        Whatever the batches, the concurrency and the order of events: the run fails exactly when all failed items
        together exceed the tolerance, and a run that succeeds has run every item once.
        """
        wait = asyncio.Event()
        wait.set()
        spec = map_spec(
            list(range(count)),
            batcher=BatcherSpec(batch, None) if batch else None,
            max_concurrency=max_concurrency,
            tolerated_count=tolerated_count,
            tolerated_percentage=tolerated_percentage,
        )
        children = Children(failing(*failing_at), wait=wait if waits else None)
        run = new_run(spec, children)

        answer = await run.run()

        sizes = [min(batch or 1, count - start) for start in range(0, count, batch or 1)]
        failed = sum(size for index, size in enumerate(sizes) if index in failing_at)
        tolerance = Tolerance(tolerated_count, tolerated_percentage)
        assert isinstance(answer, TaskFailed) == tolerance.is_exceeded(failed=failed, total=count)
        counts = run.counts().items
        assert counts.total == count
        assert counts.running == 0
        indexes = [child.index for child in children.started]
        assert len(set(indexes)) == len(indexes)
        if isinstance(answer, TaskSucceeded):
            assert (counts.succeeded, counts.failed, len(indexes)) == (count - failed, failed, len(sizes))


class MixedChildren(Children):
    """Child 0 fails at once; the others wait."""

    def __init__(self, wait: asyncio.Event) -> None:
        super().__init__(failing(0), wait=wait)
        self._others = wait

    async def run(self, child: Child) -> Any:
        self._wait = None if child.index == 0 else self._others
        return await super().run(child)


class TestStop:
    async def test_stopping_aborts_the_running_and_leaves_the_rest_pending(self) -> None:
        """`run` returns a failure without an error, and the status says ABORTED."""
        children = Children(wait=asyncio.Event())
        run = new_run(map_spec(list(range(10)), max_concurrency=4), children)

        async with running(run) as task:
            run.stop()

        counts = run.counts()
        assert task.result() == TaskFailed(None, None, catchable=False)
        assert run.status == MapRunStatus.ABORTED
        assert (counts.executions.aborted, counts.executions.pending, counts.executions.running) == (4, 6, 0)

    async def test_cancelling_run_cancels_the_children_without_aborting_them(self) -> None:
        """A shutdown is no verdict: children see CancelledError while `aborting` is false."""
        children = Children(wait=asyncio.Event())
        run = new_run(map_spec(list(range(3))), children)

        async with running(run) as task:
            task.cancel()

        assert task.cancelled()
        assert not run.aborting
        assert (len(children.aborted), run.counts().executions.aborted) == (3, 0)


class TestFaults:
    async def test_what_the_reader_finds_fails_the_run(self) -> None:
        """States.ItemReaderFailed with the reader's cause; what ran before is in the result files."""
        s3 = lines(1500)
        s3.objects["in", "lines"] += b"oops\n"
        run = new_run(map_spec(reader=LINES, writer=TO_S3), Children(), s3)

        error, cause = await outcome(run)

        assert error == "States.ItemReaderFailed"
        assert cause is not None
        assert "s3://in/lines, line 1501" in cause
        assert len(result_file(s3, "SUCCEEDED")) == 1500

    async def test_a_source_that_cannot_be_opened_is_not_opened_again_for_what_is_pending(self) -> None:
        """An S3 that is away would be waited for twice."""
        s3 = FakeS3()
        run = new_run(map_spec(reader=LINES, writer=TO_S3), Children(), s3)

        error, _ = await outcome(run)

        assert error == "States.ItemReaderFailed"
        assert len(s3.calls("get_object")) == 1

    async def test_what_the_writer_meets_fails_the_run(self) -> None:
        """States.ResultWriterFailed; nothing more is started once a part could not be written."""
        s3 = lines(50_000)
        s3.refuse_writes = PermissionError("denied")  # type: ignore[assignment]
        children = Children(lambda child: "x" * 100)
        run = new_run(map_spec(reader=LINES, writer=TO_S3, max_concurrency=1), children, s3, result_part_bytes=10_000)

        error, cause = await outcome(run)

        assert error == "States.ResultWriterFailed"
        assert cause is not None
        assert "Cannot write s3://out/runs/" in cause
        assert len(children.started) < 50_000

    async def test_state_input_that_is_no_dataset(self) -> None:
        """States.Runtime, which no Catch may have."""
        answer = await new_run(map_spec("text"), Children()).run()

        assert answer == TaskFailed("States.Runtime", 'Reference path "$" must point to array.', catchable=False)

    async def test_a_fault_of_ours_in_a_child_is_not_hidden(self) -> None:
        """An exception out of run_child is a bug: it cancels all and comes out."""

        async def run_child(child: Child) -> Any:
            raise LookupError("bug")

        run = MapRun(map_spec([1]), IDENTITY, run_child=run_child, s3=FakeS3, clock=lambda: 0.0)

        with pytest.raises(ExceptionGroup) as caught:
            await run.run()

        assert isinstance(caught.value.exceptions[0], LookupError)


class TestCounts:
    async def test_byte_batches_count_their_items_at_every_moment(self) -> None:
        """How many children are to come is an estimate then, the least; of items it is none, and all parts add up."""
        wait = asyncio.Event()
        run = new_run(
            map_spec(list(range(100, 200)), batcher=BatcherSpec(None, 60), max_concurrency=3), Children(wait=wait)
        )

        async with running(run):
            middle = run.counts()
            wait.set()

        end = run.counts()
        assert (middle.items.running, middle.items.pending, middle.items.total) == (36, 64, 100)
        assert middle.executions.running + middle.executions.pending == middle.executions.total
        assert (end.items.succeeded, end.executions.succeeded, end.executions.total) == (100, 9, 9)

    async def test_the_parts_add_up_at_every_moment(self) -> None:
        """Pending, running and ended ones are the total, for items and for executions, whenever one looks.

        Results that become the state's output count as written when the run has ended (seen on the service).
        """
        wait = asyncio.Event()
        seen = []

        def answer(child: Child) -> Json:
            seen.append(run.counts())
            return 1

        run = new_run(map_spec(list(range(100)), batcher=BatcherSpec(10, None)), Children(answer, wait=wait))
        at_first = run.counts()
        wait.set()

        await run.run()

        assert (at_first.items.pending, at_first.executions.pending) == (100, 10)
        for counts in seen:
            for part in (counts.items, counts.executions):
                assert part.pending + part.running + part.succeeded == part.total
                assert part.results_written == 0
            assert (counts.items.total, counts.executions.total) == (100, 10)
        end = run.counts()
        assert (end.items.succeeded, end.items.results_written, end.items.pending) == (100, 100, 0)
        assert end.executions.as_api() == {
            "pending": 0,
            "running": 0,
            "succeeded": 10,
            "failed": 0,
            "timedOut": 0,
            "aborted": 0,
            "total": 10,
            "resultsWritten": 10,
            "failuresNotRedrivable": 0,
            "pendingRedrive": 0,
        }
