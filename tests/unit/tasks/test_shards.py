"""An ordered result: batches to shards, in the order of the source."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.job import Job
from mapfold.runs.folder import RunFolder
from mapfold.runs.outcome import read_outcome
from mapfold.runs.shards import Shards, ShardSizes, fold_shard_group, fold_shards_or_split
from mapfold.runs.sorting import SortedLines
from mapfold.runs.values import index_of, value_line, write_values
from mapfold.sources import JsonLines
from tests.unit.tasks.conftest import World

ONE_ACCOUNT = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SMALL = ShardSizes(shard_bytes=200, shard_objects=4, direct_bytes=0)
JOB = Job("values", source=JsonLines())


@pytest.fixture
def shards(world: World) -> Shards:
    return Shards(world.s3, world.folder)


def batch(shards: Shards, values: dict[int, Any]) -> dict[str, Any]:
    """What `work` answers for a batch of items with these values."""
    key = shards.folder.values(min(values), max(values))
    with SortedLines[int](index_of) as lines:
        for index, value in values.items():
            lines.add(index, value_line(JOB, index, value))
        made = write_values(shards.s3, shards.folder.bucket, key, lines)
    return {"partial": made.as_partial(), "items": len(values), "failed": 0}


def squares(*indexes: int) -> dict[int, int]:
    return {index: index * index for index in indexes}


def fold(world: World, shards: Shards, outputs: list[dict[str, Any]], previous: str | None = None) -> dict[str, Any]:
    """What the states Fold, Folded? and FoldGroups do; gives the last answer. Groups end in any order."""
    where = world.write_outcome(outputs)
    answer: dict[str, Any] = {"level": 0}
    while True:
        outcome = read_outcome(world.s3, where["bucket"], where["key"])
        answer = fold_shards_or_split(shards, outcome, level=answer["level"], previous=previous)
        if answer["done"]:
            return answer
        assert answer["level"] == 1
        groups = world.lines(answer["key"])
        where = world.write_outcome([fold_shard_group(shards, group) for group in reversed(groups)])


def index_of_result(world: World, folder: RunFolder) -> dict[str, Any]:
    return json.loads(world.s3.get_object(Bucket=folder.bucket, Key=folder.index)["Body"].read())  # type: ignore[no-any-return]


def result(world: World, folder: RunFolder) -> list[tuple[int, Any]]:
    """All lines of all shards in the order of the index, each checked against its shard's entry."""
    lines = []
    for shard in index_of_result(world, folder)["shards"]:
        found = world.lines(shard["uri"].removeprefix(f"s3://{folder.bucket}/"))
        assert (shard["first"], shard["last"]) == (found[0]["index"], found[-1]["index"])
        assert shard["lines"] == len(found)
        lines += found
    return [(line["index"], line["value"]) for line in lines]


class TestOrder:
    @ONE_ACCOUNT
    @given(
        indexes=st.lists(st.integers(0, 200), unique=True, min_size=1, max_size=60),
        cuts=st.lists(st.integers(0, 7), min_size=60, max_size=60),
    )
    def test_values_stand_in_the_order_of_the_source_whatever_the_batches(
        self, world: World, shards: Shards, indexes: list[int], cuts: list[int]
    ) -> None:
        """Batches that overlap in any way, in any order: every index once, and in order."""
        batches: dict[int, dict[int, int]] = {}
        for index, of in zip(indexes, cuts, strict=False):
            batches.setdefault(of, {}).update(squares(index))

        answer = fold(world, replace(shards, sizes=SMALL), [batch(shards, values) for values in batches.values()])

        assert result(world, shards.folder) == [(index, index * index) for index in sorted(indexes)]
        assert (answer["items"], answer["partial"]["lines"]) == (len(indexes), len(indexes))

    def test_a_batch_that_was_split_stands_where_it_stood(self, world: World, shards: Shards) -> None:
        """Batches end out of order; of the one from 10 on, item 12 killed its worker, and the pieces came much later."""
        outputs = [
            batch(shards, squares(*range(20, 30))),
            batch(shards, squares(*range(10))),
            batch(shards, squares(*range(30, 40))),
            batch(shards, squares(13, 14)),
            batch(shards, squares(*range(15, 20))),
            batch(shards, squares(10, 11)),
        ]

        fold(world, replace(shards, sizes=SMALL), outputs)

        assert [index for index, _ in result(world, shards.folder)] == [n for n in range(40) if n != 12]
        assert len(index_of_result(world, shards.folder)["shards"]) > 2

    def test_a_small_result_is_one_shard_written_at_once(self, world: World, shards: Shards) -> None:
        """Without a map run over groups."""
        where = world.write_outcome([batch(shards, squares(2, 3)), batch(shards, squares(0, 1))])

        answer = fold_shards_or_split(shards, read_outcome(world.s3, where["bucket"], where["key"]), level=0)

        assert answer["done"]
        assert result(world, shards.folder) == [(0, 0), (1, 1), (2, 4), (3, 9)]
        assert index_of_result(world, shards.folder)["lines"] == 4

    def test_shards_are_cut_by_bytes_and_by_objects(self, world: World, shards: Shards) -> None:
        """Each object costs a request, so a shard of many small ones is cut before it is full."""
        outputs = [batch(shards, squares(n)) for n in range(10)]

        fold(world, replace(shards, sizes=replace(SMALL, shard_bytes=10_000)), outputs)

        assert [shard["lines"] for shard in index_of_result(world, shards.folder)["shards"]] == [4, 4, 2]

    def test_a_run_of_which_no_item_succeeded_has_an_empty_index(self, world: World, shards: Shards) -> None:
        """It is JSON all the same."""
        fold(world, shards, [{"partial": None, "items": 2, "failed": 2}])

        assert index_of_result(world, shards.folder) == {"kind": "shards", "shards": [], "lines": 0, "bytes": 0}


class TestRetries:
    @pytest.mark.parametrize("sizes", [SMALL, ShardSizes()])
    def test_new_values_go_among_the_earlier_ones(self, world: World, shards: Shards, sizes: ShardSizes) -> None:
        """One batch of items from all over the source does not make one shard of everything."""
        second = replace(shards, folder=RunFolder("mapfold-runs", "second"), sizes=sizes)
        third = replace(shards, folder=RunFolder("mapfold-runs", "third"), sizes=sizes)
        outputs = [batch(shards, squares(*(n for n in range(i, i + 10) if n % 7))) for i in range(0, 100, 10)]
        fold(world, replace(shards, sizes=sizes), outputs)

        fold(world, second, [batch(second, squares(*range(0, 100, 14)))], previous=shards.folder.index)
        fold(world, third, [batch(third, squares(*range(7, 100, 14)))], previous=second.folder.index)

        assert result(world, third.folder) == [(n, n * n) for n in range(100)]
        if sizes is SMALL:
            assert len(index_of_result(world, third.folder)["shards"]) > 5

    def test_of_an_item_in_both_the_new_value_counts(self, world: World, shards: Shards) -> None:
        """Nothing is in a result twice."""
        second = replace(shards, folder=RunFolder("mapfold-runs", "second"))
        fold(world, shards, [batch(shards, squares(0, 1, 2))])

        fold(world, second, [batch(second, {1: "new"})], previous=shards.folder.index)

        assert result(world, second.folder) == [(0, 0), (1, "new"), (2, 4)]
