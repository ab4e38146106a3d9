"""How Plan shapes batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mapfold import CsvRows, Job, JobError, JsonArray, JsonLines, Manifest, Network, Objects
from mapfold.runs.duplicates import DuplicateItems
from mapfold.runs.folder import RunFolder
from mapfold.runs.last import Counts, Last, write_last
from mapfold.runs.looks import SourceError
from mapfold.runs.plan import (
    ParamsTooLarge,
    PlanRequest,
    batch_size,
    look_at_source,
    make_plan,
    parse_source,
)
from mapfold.runs.records import Records
from mapfold.sources import Source
from tests.unit.tasks.conftest import World

REQUEST = PlanRequest("words-1", {"uri": "s3://mapfold-data/x", "bucket": "mapfold-data", "key": "x"}, {}, "arn")


def plan(world: World, *, most_at_once: int | None = None, body: bytes = b"b,k\n" * 1000, **limits: Any) -> Any:
    """The plan for a manifest of 1,000 lines."""
    world.s3.put_object(Bucket="mapfold-data", Key="x", Body=body)
    job = Job("words", source=Manifest(), **limits)
    runs = Records(world.dynamodb, "mapfold-runs", lambda: 0.0)
    return make_plan(job, REQUEST, s3=world.s3, records=runs, folder=world.folder, most_at_once=most_at_once)


class TestBatches:
    @pytest.mark.parametrize(
        ("items", "concurrency", "expected"),
        [(0, 1000, 1), (365, 1000, 1), (365, 2, 46), (1_000_000, 1000, 250), (100_000_000, 1000, 1000), (9, 1, 3)],
    )
    def test_every_slot_gets_four_batches(self, items: int, concurrency: int, expected: int) -> None:
        """Bounded by 1,000, so that a batch that fails repeats little."""
        assert batch_size(items, concurrency) == expected

    def test_what_the_job_says_wins(self, world: World) -> None:
        """Both numbers, whatever the source; the environment has room for them here."""
        made = plan(world, batch_items=7, concurrency=20, most_at_once=50)

        assert (made.max_items_per_batch, made.max_concurrency) == (7, 20)

    def test_no_more_batches_are_started_than_can_run_at_once(self, world: World) -> None:
        """The job's concurrency too is bounded by the machine: an EXPRESS child that waits for a worker times out."""
        made = plan(world, batch_items=7, concurrency=20, most_at_once=2)

        assert made.max_concurrency == 2

    def test_no_more_batches_than_the_database_has_connections_for(self, world: World) -> None:
        """The lowest bound holds: of the job, of what Lambda reserves for it, of its connections, of the environment."""
        network = Network(
            "vpc-01234567", ("subnet-01234567",), ("sg-01234567",), connections=9, connections_per_worker=2
        )

        made = plan(world, concurrency=20, reserved_concurrency=8, network=network, most_at_once=6)

        assert made.max_concurrency == 4

    def test_no_more_than_can_run_at_once(self, world: World) -> None:
        """The embedded AWS says how many workers it has: 1,000 items in 4 x 2 batches."""
        made = plan(world, most_at_once=2)

        assert (made.max_items_per_batch, made.max_concurrency) == (125, 2)

    @pytest.mark.parametrize(
        ("limits", "percentage", "count"),
        [
            ({}, 100.0, 100_000_000),
            ({"tolerated_failure_percentage": 5}, 100.0, 100_000_000),
            ({"stop_early": True}, 0.0, 0),
            ({"stop_early": True, "tolerated_failure_percentage": 5}, 5.0, 100_000_000),
            ({"stop_early": True, "tolerated_failure_count": 3}, 100.0, 3),
        ],
    )
    def test_the_map_state_stops_only_a_job_that_wants_it(
        self, world: World, limits: dict[str, Any], percentage: float, count: int
    ) -> None:
        """Otherwise every item has its turn, and Finish judges."""
        made = plan(world, **limits)

        assert (made.tolerated_failure_percentage, made.tolerated_failure_count) == (percentage, count)


