"""Jobs whose results are in parts or in shards, through the handlers as the state machine calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapfold.runs.work import OUT_OF_TIME, BatchFailed
from tasks import _worker
from tests.unit.tasks.conftest import FakeLambdaContext, World

JOBS = Path(__file__).parents[2] / "fixtures" / "results"
SOURCE = {"uri": "s3://mapfold-data/m.jsonl", "bucket": "mapfold-data", "key": "m.jsonl"}

Use = Callable[[str], None]


@pytest.fixture
def use(world: World, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Make the world's worker one of another job."""

    def use(job: str) -> None:
        monkeypatch.setenv("MAPFOLD_JOB", job)
        monkeypatch.setenv("MAPFOLD_JOBS", str(JOBS))
        world.s3.put_object(Bucket="mapfold-data", Key="m.jsonl", Body=b'"text"\n')
        _worker.forget()

    return use


def batch(world: World, texts: dict[int, str]) -> dict[str, Any]:
    run = {"run_id": world.run_id, "params": {}, "source": SOURCE, "listed": False}
    return {"BatchInput": run, "Items": [{"i": index, "v": text} for index, text in texts.items()]}


def finished(world: World, outputs: list[Any]) -> dict[str, Any]:
    """The states behind Map, for a small result."""
    state = world.mapped(world.plan(SOURCE["uri"]), outputs)
    state["fold"] = world.fold(state)
    assert state["fold"]["done"]
    return world.finish(state)


def stored(world: World, uri: str) -> list[Any]:
    return world.lines(uri.removeprefix("s3://mapfold-runs/"))


class TestByKey:
    def test_a_run_by_key_from_batches_to_parts(self, world: World, use: Use) -> None:
        """A failed item's records are not in the result, though it had given some."""
        use("by-word")
        outputs = [
            world.work(batch(world, {0: "to be", 1: "or not fail"})),
            world.work(batch(world, {2: "to be", 3: "be"})),
        ]

        output = finished(world, outputs)

        (part,) = output["result"]["parts"]
        assert output["result_kind"] == "parts"
        assert output["items"] == {"total": 4, "succeeded": 3, "failed": 1}
        assert output["result"]["records"] == part["records"] == 2
        assert json.loads(world.s3.get_object(Bucket="mapfold-runs", Key=world.folder.result)["Body"].read()) == {
            "parts": [part],
            "records": 2,
        }
        assert stored(world, part["uri"]) == [
            {"key": "be", "value": {"word": "be", "times": 3}},
            {"key": "to", "value": {"word": "to", "times": 2}},
        ]

    def test_an_output_has_the_key_and_the_size_of_the_records_only(self, world: World, use: Use) -> None:
        """No payload holds a record."""
        use("by-word")

        output = world.work(batch(world, {7: "to be", 9: "or not"}))

        size = len(world.s3.get_object(Bucket="mapfold-runs", Key=output["partial"]["key"])["Body"].read())
        assert output["partial"]["key"] == "runs/words-1/groups/map/000000000007-000000000009.txt"
        assert (output["partial"]["records"], output["items"], output["failed"]) == (4, 2, 0)
        assert 0 < output["partial"]["bytes"] < size

    def test_the_traceback_of_an_item_begins_in_the_authors_code(self, world: World, use: Use) -> None:
        """Records are taken from what the map function returned, so it may raise there."""
        use("by-word")

        output = world.work(batch(world, {0: "fail", 1: "ok"}))

        (failure,) = world.lines(output["failures"])
        first_frame = failure["traceback"].splitlines()[1]
        assert "by_word.py" in first_frame


class TestInOrder:
    def test_a_run_without_a_fold_gives_values_in_the_order_of_the_source(self, world: World, use: Use) -> None:
        """Batches end out of order, a failed item is not there, and result.json says where the index is."""
        use("lengths")
        outputs = [
            world.work(batch(world, {3: "d", 4: "ee"})),
            world.work(batch(world, {0: "a", 1: "", 2: "ccc"})),
        ]

        output = finished(world, outputs)

        assert output["result_kind"] == "shards"
        assert output["items"] == {"total": 5, "succeeded": 4, "failed": 1}
        assert output["result"] == {
            "index": world.folder.uri(world.folder.index),
            "shards": 1,
            "lines": 4,
            "bytes": output["result"]["bytes"],
        }
        (shard,) = json.loads(world.s3.get_object(Bucket="mapfold-runs", Key=world.folder.index)["Body"].read())[
            "shards"
        ]
        lines = stored(world, shard["uri"])
        assert [line["index"] for line in lines] == [0, 2, 3, 4]
        assert lines[1] == {"index": 2, "value": {"text": "ccc", "length": 3}}

    def test_a_batch_whose_every_item_failed_writes_no_values(self, world: World, use: Use) -> None:
        """It fails like any other."""
        use("lengths")

        with pytest.raises(BatchFailed):
            world.work(batch(world, {0: "", 1: ""}))

        assert not any("/values/" in key for key in world.run_keys())

    def test_time_is_kept_for_writing_what_was_collected(self, world: World, use: Use) -> None:
        """The more there is, the more time its writing takes: the items that are left are failed, not the batch."""
        use("lengths")
        text = "x" * 5_000_000

        output = world.work(batch(world, dict.fromkeys(range(6), text)), FakeLambdaContext(left=4_000, step=400))

        failures = world.lines(output["failures"])
        assert {failure["error"] for failure in failures} == {OUT_OF_TIME}
        assert 1 < output["partial"]["lines"] < 6

    def test_a_run_of_no_items_has_no_result(self, world: World, use: Use) -> None:
        """As of a job with a fold."""
        use("lengths")

        output = finished(world, [])

        assert output["result"] is None
        assert "result_kind" not in output
