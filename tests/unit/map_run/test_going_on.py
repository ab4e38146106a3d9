"""A map run that is killed goes on, and one that failed is redriven: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run import Tolerance
from mapfold.local.store import ChildRow
from mapfold.states.effects import BatcherSpec, ReaderSpec, RunMap, TaskFailed, TaskSucceeded, WriterSpec
from tests.unit.map_run.fakes import FakeS3, map_spec, refusal
from tests.unit.map_run.lives import Lives, input_items, items_of

TO_S3 = WriterSpec("out", "runs", "JSONL", "COMPACT")
LINES = ReaderSpec("s3:getObject", {"InputType": "JSONL"}, {"Bucket": "in", "Key": "lines"})


def lines(count: int) -> FakeS3:
    """An S3 with one JSON Lines object of the numbers from 0."""
    return FakeS3({("in", "lines"): "".join(f"{number}\n" for number in range(count)).encode()})


def spec_of(count: int, *, reads: bool, batch: int | None, writes: bool, **more: Any) -> RunMap:
    return map_spec(
        None if reads else list(range(count)),
        reader=LINES if reads else None,
        batcher=BatcherSpec(batch, None) if batch else None,
        writer=TO_S3 if writes else None,
        **more,
    )


kills = st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1), st.integers(1, 9)), max_size=5)
shapes = st.fixed_dictionaries(
    {
        "count": st.integers(0, 45),
        "reads": st.booleans(),
        "batch": st.none() | st.integers(1, 5),
        "writes": st.booleans(),
        "child_type": st.sampled_from(["STANDARD", "EXPRESS"]),
        "max_concurrency": st.integers(0, 7),
    }
)


def results(lives: Lives, answer: TaskSucceeded | TaskFailed | None) -> tuple[list[Any], list[Any]]:
    """The items of outputs, and of the inputs of records of failures, in what a run that succeeded gave."""
    assert isinstance(answer, TaskSucceeded), answer
    if lives.spec.writer is not None:
        good, bad = lives.values("SUCCEEDED"), lives.values("FAILED")
        assert lives.values("PENDING") == []
    else:
        good = [value for value in answer.output if not (isinstance(value, dict) and "Status" in value)]
        bad = [value for value in answer.output if isinstance(value, dict) and "Status" in value]
    return sorted(item for value in good for item in items_of(value)), sorted(input_items(bad))


class TestKilled:
    @given(shape=shapes, kills=kills, failing=st.sets(st.integers(0, 45), max_size=8))
    async def test_a_run_killed_at_any_moments_ends_like_one_that_never_was(
        self, shape: dict[str, Any], kills: list[tuple[int, float, int]], failing: set[int]
    ) -> None:
        """
        Whatever was on disk when it was killed: every item is in the results once, no child that had a row is begun
        again, counters and files are those of an undisturbed run, and no half upload is left.
        """
        count, batch = shape["count"], shape["batch"] or 1
        lives = Lives(spec_of(**shape, tolerated_percentage=100.0), lines(count), fails=lambda index: index in failing)

        answer = None
        for turns, kept, saves in kills:
            answer = await lives.live(kill_after=turns, kept=kept, saves=saves)
            if answer is not None:
                break
        answer = answer or await lives.live()

        sizes = {
            index: len(range(index * batch, min(count, (index + 1) * batch))) for index in range(-(-count // batch))
        }
        failed = sorted(
            item for index in failing & sizes.keys() for item in range(index * batch, index * batch + sizes[index])
        )
        good, bad = results(lives, answer)
        assert good == [item for item in range(count) if item not in failed]
        assert bad == failed
        counts = lives.run.counts()  # type: ignore[union-attr]
        assert (counts.items.total, counts.items.succeeded, counts.items.failed) == (count, len(good), len(bad))
        assert (counts.executions.total, counts.executions.failed) == (len(sizes), len(failing & sizes.keys()))
        assert (counts.items.pending, counts.items.running, counts.items.results_written) == (0, 0, count)
        assert lives.disk.ended.keys() == sizes.keys()
        assert lives.disk.row.all_started
        assert not lives.s3.uploads

    async def test_items_are_not_read_again_when_every_child_that_is_left_has_a_snapshot(self) -> None:
        """The source may be gone by then."""
        s3 = lines(20)
        lives = Lives(spec_of(20, reads=True, batch=None, writes=True), s3, turns=lambda index: 40_000)

        await lives.live(kill_after=20_000)
        del s3.objects["in", "lines"]
        answer = await lives.live()

        assert results(lives, answer)[0] == list(range(20))

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"0\n1\n2\n", "they end before child execution"),
            (b"0\n7\n2\n3\n4\n5\n6\n7\n8\n9\n", "the input of child execution 1 was 1, it would be 7 now"),
        ],
    )
    async def test_items_that_have_changed_fail_the_run(self, data: bytes, problem: str) -> None:
        """By their number or by what they are, where the object's ETag does not tell (a listing, say)."""
        s3 = lines(10)
        lives = Lives(spec_of(10, reads=True, batch=None, writes=True, max_concurrency=2), s3)
        await lives.live(kill_after=60, saves=1)
        lives.disk.ended = {index: row for index, row in lives.disk.ended.items() if index != 8} | {
            9: ChildRow(1, 9, "SUCCEEDED", 1000.0, 1001.0, 1, "9", "9")
        }
        lives.disk.row = replace(lives.disk.row, all_started=False, status="RUNNING")
        s3.objects["in", "lines"] = data

        answer = await lives.live()

        assert isinstance(answer, TaskFailed)
        assert answer.error == "States.ItemReaderFailed"
        assert problem in (answer.cause or "")
        assert "Start a new execution" in (answer.cause or "")

    async def test_another_version_of_the_object_is_not_read(self) -> None:
        """The ETag is demanded once a child has begun."""
        s3 = lines(50)
        spec = spec_of(50, reads=True, batch=None, writes=True, max_concurrency=2)
        lives = Lives(spec, s3, turns=lambda index: 40_000)
        await lives.live(kill_after=20_000)
        s3.etags["in", "lines"] = '"other"'

        answer = await lives.live()

        assert isinstance(answer, TaskFailed)
        assert "has changed since the run began" in (answer.cause or "")

    @pytest.mark.parametrize(("etag", "fails"), [('"e"', False), ('"other"', True)])
    async def test_an_object_of_a_listing_may_have_another_date(self, etag: str, fails: bool) -> None:
        """One that was put back as it was is the same item; one with other bytes is not."""
        s3 = FakeS3({("in", f"p/{number}"): b"" for number in range(10)})
        listing = ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "in", "Prefix": "p/"})
        lives = Lives(
            map_spec(reader=listing, writer=TO_S3, max_concurrency=2), s3, turns=lambda index: 40_000 * (index > 3)
        )
        await lives.live(kill_after=20_000)
        lives.disk.row = replace(lives.disk.row, all_started=False)  # however far it came: the items are read again
        for index, row in lives.disk.ended.items():
            text = (row.input or "").replace("17673", "16673")  # the date
            text = text.replace('\\"e\\"', etag.replace('"', '\\"'))
            assert text != row.input
            lives.disk.ended[index] = replace(row, input=text)

        answer = await lives.live()

        assert lives.disk.ended
        assert isinstance(answer, TaskFailed) == fails

    async def test_a_run_that_failed_unheard_may_go_on_to_its_end(self) -> None:
        """
        The reader broke off, results were written, and the engine was killed before the execution heard of it: now the
        reader gets through, children that were aborted run again, and the files have everything once.
        """
        s3 = lines(3000)
        whole = s3.objects["in", "lines"]
        s3.objects["in", "lines"] = whole[:10_000] + b"?"
        lives = Lives(spec_of(3000, reads=True, batch=None, writes=True), s3, turns=lambda index: 50 * (index % 2))
        lives.file_bytes = lives.part_bytes = 1_000_000

        failed = await lives.live(kill_after=100_000, kept=0.5)
        row = lives.disk.row
        s3.objects["in", "lines"] = whole
        answer = await lives.live()

        assert (failed, row.status) == (None, "FAILED")
        assert row.result_files
        assert results(lives, answer) == (list(range(3000)), [])


