"""A run over splits, through the handlers: Plan writes them down, and each is read from moto's S3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold import Context, Job, SplitError, Splits
from mapfold.runs.deadline import OutOfTime
from mapfold.runs.duplicates import DuplicateItems
from mapfold.runs.looks import SourceError
from mapfold.runs.plan import Plan, PlanRequest, make_plan
from mapfold.runs.records import Records
from mapfold.runs.split_entries import SplitEntries
from mapfold.storage import Storage
from tests.unit.tasks.conftest import World


def planned(world: World, source: Splits, key: str, **limits: Any) -> tuple[Plan, list[Any]]:
    """The plan, and the list that it wrote."""
    job = Job("splitting", source=source, **limits)
    uri = f"s3://mapfold-data/{key}"
    request = PlanRequest(world.run_id, job.source.parse_uri(uri), {}, "arn")
    runs = Records(world.dynamodb, "mapfold-runs", lambda: 0.0)
    plan = make_plan(job, request, s3=world.s3, records=runs, folder=world.folder)
    return plan, world.lines("runs/words-1/items.jsonl")


class TestPlan:
    def test_lists_the_splits_of_one_object(self, world: World) -> None:
        """Each says all that its worker needs; the header is none of them, and travels with each."""
        body = b"n,text\n" + b"".join(b"%03d,some text\n" % number for number in range(40))
        etag = world.s3.put_object(Bucket="mapfold-data", Key="x.csv", Body=body)["ETag"].strip('"')

        plan, lines = planned(world, Splits("csv", split_bytes=150), "x.csv")

        facts = {"bucket": "mapfold-data", "key": "x.csv", "etag": etag, "size": 567, "format": "csv"}
        facts |= {"split_bytes": 150, "headers": ["n", "text"]}
        assert lines == [
            {"i": 0, "v": {**facts, "start": 7, "end": 147}},
            {"i": 1, "v": {**facts, "start": 147, "end": 287}},
            {"i": 2, "v": {**facts, "start": 287, "end": 427}},
            {"i": 3, "v": {**facts, "start": 427, "end": 567}},
        ]
        assert (plan.listed, plan.estimated_items, plan.max_items_per_batch) == (True, 4, 1)

    BODY = b"mapfold-data,one\nmapfold-data,two\nmapfold-data,o%6Ee\n"

    @pytest.fixture
    def manifest(self, world: World) -> str:
        """Names two objects, the first of them twice."""
        for key, body in (("one", b"1\n"), ("two", b"2\n"), ("m.csv", self.BODY)):
            world.s3.put_object(Bucket="mapfold-data", Key=key, Body=body)
        return "m.csv"

    @pytest.mark.parametrize(
        ("on_duplicate", "keys"),
        [("twice", ["one", "two", "one"]), ("once", ["one", "two"]), ("ignore", ["one", "two", "one"])],
    )
    def test_an_object_that_a_manifest_names_twice(
        self, world: World, manifest: str, on_duplicate: Any, keys: list[str]
    ) -> None:
        """Is reported by its places in the manifest, and cut as often as the job says."""
        plan, lines = planned(world, Splits("text", "manifest"), manifest, on_duplicate=on_duplicate)

        first = [{"key": "s3://mapfold-data/one", "indexes": [0, 2]}]
        assert [line["v"]["key"] for line in lines] == keys
        assert [line["i"] for line in lines] == [*range(len(keys))]
        assert plan.estimated_items == len(keys)
        assert plan.duplicates == (None if on_duplicate == "ignore" else {"items": 1, "first": first})

    def test_an_object_that_a_manifest_names_twice_may_be_refused(self, world: World, manifest: str) -> None:
        """Before anything is cut."""
        with pytest.raises(DuplicateItems, match=r"1 of 3 items .*: s3://mapfold-data/one at 0, 2"):
            planned(world, Splits("text", "manifest"), manifest, on_duplicate="refuse")

    @pytest.mark.parametrize("on_duplicate", ["twice", "ignore"])
    def test_a_line_that_names_nothing_is_an_error(self, world: World, on_duplicate: Any) -> None:
        """Far behind the head, too, whether or not duplicates are looked for."""
        key = "one/" * 200  # long, so that few objects need to be asked for
        body = f"mapfold-data,{key}\n".encode() * 110 + b"mapfold-data,\n"
        world.s3.put_object(Bucket="mapfold-data", Key="m.csv", Body=body)
        world.s3.put_object(Bucket="mapfold-data", Key=key, Body=b"1\n")

        with pytest.raises(SourceError, match=r"m\.csv, line 111: 'mapfold-data,' names no object"):
            planned(world, Splits("text", "manifest"), "m.csv", on_duplicate=on_duplicate)

    def test_time_that_runs_out_is_an_error_that_says_how_far_it_came(self, world: World, manifest: str) -> None:
        """Before Lambda ends Plan without a word."""
        clock = iter((100.0, 100.0, 100.0, 100.0, 5.0))
        source = Splits("text", "manifest").parse_uri(f"s3://mapfold-data/{manifest}")
        entries = SplitEntries(
            Splits("text", "manifest"), source, world.s3, largest=1_000, seconds_left=lambda: next(clock)
        )

        with pytest.raises(
            OutOfTime, match=r"after 2 objects and 2 splits of s3://mapfold-data/m\.csv\. Raise the memory"
        ):
            list(entries)

    def test_reads_back_what_it_listed(self, world: World) -> None:
        """Through S3's own ranges and If-Match."""
        body = b"".join(b"%d\n" % number for number in range(1_000))
        world.s3.put_object(Bucket="mapfold-data", Key="x.jsonl", Body=body)
        _, lines = planned(world, Splits("jsonl", split_bytes=100), "x.jsonl")
        context = Context(storage=Storage(world.s3))

        rows = [row for line in lines for row in context.rows(line["v"])]

        assert rows == list(range(1_000))

    def test_an_object_that_is_overwritten_between_is_an_error(self, world: World) -> None:
        """S3 says so itself: a GET names the ETag."""
        world.s3.put_object(Bucket="mapfold-data", Key="x.txt", Body=b"one\n")
        _, (line,) = planned(world, Splits("text"), "x.txt")
        world.s3.put_object(Bucket="mapfold-data", Key="x.txt", Body=b"two\n")

        with pytest.raises(SplitError, match=r"x\.txt: it has been overwritten .*PreconditionFailed"):
            list(Context(storage=Storage(world.s3)).rows(line["v"]))

    def test_small_objects_of_a_prefix_are_batched_by_their_bytes(self, world: World) -> None:
        """A child for each would cost more than its work: 32 of 100 kB are what one worker takes on."""
        for number in range(70):
            world.s3.put_object(Bucket="mapfold-data", Key=f"many/{number:02}", Body=b"x" * 100_000)

        plan, lines = planned(world, Splits("text", "prefix"), "many/")

        assert len(lines) == 70
        assert plan.max_items_per_batch == 32

    def test_an_empty_object_has_an_empty_list(self, world: World) -> None:
        """Which the Map can read."""
        world.s3.put_object(Bucket="mapfold-data", Key="x.csv", Body=b"")

        plan, lines = planned(world, Splits("csv"), "x.csv")

        assert (plan.listed, plan.estimated_items, lines) == (True, 0, [])

    def test_batch_items_of_the_job_win(self, world: World) -> None:
        """As with every source."""
        world.s3.put_object(Bucket="mapfold-data", Key="x.txt", Body=b"one\n" * 100)

        plan, _ = planned(world, Splits("text", split_bytes=8), "x.txt", batch_items=3)

        assert plan.max_items_per_batch == 3

    def test_an_object_that_cannot_be_cut_fails_the_plan_and_leaves_no_list(self, world: World) -> None:
        """With its name and the way out."""
        world.s3.put_object(Bucket="mapfold-data", Key="in/a", Body=b"one\n")
        world.s3.put_object(Bucket="mapfold-data", Key="in/b.gz", Body=b"two\n")

        with pytest.raises(SplitError, match=r's3://mapfold-data/in/b\.gz: .*compression="gzip"'):
            planned(world, Splits("text", "prefix"), "in/")

        assert json.dumps(world.run_keys()) == "[]"