def test_params_that_would_fit_beside_no_partial_are_refused_before_anything_runs(world: World) -> None:
    """Otherwise the run would fail at its last fold, when 200,000 bytes of a partial and these meet in one state."""
    world.put_texts({"a": "one"})
    request = replace(REQUEST, params={"stations": "x" * 33_000})

    job, runs = Job("words", source=Manifest()), Records(world.dynamodb, "mapfold-runs", lambda: 0.0)

    with pytest.raises(ParamsTooLarge, match="33,015 bytes as JSON; at most 32,768"):
        make_plan(job, request, s3=world.s3, records=runs, folder=world.folder)


class TestList:
    def listed(self, world: World, entries: list[tuple[int, Any]] | None, **more: Any) -> Any:
        """The plan for a manifest of three lines, where one provider has nothing to list and the next has `entries`."""
        world.s3.put_object(Bucket="mapfold-data", Key="x", Body=b"b,k\n" * 3)
        providers = (lambda job, request, **_: None, lambda job, request, **_: entries)
        job, runs = Job("words", source=Manifest()), Records(world.dynamodb, "mapfold-runs", lambda: 0.0)
        request = replace(REQUEST, **more)
        return make_plan(job, request, s3=world.s3, records=runs, folder=world.folder, providers=providers)

    def test_the_first_provider_that_lists_the_items_does(self, world: World) -> None:
        """In S3 with their indexes, gaps and all; their number is known then."""
        made = self.listed(world, [(3, {"bucket": "b", "key": "k"}), (9, "x")])

        assert (made.listed, made.estimated_items) == (True, 2)
        assert made.list == {"bucket": "mapfold-runs", "key": "runs/words-1/items.jsonl"}
        assert world.lines(made.list["key"]) == [{"i": 3, "v": {"bucket": "b", "key": "k"}}, {"i": 9, "v": "x"}]

    def test_an_empty_list_can_be_read(self, world: World) -> None:
        """It is an object without a line, for MapListed reads it all the same."""
        made = self.listed(world, [])

        assert (made.listed, world.lines(made.list["key"])) == (True, [])

    def test_without_a_list_step_functions_reads_the_source(self, world: World) -> None:
        """The state has the same fields all the same: a path to nothing would be an error."""
        made = self.listed(world, None)

        assert (made.listed, made.list, made.estimated_items) == (False, {"bucket": "", "key": ""}, 3)

    def test_the_plan_names_the_run_that_is_tried_again(self, world: World) -> None:
        """As the input said it. That run has come to its end."""
        before = Last("words-0", "words", {"uri": "s3://mapfold-data/x"}, Counts(3, 0, 3), None, "shards")
        folder = RunFolder("mapfold-runs", "words-0")
        write_last(world.s3, folder, before)
        line = b'{"item":{"bucket":"b","key":"k"},"index":2,"error":"E","message":""}\n'
        world.s3.put_object(Bucket=folder.bucket, Key=folder.failures, Body=line)

        assert self.listed(world, [], retry={"of": "words-0", "where": []}).retry_of == "words-0"

    def test_the_plan_says_which_object_it_saw(self, world: World) -> None:
        """By its etag; by its version too, where the bucket has versions."""
        before = self.listed(world, None)
        enabled: Any = {"Status": "Enabled"}
        world.s3.put_bucket_versioning(Bucket="mapfold-data", VersioningConfiguration=enabled)
        after = self.listed(world, None)

        assert before.source.keys() == {"uri", "bucket", "key", "etag"}
        assert (
            after.source["etag"]
            == before.source["etag"]
            == world.s3.head_object(Bucket="mapfold-data", Key="x")["ETag"][1:-1]
        )
        assert after.source["version"] == world.s3.head_object(Bucket="mapfold-data", Key="x")["VersionId"]