class TestRedriven:
    @given(
        shape=shapes,
        kills=kills,
        failing=st.lists(st.sets(st.integers(0, 45), max_size=8), min_size=1, max_size=3),
        tolerated=st.none() | st.integers(0, 4),
    )
    async def test_a_redrive_runs_again_what_did_not_succeed_and_nothing_else(
        self,
        shape: dict[str, Any],
        kills: list[tuple[int, float, int]],
        failing: list[set[int]],
        tolerated: int | None,
    ) -> None:
        """
        Attempt after attempt fails with other children, is killed in between, and the last one succeeds: the results
        of all attempts are complete, none is there twice, and what succeeded once never began again.
        """
        count = shape["count"]
        lives = Lives(spec_of(**shape, tolerated_count=tolerated), lines(count))
        moments = iter(kills)
        succeeded: set[int] = set()

        for attempt in [*failing, set()]:
            lives.fails = attempt.__contains__
            lives.begun.clear()
            answer = None
            while answer is None:
                turns, kept, saves = next(moments, (None, 1.0, 3))
                answer = await lives.live(kill_after=turns, kept=kept, saves=saves)
            assert not succeeded & lives.begun.keys()
            now = lives.disk.row.redrive_count
            failed = [row for row in lives.disk.ended.values() if (row.status, row.attempt) == ("FAILED", now)]
            too_many = Tolerance(tolerated).is_exceeded(failed=sum(row.item_count for row in failed), total=None)
            assert isinstance(answer, TaskFailed) == too_many
            succeeded = {row.index for row in lives.disk.ended.values() if row.status == "SUCCEEDED"}
            counts = lives.run.counts()  # type: ignore[union-attr]
            assert (counts.executions.pending_redrive, counts.executions.running) == (0, 0)
            assert counts.executions.succeeded == len(succeeded)
            if isinstance(answer, TaskSucceeded):
                break
            lives.redrive()

        good, bad = results(lives, answer)
        assert sorted(good + bad) == list(range(count))
        assert counts.items.results_written == count
        assert all(row.redrive_count <= lives.disk.row.redrive_count for row in lives.disk.ended.values())
        assert not lives.s3.uploads

    async def test_results_that_s3_refused_are_written_by_the_redrive(self) -> None:
        """Nothing is lost and no child runs again: their results are rows."""
        s3 = lines(30)
        lives = Lives(spec_of(30, reads=True, batch=None, writes=True), s3, part_bytes=10_000)
        s3.refuse_writes = refusal("SlowDown", "Reduce your request rate")

        failed = await lives.live()
        s3.refuse_writes = None
        lives.redrive()
        lives.begun.clear()
        answer = await lives.live()

        assert isinstance(failed, TaskFailed)
        assert failed.error == "States.ResultWriterFailed"
        assert not lives.begun
        assert results(lives, answer) == (list(range(30)), [])
        assert [file["Key"].split("/")[2] for file in lives.manifest()["ResultFiles"]["SUCCEEDED"]] == ["Redrive-1"]

    async def test_a_redrive_has_a_folder_and_a_manifest_of_its_own(self) -> None:
        """It names the SUCCEEDED files of all attempts, and the FAILED ones of its own only."""
        lives = Lives(
            spec_of(6, reads=False, batch=None, writes=True, max_concurrency=1), FakeS3(), fails={3}.__contains__
        )

        await lives.live()
        first = lives.manifest()["ResultFiles"]
        lives.fails = lambda index: False
        lives.redrive()
        answer = await lives.live()

        files = lives.manifest()["ResultFiles"]
        assert len(first["FAILED"]) == len(first["PENDING"]) == 1
        assert (files["FAILED"], files["PENDING"]) == ([], [])
        assert files["SUCCEEDED"][: len(first["SUCCEEDED"])] == first["SUCCEEDED"]
        assert files["SUCCEEDED"][-1]["Key"].endswith("/Redrive-1/SUCCEEDED_0.jsonl")
        assert isinstance(answer, TaskSucceeded)
        assert answer.output["ResultWriterDetails"]["Key"].endswith("/Redrive-1/manifest.json")

    async def test_children_over_the_concurrency_are_pending_redrive(self) -> None:
        """They are counted there alone, in every life."""
        lives = Lives(
            spec_of(8, reads=False, batch=2, writes=False, tolerated_percentage=100.0, max_concurrency=2),
            FakeS3(),
            fails=lambda index: True,
        )
        await lives.live()
        lives.fails = lambda index: False
        lives.turns = lambda index: 1000
        lives.redrive()

        await lives.live(kill_after=100)
        before = lives.run.counts()  # type: ignore[union-attr]
        lives.spec.max_concurrency = 4
        await lives.live(kill_after=100)
        more = lives.run.counts()  # type: ignore[union-attr]
        answer = await lives.live()

        assert (before.items.pending_redrive, before.items.running, before.items.failed) == (4, 4, 0)
        assert (before.executions.pending_redrive, before.executions.total) == (2, 4)
        assert (more.items.pending_redrive, more.items.running) == (0, 8)
        assert isinstance(answer, TaskSucceeded)
        assert lives.run.counts().items.succeeded == 8  # type: ignore[union-attr]

    async def test_what_cannot_be_redriven_stays_failed_and_counts(self) -> None:
        """A child that ended more than 14 days ago is one of failuresNotRedrivable, and against the tolerance."""
        lives = Lives(
            spec_of(4, reads=False, batch=None, writes=False, tolerated_count=1), FakeS3(), fails={1}.__contains__
        )
        await lives.live()
        lives.disk.ended[1] = replace(lives.disk.ended[1], stop=1000.0 - 15 * 24 * 3600)
        lives.redrive()
        lives.begun.clear()

        answer = await lives.live()

        assert isinstance(answer, TaskSucceeded)
        assert not lives.begun
        counts = lives.run.counts().items  # type: ignore[union-attr]
        assert (counts.failed, counts.failures_not_redrivable, counts.pending_redrive) == (1, 1, 0)
        record = answer.output[1]
        assert (record["Status"], record["RedriveStatus"]) == ("FAILED", "NOT_REDRIVABLE")
        assert record["RedriveStatusReason"] == "Execution redrivable period exceeded"

    async def test_an_express_child_can_be_redriven_however_old_it_is(self) -> None:
        """The 14 days are for STANDARD ones (Redriving Map Runs)."""
        lives = Lives(
            spec_of(2, reads=False, batch=None, writes=False, child_type="EXPRESS"), FakeS3(), fails={1}.__contains__
        )
        await lives.live()
        lives.disk.ended[1] = replace(lives.disk.ended[1], stop=1000.0 - 15 * 24 * 3600)
        lives.redrive()
        lives.fails = lambda index: False

        answer = await lives.live()

        assert isinstance(answer, TaskSucceeded)
        assert answer.output == [0, 1]

    @pytest.mark.parametrize("batch", [None, 2])
    async def test_a_redrive_that_is_stopped_counts_each_child_once(self, batch: int | None) -> None:
        """One cannot be redriven, one runs and is aborted, one still waits and is what it was."""
        lives = Lives(
            spec_of(4 * (batch or 1), reads=False, batch=batch, writes=False, max_concurrency=1, tolerated_count=99),
            FakeS3(), fails={0, 1, 2}.__contains__, turns=lambda index: 5,
        )  # fmt: skip
        await lives.live()
        lives.disk.ended[0] = replace(lives.disk.ended[0], stop=1000.0 - 15 * 24 * 3600)
        lives.redrive()
        redrive = asyncio.create_task(lives.live())
        while lives.run is None or lives.run.counts().executions.pending_redrive != 1:  # noqa: ASYNC110
            await asyncio.sleep(0)

        lives.run.stop()
        await redrive

        counts = lives.run.counts()
        seen = [(one.succeeded, one.failed, one.aborted, one.total) for one in (counts.executions, counts.items)]
        assert seen == [(1, 2, 1, 4), tuple((batch or 1) * count for count in (1, 2, 1, 4))]
        assert counts.executions.failures_not_redrivable == 1
