"""Folding in levels, and the byte ranges that it is cut into."""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.runs.fold import FoldSizes, fold_groups, fold_or_split
from mapfold.runs.objects import LineWriter, read_lines
from mapfold.runs.outcome import ResultFile, read_outcome
from mapfold.runs.outputs import Group, cut, whole
from mapfold.runs.partials import INLINE_BYTES, Partials
from mapfold.runs.work import BatchFailed
from tasks._worker import worker
from tests.unit.tasks.conftest import World

ONE_ACCOUNT = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def output(words: int, *, items: int = 1, failed: int = 0) -> dict[str, Any]:
    """What `work` answers for a batch."""
    partial = {"words": words, "by_length": {str(words % 5): words}, "share": 0.0}
    return {"partial": partial, "items": items, "failed": failed}


def fold_in_levels(world: World, outputs: list[dict[str, Any]], sizes: FoldSizes) -> tuple[dict[str, Any], int]:
    """What the states Fold, Folded? and FoldGroups do; gives the last answer and the number of levels."""
    partials = worker().partials(world.run_id)
    where = world.write_outcome(outputs)
    answer: dict[str, Any] = {"level": 0}
    while True:
        outcome = read_outcome(world.s3, where["bucket"], where["key"])
        answer = fold_or_split(partials, outcome, level=answer["level"], sizes=sizes)
        if answer["done"] or answer["level"] > 20:  # it would never end
            return answer, answer["level"]
        groups = [Group(**line) for line in world.lines(answer["key"])]
        stage = f"group-{answer['level']}"
        folded = [fold_groups(partials, [group], stage=stage, number=group.number) for group in groups]
        where = world.write_outcome([group.as_output() for group in folded])