class TestEstimate:
    def estimate(self, world: World, source: Source, body: bytes, *, key: str = "data") -> int:
        world.s3.put_object(Bucket="mapfold-data", Key=key, Body=body)
        return look_at_source(Job("words", source=source), source.parse_uri(f"s3://mapfold-data/{key}"), world.s3).items

    @pytest.mark.parametrize(
        ("source", "body", "expected"),
        [
            (Manifest(), b"b,k\nb,k", 2),
            (CsvRows(), b"a,b\n1,2\n3,4\n", 2),
            (CsvRows(headers=("a", "b")), b"1,2\n3,4\n", 2),
            (JsonLines(), b"1\n2\n3\n", 3),
            (JsonLines(), b"", 0),
            (JsonArray(), b'[{"a":1},{"a":2},{"a":3}]', 3),
        ],
    )
    def test_small_sources_are_counted(self, world: World, source: Source, body: bytes, expected: int) -> None:
        """All of it is in the head that is read."""
        assert self.estimate(world, source, body) == expected

    def test_large_ones_are_estimated_from_their_head(self, world: World) -> None:
        """Within a few percent, for items of about one length."""
        assert 49_000 < self.estimate(world, Manifest(), b"mapfold-data,flights/1.csv\n" * 50_000) < 51_000

    def test_a_listing_is_counted(self, world: World) -> None:
        """By its first pages."""
        for n in range(3):
            world.s3.put_object(Bucket="mapfold-data", Key=f"logs/{n}", Body=b"x")

        assert self.estimate(world, Objects(), b"x", key="logs/") == 4

    def test_an_empty_listing_is_an_error(self, world: World) -> None:
        """It is a prefix that is wrong, far more often than a run that is meant to do nothing."""
        job = Job("words", source=Objects())

        with pytest.raises(SourceError, match=r"s3://mapfold-data/none/ lists no object\. Check the prefix"):
            look_at_source(job, job.source.parse_uri("s3://mapfold-data/none/"), world.s3)

    def test_a_missing_bucket_is_named(self, world: World) -> None:
        """With the code that S3 gave."""
        job = Job("words", source=Objects())

        with pytest.raises(SourceError, match=r"there is no such bucket \(NoSuchBucket\)"):
            look_at_source(job, job.source.parse_uri("s3://nobodys/none/"), world.s3)


class TestVersions:
    """An upload's run is for the version that was uploaded; a reader gets the one that is there."""

    def put(self, world: World, body: str) -> dict[str, str]:
        """The object's version and ETag, as EventBridge tells them."""
        made = world.s3.put_object(Bucket="mapfold-data", Key="x", Body=body.encode())
        return {"version": made.get("VersionId", ""), "etag": made["ETag"].strip('"')}

    def estimate(self, world: World, pinned: dict[str, str]) -> int:
        job = Job("words", source=Manifest())
        return look_at_source(job, parse_source(job, {"uri": "s3://mapfold-data/x", **pinned}), world.s3).items

    @pytest.mark.parametrize("name", ["version", "etag"])
    def test_a_run_for_an_upload_that_was_overwritten_fails(self, world: World, name: str) -> None:
        """Otherwise two quick uploads would run the second one twice."""
        enabled: Any = {"Status": "Enabled"}
        world.s3.put_bucket_versioning(Bucket="mapfold-data", VersioningConfiguration=enabled)
        first, second = self.put(world, "b,1"), self.put(world, "b,2")

        assert self.estimate(world, {name: second[name]}) == 1
        with pytest.raises(
            SourceError, match=f"x has been overwritten .* for {name} {first[name]}, .* a run of its own"
        ):
            self.estimate(world, {name: first[name]})

    def test_a_version_is_missed_where_the_bucket_has_none(self, world: World) -> None:
        """The object that is there is not the one that was meant."""
        self.put(world, "b,1")

        with pytest.raises(SourceError, match="was for version v1, and now it is version null"):
            self.estimate(world, {"version": "v1"})

    def test_a_listing_has_no_version(self) -> None:
        """Whoever gives one means something that would not happen."""
        with pytest.raises(SourceError, match="is a listing, which has no etag"):
            parse_source(Job("words", source=Objects()), {"uri": "s3://b/logs/", "etag": "e"})


