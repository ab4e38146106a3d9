"""A result by key: merging, cutting into parts, and parts of an earlier run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.runs.folder import RunFolder
from mapfold.runs.grouped import SLOTS, slot_of, write_grouped
from mapfold.runs.grouping import Grouping
from mapfold.runs.outcome import read_outcome
from mapfold.runs.parts import Parts, PartSizes, PartTooLarge, PartTooSlow, fold_part_group, fold_parts_or_split
from tests.unit.tasks.conftest import World
from tests.unit.tasks.test_grouping import counting, records

ONE_ACCOUNT = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SMALL = PartSizes(merge_objects=3, merge_bytes=400, part_bytes=150, direct_bytes=0)


@pytest.fixture
def parts(world: World) -> Parts:
    return Parts(counting(), world.s3, world.folder)


def batch(parts: Parts, words: list[str], first: int = 0) -> dict[str, Any]:
    """What `work` answers for a batch of these records."""
    with Grouping(parts.job) as grouping:
        grouping.absorb(grouping.of_item(records(words)))
        key = parts.folder.grouped(first, first)
        made = write_grouped(parts.s3, parts.folder.bucket, key, grouping.lines())
    return {"partial": made.as_partial(), "items": 1, "failed": 0}


def fold(world: World, parts: Parts, outputs: list[dict[str, Any]], previous: str | None = None) -> dict[str, Any]:
    """What the states Fold, Folded? and FoldGroups do; gives the last answer."""
    where = world.write_outcome(outputs)
    answer: dict[str, Any] = {"level": 0}
    while True:
        outcome = read_outcome(world.s3, where["bucket"], where["key"])
        answer = fold_parts_or_split(parts, outcome, level=answer["level"], previous=previous)
        if answer["done"] or answer["level"] > 20:  # it would never end
            return answer
        groups = world.lines(answer["key"])
        where = world.write_outcome([fold_part_group(parts, group, level=answer["level"]) for group in groups])


def result(world: World, folder: RunFolder) -> list[list[dict[str, Any]]]:
    """The records of every part, in the order of the index."""
    index = json.loads(world.s3.get_object(Bucket=folder.bucket, Key=folder.index)["Body"].read())
    keys = [part["uri"].removeprefix(f"s3://{folder.bucket}/") for part in index["parts"] if part["uri"]]
    return [world.lines(key) for key in keys]


def counted(found: list[list[dict[str, Any]]]) -> dict[str, int]:
    lines = [line for part in found for line in part]
    assert len({line["key"] for line in lines}) == len(lines), "a key is in the result twice"
    return {line["key"]: line["value"]["times"] for line in lines}


class TestParts:
    @ONE_ACCOUNT
    @given(batches=st.lists(st.lists(st.text(max_size=2), max_size=20), min_size=1, max_size=12))
    def test_every_key_has_one_record_however_objects_are_merged_and_cut(
        self, world: World, parts: Parts, batches: list[list[str]]
    ) -> None:
        """Levels of merging and the cut into parts lose no record and count none twice."""
        few = replace(parts, sizes=SMALL)

        answer = fold(world, few, [batch(parts, words, n) for n, words in enumerate(batches)])

        expected = Counter(word for words in batches for word in words)
        assert counted(result(world, parts.folder)) == expected
        assert (answer["items"], answer["failed"]) == (len(batches), 0)
        assert answer["partial"]["records"] == len(expected)

    def test_a_part_holds_the_keys_of_its_slots_sorted(self, world: World, parts: Parts) -> None:
        """Sorted by the key itself, not by how JSON writes it; together they hold every slot once."""
        words = [f"{n}é" for n in range(100)] + [f'"{n}' for n in range(100)]

        fold(world, replace(parts, sizes=replace(SMALL, part_bytes=2000)), [batch(parts, words)])

        index = json.loads(world.s3.get_object(Bucket="mapfold-runs", Key=parts.folder.index)["Body"].read())
        found = result(world, parts.folder)
        assert len(found) > 3
        for part, lines in zip(index["parts"], found, strict=True):
            keys = [line["key"] for line in lines]
            assert keys == sorted(keys)
            assert {slot_of(key) for key in keys} <= set(range(*part["slots"]))
            assert part["bytes"] == sum(len(json.dumps(line, separators=(",", ":"))) + 1 for line in lines)
        assert [0, *(part["slots"][1] for part in index["parts"])] == [
            *(part["slots"][0] for part in index["parts"]),
            SLOTS,
        ]

    def test_a_small_result_is_one_part_made_at_once(self, world: World, parts: Parts) -> None:
        """Without a map run over groups: most results are small."""
        where = world.write_outcome([batch(parts, ["a", "b"]), batch(parts, ["b"], 1)])

        answer = fold_parts_or_split(parts, read_outcome(world.s3, where["bucket"], where["key"]), level=0)

        assert answer["done"]
        assert counted(result(world, parts.folder)) == {"a": 1, "b": 2}

    def test_items_that_gave_no_record_count_all_the_same(self, world: World, parts: Parts) -> None:
        """They succeeded; the result is one part without a file."""
        answer = fold(world, parts, [batch(parts, []), {"partial": None, "items": 2, "failed": 2}])

        assert (answer["items"], answer["failed"], answer["partial"]["records"]) == (3, 2, 0)
        assert result(world, parts.folder) == []

    def test_many_objects_are_merged_level_by_level(self, world: World, parts: Parts) -> None:
        """As many as one worker may open: levels grow as the logarithm, and each reads and writes everything once."""
        sizes = replace(SMALL, merge_objects=4, merge_bytes=1_000_000)

        levels = [
            fold(world, replace(parts, sizes=sizes), [batch(parts, ["a"], n) for n in range(count)])["level"]
            for count in (4, 16, 64)
        ]

        assert levels == [1, 2, 3]  # the last of each makes the parts
        assert counted(result(world, parts.folder)) == {"a": 64}

    def test_a_merge_that_runs_low_on_time_leaves_the_fold_to_a_later_level(self, world: World, parts: Parts) -> None:
        """Records of one key then lie beside each other; what was read is written all the same."""
        left = iter([100.0, *([90.0] * 3), *([10.0] * 1000)])
        late = replace(parts, sizes=SMALL, seconds_left=lambda: next(left, 100.0))
        words = [f"{n}" for n in range(20)]

        fold(world, late, [batch(parts, words, n) for n in range(4)])

        assert counted(result(world, parts.folder)) == dict.fromkeys(words, 4)

    def test_failed_items_are_listed_once(self, world: World, parts: Parts) -> None:
        """By Fold itself, which reads all outputs at its first level."""
        outputs = [{**batch(parts, ["a"], n), "failures": parts.folder.failed(n, n + 1)} for n in range(9)]

        fold(world, replace(parts, sizes=SMALL), outputs)

        (key,) = [key for key in world.run_keys() if key.startswith(parts.folder.failed_lists_prefix)]
        body = world.s3.get_object(Bucket="mapfold-runs", Key=key)["Body"].read().decode()
        assert body.split() == [parts.folder.failed(n, n + 1) for n in range(9)]


class TestRetries:
    @pytest.mark.parametrize("sizes", [SMALL, PartSizes()])
    def test_an_earlier_result_is_folded_in_part_by_part(self, world: World, parts: Parts, sizes: PartSizes) -> None:
        """The new parts have the slots of the earlier ones, and the new result is whole: any number in a row."""
        words = [f"{n}" for n in range(60)]
        folders = [RunFolder("mapfold-runs", name) for name in ("first", "second", "third")]
        first, second, third = (replace(parts, folder=folder, sizes=sizes) for folder in folders)
        fold(world, first, [batch(first, words)])

        fold(world, second, [batch(second, [*words[:10], "new"])], previous=folders[0].index)
        fold(world, third, [batch(third, ["new"])], previous=folders[1].index)

        expected = Counter([*words, *words[:10], "new", "new"])
        assert counted(result(world, folders[2])) == expected
        bounds = [
            [part["slots"] for part in json.loads(body)["parts"]]
            for body in (
                world.s3.get_object(Bucket="mapfold-runs", Key=folder.index)["Body"].read() for folder in folders
            )
        ]
        assert bounds[0] == bounds[1] == bounds[2]

    def test_a_retry_that_gives_nothing_keeps_the_earlier_result(self, world: World, parts: Parts) -> None:
        """All of its items failed again."""
        second = replace(parts, folder=RunFolder("mapfold-runs", "second"), sizes=SMALL)
        fold(world, replace(parts, sizes=SMALL), [batch(parts, ["a", "b"])])

        fold(world, second, [{"partial": None, "items": 1, "failed": 1}], previous=parts.folder.index)

        assert counted(result(world, second.folder)) == {"a": 1, "b": 1}


class TestWhatDoesNotFit:
    def test_a_part_that_cannot_fit_is_told_before_any_is_made(self, world: World, parts: Parts) -> None:
        """The keys of one object are distinct, so none of its bytes is folded away; the message says the way out."""
        where = world.write_outcome([batch(parts, [str(n) for n in range(50)])])
        small = replace(parts, sizes=replace(SMALL, part_bytes=10_000), tmp_bytes=lambda: 500)

        with pytest.raises(PartTooLarge, match=r"part 0 .* /tmp has 500 bytes free.*smaller records") as raised:
            fold_parts_or_split(small, read_outcome(world.s3, where["bucket"], where["key"]), level=0)

        assert raised.value.needed > 500
        assert not [key for key in world.run_keys() if "/result/" in key]

    def test_what_may_be_folded_away_is_tried(self, world: World, parts: Parts) -> None:
        """Ten batches of the same keys are ten times what is sorted: only what is certain is refused."""
        words = [str(n) for n in range(50)]
        most = batch(parts, words)["partial"]["bytes"]
        tried = replace(parts, sizes=replace(SMALL, merge_objects=20, part_bytes=10**6), tmp_bytes=lambda: most)

        fold(world, tried, [batch(parts, words, n) for n in range(10)])

        assert counted(result(world, parts.folder)) == dict.fromkeys(words, 10)

    def test_a_part_that_runs_out_of_time_says_so(self, world: World, parts: Parts) -> None:
        """Before Lambda ends it without a word: how far it came, and what makes it faster."""
        left = iter([900.0, 900.0, 10.0])
        where = world.write_outcome([batch(parts, ["a", "b", "c"])])

        with pytest.raises(PartTooSlow, match=r"with 1 keys done.*faster") as raised:
            fold_parts_or_split(
                replace(parts, seconds_left=lambda: next(left)),
                read_outcome(world.s3, where["bucket"], where["key"]),
                level=0,
            )

        assert raised.value.keys == 1