class TestFoldLevels:
    @ONE_ACCOUNT
    @given(
        words=st.lists(st.integers(0, 1000), min_size=1, max_size=60),
        group_bytes=st.integers(120, 2000),
    )
    def test_the_fold_of_any_split_is_the_fold_of_all(self, world: World, words: list[int], group_bytes: int) -> None:
        """However the outputs are cut into groups, none is lost and none is folded twice."""
        sizes = FoldSizes(direct_bytes=max(200, group_bytes), group_bytes=max(200, group_bytes))

        answer, _ = fold_in_levels(world, [output(n) for n in words], sizes)

        assert (answer["items"], answer["failed"]) == (len(words), 0)
        assert answer["partial"]["words"] == sum(words)
        assert sum(answer["partial"]["by_length"].values()) == sum(words)

    def test_many_outputs_take_more_than_one_level(self, world: World) -> None:
        """And batches of which every item failed add to the counts, not to the partial."""
        outputs = [output(n) for n in range(200)] + [{"partial": None, "items": 3, "failed": 3}]

        answer, levels = fold_in_levels(world, outputs, FoldSizes(direct_bytes=2000, group_bytes=1000))

        assert levels > 1
        assert (answer["partial"]["words"], answer["items"], answer["failed"]) == (sum(range(200)), 203, 3)

    def test_failed_items_are_listed_by_the_group_that_reads_their_batch(self, world: World) -> None:
        """Finish reads the lists: no payload holds the keys of all failed batches."""
        outputs = [{**output(n, items=2, failed=1), "failures": world.folder.failed(n, n + 1)} for n in range(20)]

        fold_in_levels(world, outputs, FoldSizes(direct_bytes=500, group_bytes=500))

        listed = [key for key in world.run_keys() if key.startswith(world.folder.failed_lists_prefix)]
        found = [line.decode() for key in listed for line in read_lines(world.s3, "mapfold-runs", key)]
        assert len(listed) > 1
        assert sorted(found) == [world.folder.failed(n, n + 1) for n in range(20)]

    def test_partials_in_s3_count_by_number(self, world: World) -> None:
        """An output that is only a key is short, but costs a request: 500 of them are a group."""
        partials = worker().partials(world.run_id)
        partial = {"words": 1, "by_length": {str(n): 1 for n in range(40_000)}, "share": 0.0}
        packed = partials.pack(worker_lengths(partials, partial), function="fold", stage="map", number=7)
        outputs = [{"partial": packed, "items": 1, "failed": 0}] * 5

        answer, levels = fold_in_levels(world, outputs, FoldSizes(referenced_partials=2))

        assert re.fullmatch(r"runs/words-1/partials/map/000000000007-[0-9a-f]{16}\.json", packed["$s3"])
        assert levels > 0
        assert partials.unpack(answer["partial"]).words == 5

    def test_partials_of_which_only_the_first_is_in_s3_are_folded_too(self, world: World) -> None:
        """Groups are cut for references, and each holds one partial that is none: the levels must end all the same."""
        partials = worker().partials(world.run_id)
        large = {"words": 1, "by_length": {str(n): 1 for n in range(40_000)}, "share": 0.0}
        packed = partials.pack(worker_lengths(partials, large), function="fold", stage="map", number=7)
        small = {"words": 1, "by_length": {str(n): 1 for n in range(1000)}, "share": 0.0}
        outputs = [{"partial": partial, "items": 1, "failed": 0} for partial in (packed, *[small] * 6)]

        answer, levels = fold_in_levels(world, outputs, FoldSizes(referenced_partials=2))

        assert levels < 10
        assert partials.unpack(answer["partial"]).words == 7

    def test_levels_grow_as_the_logarithm(self, world: World) -> None:
        """A group leaves one output of about the size of the 16 that it read here, so a level leaves a sixteenth."""
        size = len(json.dumps(output(1))) + 1
        sizes = FoldSizes(direct_bytes=16 * size, group_bytes=16 * size)

        levels = [fold_in_levels(world, [output(1)] * count, sizes)[1] for count in (10, 160, 2560)]

        assert levels == [0, 1, 2]

    def test_two_partials_are_in_memory_at_a_time(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was folded so far and what comes next: a third is never made while both are there."""
        partials = worker().partials(world.run_id)
        alive, most = 0, 0

        def followed(partial: Any) -> Any:
            nonlocal alive
            alive += 1
            weakref.finalize(partial, gone)
            return partial

        def gone() -> None:
            nonlocal alive
            alive -= 1

        def unpacked(self: Partials, packed: Any) -> Any:
            nonlocal most
            partial = followed(unpack(self, packed))
            most = max(most, alive)
            return partial

        unpack, fold = Partials.unpack, partials.job.fold_function
        monkeypatch.setattr(Partials, "unpack", unpacked)
        monkeypatch.setitem(partials.job._functions, "fold", lambda a, b: followed(fold(a, b)))
        where = world.write_outcome([output(n) for n in range(50)])

        fold_or_split(partials, read_outcome(world.s3, where["bucket"], where["key"]), level=0)

        assert most == 2


class TestTime:
    """A clock that goes on with every fold: a worker has time for so many calls, and what is left is not lost."""

    @pytest.mark.parametrize("folds_in_time", [1, 2, 7])
    @pytest.mark.parametrize("direct_bytes", [600, 1_000_000])
    def test_what_a_fold_has_no_time_for_is_left_to_the_next_level(
        self, world: World, folds_in_time: int, direct_bytes: int
    ) -> None:
        """Fold itself and a child of FoldGroups alike; nothing is lost, nothing is folded twice."""
        partials = worker().partials(world.run_id)
        where = world.write_outcome(
            [{**output(n, items=2, failed=1), "failures": world.folder.failed(n, n + 1)} for n in range(40)]
        )
        sizes = FoldSizes(direct_bytes=direct_bytes, group_bytes=1500)
        answer: dict[str, Any] = {"level": 0, "done": False}
        while not answer["done"] and answer["level"] < 20:
            outcome = read_outcome(world.s3, where["bucket"], where["key"])
            left = running_low(folds_in_time)
            answer = fold_or_split(partials, outcome, level=answer["level"], sizes=sizes, seconds_left=left)
            if not answer["done"]:
                stage = f"group-{answer['level']}"
                groups = [Group(**line) for line in world.lines(answer["key"])]
                folded = [
                    fold_groups(partials, [g], stage=stage, number=g.number, seconds_left=running_low(folds_in_time))
                    for g in groups
                ]
                level = f"{world.folder.fold_prefix}/{answer['level']}"
                where = world.write_outcome([each.as_output() for each in folded], prefix=level)

        assert answer["done"]
        assert (answer["items"], answer["failed"]) == (80, 40)
        assert answer["partial"]["words"] == sum(range(40))
        listed = [key for key in world.run_keys() if key.startswith(world.folder.failed_lists_prefix)]
        found = [line.decode() for key in listed for line in read_lines(world.s3, "mapfold-runs", key)]
        assert sorted(found) == [world.folder.failed(n, n + 1) for n in range(40)]

    def test_what_is_left_is_cut_by_what_a_worker_managed(self, world: World) -> None:
        """So it is folded in parallel: 20 outputs, of which a worker managed 4, are 8 groups of 2 and what it has."""
        partials = worker().partials(world.run_id)
        where = world.write_outcome([output(1)] * 20)
        outcome = read_outcome(world.s3, where["bucket"], where["key"])

        answer = fold_or_split(partials, outcome, level=0, seconds_left=running_low(3))

        assert not answer["done"]
        groups = world.lines(answer["key"])
        so_far = world.lines(groups[0]["key"])
        assert [each["items"] for each in so_far] == [4]
        assert len(groups) == 1 + 8
        assert [group["number"] for group in groups] == list(range(9))


def running_low(folds: int) -> Callable[[], float]:
    """A clock of 900 seconds that has none left after so many folds. The first look is before them."""
    looks = iter([900.0, *[800.0] * (folds - 1)])
    return lambda: next(looks, 0.0)


def worker_lengths(partials: Partials, value: dict[str, Any]) -> Any:
    """The job's own dataclass."""
    return partials.unpack(value)


class TestPartials:
    def test_a_partial_that_looks_like_a_reference_goes_to_s3(self, world: World) -> None:
        """An author may use any key, also ours."""
        partials = worker().partials(world.run_id)
        tricky = {"$s3": "not ours"}

        packed = partials.pack(tricky, function="fold", stage="map", number=1)

        assert re.fullmatch(r"runs/words-1/partials/map/000000000001-[0-9a-f]{16}\.json", packed["$s3"])
        assert world.lines(packed["$s3"]) == [tricky]

    def test_an_attempt_that_was_given_up_writes_over_nothing(self, world: World) -> None:
        """It may still be alive when another has done its batch, and may have made another partial of it."""
        partials = worker().partials(world.run_id)
        done, late = ({"words": words, "by_length": {"x" * 210_000: 1}, "share": 0.0} for words in (1, 2))
        packed = partials.pack(done, function="fold", stage="map", number=1)

        partials.pack(late, function="fold", stage="map", number=1)

        assert partials.unpack(packed).words == 1

    def test_the_limit_is_measured_as_ascii_json(self, world: World) -> None:
        """A letter outside ASCII may take six bytes on the way, so it is counted as six."""
        partials = worker().partials(world.run_id)
        text = "ü" * (INLINE_BYTES // 6 + 1)

        assert "$s3" in partials.pack(text, function="fold", stage="map", number=2)


class TestRanges:
    @ONE_ACCOUNT
    @given(
        lines=st.lists(st.text(alphabet="abc", min_size=1, max_size=9), max_size=40),
        group_bytes=st.integers(1, 50),
    )
    def test_ranges_that_touch_lose_no_line_and_share_none(
        self, world: World, lines: list[str], group_bytes: int
    ) -> None:
        """A line belongs to the range in which it begins, wherever the cuts fall."""
        body = "".join(f"{line}\n" for line in lines).encode()
        world.s3.put_object(Bucket="mapfold-runs", Key="lines", Body=body)

        groups = cut(whole([ResultFile("mapfold-runs", "lines", len(body))]), group_bytes)
        found = [line for g in groups for line in read_lines(world.s3, g.bucket, g.key, start=g.start, end=g.end)]

        assert [line.decode() for line in found] == lines


class TestLineWriter:
    def test_many_lines_are_sent_in_parts(self, world: World) -> None:
        """Memory holds one part, whatever the number of lines."""
        line = b"x" * 999_999

        with LineWriter(world.s3, "mapfold-runs", "big") as writer:
            for _ in range(17):
                writer.write(line)

        assert world.s3.head_object(Bucket="mapfold-runs", Key="big")["ContentLength"] == 17_000_000
        assert writer.lines == 17

    def test_an_error_leaves_no_object_and_no_upload(self, world: World) -> None:
        """A half-written list would be read as a whole one."""
        try:
            with LineWriter(world.s3, "mapfold-runs", "half") as writer:
                for _ in range(9):
                    writer.write(b"x" * 1_000_000)
                raise BatchFailed(1, "x", "y")
        except BatchFailed:
            pass

        assert world.run_keys() == []
        assert "Uploads" not in world.s3.list_multipart_uploads(Bucket="mapfold-runs")


def test_the_manifest_may_name_files_in_another_bucket(world: World) -> None:
    """DestinationBucket says where the files are; without it they lie beside the manifest."""
    files = {"SUCCEEDED": [{"Key": "a", "Size": 3}]}
    body = json.dumps({"DestinationBucket": "elsewhere", "ResultFiles": files}).encode()
    world.s3.put_object(Bucket="mapfold-runs", Key="manifest.json", Body=body)

    outcome = read_outcome(world.s3, "mapfold-runs", "manifest.json")

    assert outcome.succeeded == (ResultFile("elsewhere", "a", 3),)
    assert outcome.succeeded_bytes == 3