@pytest.mark.parametrize("given", ["s3://b/k", {"uri": "s3://b/k"}, {"bucket": "b", "key": "k"}])
def test_a_source_is_given_in_three_ways(given: Any) -> None:
    """By our client, or by hand with plain boto3."""
    job = Job("words", source=Manifest())

    assert parse_source(job, given) == {"uri": "s3://b/k", "bucket": "b", "key": "k"}


def test_an_input_without_a_source_says_how_to_give_one() -> None:
    """An execution that was started by hand may have none."""
    with pytest.raises(SourceError, match="has no source: None"):
        parse_source(Job("words", source=Manifest()), None)


class TestDuplicates:
    """Lines of a manifest that name the same object."""

    BODY = b"b,one\nb,two\nb,%6fne\nb,three\nb,two\n"

    def test_they_run_twice_unless_the_job_says_otherwise(self, world: World) -> None:
        """And are reported, in the plan and in the run's record; the estimate is exact now."""
        made = plan(world, body=self.BODY)

        first = [{"key": "s3://b/one", "indexes": [0, 2]}, {"key": "s3://b/two", "indexes": [1, 4]}]
        assert (made.listed, made.estimated_items) == (False, 5)
        assert made.duplicates == {"items": 2, "first": first}
        assert world.record()["duplicates"]["items"] == "2"

    def test_once_lists_the_items_without_them(self, world: World) -> None:
        """By the indexes that they have in the source, as the map function gets them."""
        made = plan(world, body=self.BODY, on_duplicate="once")

        assert (made.listed, made.list, made.estimated_items) == (
            True,
            {"bucket": "mapfold-runs", "key": world.folder.items},
            3,
        )
        assert world.lines(world.folder.items) == [
            {"i": 0, "v": {"bucket": "b", "key": "one"}},
            {"i": 1, "v": {"bucket": "b", "key": "two"}},
            {"i": 3, "v": {"bucket": "b", "key": "three"}},
        ]

    def test_once_leaves_a_source_without_any_to_step_functions(self, world: World) -> None:
        """Nothing is written."""
        made = plan(world, body=b"b,one\nb,two\n", on_duplicate="once")

        assert (made.listed, world.run_keys()) == (False, [])

    def test_refuse_fails_the_run_and_names_them(self, world: World) -> None:
        """Before an item ran."""
        with pytest.raises(DuplicateItems, match=r"2 of 5 items .*: s3://b/one at 0, 2; s3://b/two at 1, 4"):
            plan(world, body=self.BODY, on_duplicate="refuse")

    def test_ignore_does_not_look(self, world: World) -> None:
        """The manifest's head is all that is read."""
        made = plan(world, body=self.BODY, on_duplicate="ignore")

        assert (made.duplicates, made.listed) == (None, False)

    def test_sources_whose_items_name_nothing_have_none(self, world: World) -> None:
        """Equal rows are not the same row."""
        world.s3.put_object(Bucket="mapfold-data", Key="x", Body=b"1\n1\n")
        runs = Records(world.dynamodb, "mapfold-runs", lambda: 0.0)

        made = make_plan(Job("words", source=JsonLines()), REQUEST, s3=world.s3, records=runs, folder=world.folder)

        assert made.duplicates is None

    @pytest.mark.parametrize("wrong", ["once", "refuse", "never"])
    def test_a_job_cannot_ask_for_what_its_source_cannot_tell(self, wrong: Any) -> None:
        """Nor for what there is not."""
        with pytest.raises(JobError, match=f"on_duplicate is '{wrong}'"):
            Job("words", source=JsonLines(), on_duplicate=wrong)
