"""A worker's records by key: folded in memory and in files, and how they lie in S3."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold import Job, JsonLines
from mapfold.errors import JobError
from mapfold.job import load_job
from mapfold.runs.grouped import (
    SLOTS,
    Grouped,
    Piece,
    RecordFold,
    folded_lines,
    merged_lines,
    read_starts,
    slot_of,
    sort_key,
    write_grouped,
)
from mapfold.runs.grouping import Grouping
from tests.unit.tasks.conftest import World

JOBS = Path(__file__).parents[2] / "fixtures" / "results"
WORDS = st.lists(st.text(alphabet='aé\t"\\\n😀', max_size=3), max_size=30)
ONE_ACCOUNT = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def counting() -> Job:
    """Records {"word", "times"}."""
    job = Job("counting", source=JsonLines())
    job.map(lambda_free_map)
    job.group_by(by_word)
    job.fold(add)
    return job


def lambda_free_map(item: Any, context: Any) -> Any: ...


def by_word(record: dict[str, Any]) -> str:
    return record["word"]  # type: ignore[no-any-return]


def add(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    a["times"] += b["times"]
    return a


def records(words: list[str]) -> list[dict[str, Any]]:
    return [{"word": word, "times": 1} for word in words]


def counts(lines: list[bytes]) -> dict[str, int]:
    found = [json.loads(line.split(b"\t")[2]) for line in lines]
    assert len({record["word"] for record in found}) == len(found)
    return {record["word"]: record["times"] for record in found}


@settings(deadline=None)
@given(items=st.lists(WORDS, max_size=8), most_bytes=st.sampled_from([1, 2000, 1_000_000]))
def test_records_are_folded_by_key_however_little_is_held(items: list[list[str]], most_bytes: int) -> None:
    """One line a key, sorted by slot and key, whether records met in memory or in files."""
    with Grouping(counting(), most_bytes=most_bytes) as grouping:
        for words in items:
            grouping.absorb(grouping.of_item(records(words)))

        lines = list(grouping.lines())

    assert counts(lines) == Counter(word for words in items for word in words)
    assert lines == sorted(lines, key=sort_key)
    assert all(int(line[:3], 16) == slot_of(json.loads(line.split(b"\t")[1])) for line in lines)


def test_many_records_of_few_keys_stay_in_memory() -> None:
    """What counts is what is held after the fold, not what came."""
    with Grouping(counting(), most_bytes=20_000) as grouping:
        grouping.absorb(grouping.of_item(records(["a", "b"] * 2000)))

        assert not grouping.has_spilled
        assert counts(list(grouping.lines())) == {"a": 2000, "b": 2000}


def test_many_keys_go_into_files() -> None:
    """The bound holds for the records of one item, too."""
    with Grouping(counting(), most_bytes=20_000) as grouping:
        grouping.absorb(grouping.of_item(records([str(n) for n in range(2000)])))

        assert grouping.has_spilled
        assert len(grouping._held) < 100
        assert len(list(grouping.lines())) == 2000


def test_an_item_that_fails_half_way_leaves_nothing() -> None:
    """Its records count all or not at all: a retry will bring them again."""
    job = load_job(JOBS, "by-word")
    with Grouping(job) as grouping:
        grouping.absorb(grouping.of_item(job.map_function("one two", None)))

        with pytest.raises(ValueError, match="it says fail"):
            grouping.of_item(job.map_function("one two fail", None))

        texts = [json.loads(line.split(b"\t")[2]) for line in grouping.lines()]
    assert sorted(texts, key=lambda record: record["word"]) == [
        {"word": "one", "times": 1},
        {"word": "two", "times": 1},
    ]


def test_a_record_that_is_handed_out_twice_is_two_records() -> None:
    """A fold may change what it is given; the author's own object stays as it is."""
    same = {"word": "a", "times": 1}
    with Grouping(counting()) as grouping:
        grouping.absorb(grouping.of_item([same, same, same]))

        assert counts(list(grouping.lines())) == {"a": 3}
    assert same == {"word": "a", "times": 1}


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ({"word": "a"}, "what it returned is a dict. With @job.group_by it returns a list of records"),
        ("text", "what it returned is a str"),
        (7, "what it returned is a int"),
        ([{"word": 7}], "the key is 7 (a int). Keys are strings: use str(key)"),
        ([{"word": "a", "times": {1}}], "record.times is a set"),
    ],
)
def test_what_is_no_record_is_the_items_own_error(returned: Any, told: str) -> None:
    """The message says what was found and what to return."""
    with Grouping(counting()) as grouping, pytest.raises(JobError) as raised:
        grouping.of_item(returned)

    assert told in str(raised.value)


class TestObjects:
    @ONE_ACCOUNT
    @given(words=WORDS)
    def test_the_index_says_where_each_slot_begins(self, world: World, words: list[str]) -> None:
        """Any range of slots is one range of bytes."""
        fold = RecordFold(counting())
        lines = sorted((fold.line(word, {"word": word}) for word in set(words)), key=sort_key)

        made = write_grouped(world.s3, "mapfold-runs", "object", lines)

        if not lines:
            assert made == Grouped(None, 0, 0, 0)
            return
        starts = read_starts(world.s3, "mapfold-runs", made)
        body = world.s3.get_object(Bucket="mapfold-runs", Key="object")["Body"].read()
        found = [body[start:end].splitlines() for start, end in pairwise(starts)]
        assert len(starts) == SLOTS + 1
        assert [line for slot in found for line in slot] == lines
        assert all(int(line[:3], 16) == slot for slot, part in enumerate(found) for line in part)
        assert (made.records, made.longest) == (len(lines), max(map(len, lines)))

    @ONE_ACCOUNT
    @given(batches=st.lists(WORDS, max_size=5))
    def test_a_merge_of_objects_is_the_fold_of_all(self, world: World, batches: list[list[str]]) -> None:
        """Equal keys of different objects meet, wherever they lie."""
        fold, pieces = RecordFold(counting()), []
        for number, words in enumerate(batches):
            with Grouping(counting()) as grouping:
                grouping.absorb(grouping.of_item(records(words)))
                made = write_grouped(world.s3, "mapfold-runs", f"object-{number}", grouping.lines())
            if made.key is not None:
                pieces.append(Piece(made.key, 0, made.bytes))

        merged = list(folded_lines(merged_lines(world.s3, "mapfold-runs", pieces), fold))

        assert counts(merged) == Counter(word for words in batches for word in words)


def test_an_object_is_read_in_pieces_when_their_turn_comes(world: World) -> None:
    """No connection waits while other objects are read: each refill is a request for a range."""
    ranges: list[str] = []
    client = boto3.client("s3")
    client.meta.events.register(
        "provide-client-params.s3.GetObject", lambda params, **_: ranges.append(params["Range"])
    )
    body = b"".join(b"%03x\t%b\t1\n" % (slot, b"x" * 50_000) for slot in range(4))
    world.s3.put_object(Bucket="mapfold-runs", Key="object", Body=body)

    lines = merged_lines(client, "mapfold-runs", [Piece("object", 0, len(body))] * 8, ahead_together=8 * 32 * 1024)
    next(lines)

    assert max(int(r.split("-")[1]) - int(r.split("=")[1].split("-")[0]) + 1 for r in ranges) == 32 * 1024
    assert len(ranges) == 8 * 2, "the first line of each object lies in two ranges, and no more is read"
