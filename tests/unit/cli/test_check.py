"""`mapfold check`: partials of a run from its files, and how the command ends."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, cast

import pytest

from mapfold import Job, JsonLines
from mapfold.client import samples
from mapfold.client.samples import sample_pools
from mapfold.client.values import Status
from mapfold.errors import UsageError
from mapfold.job import load_job
from tests.unit.cli.fakes import FakeFactory, LoadedFakes, call
from tests.unit.client.fakes import EXECUTIONS, FakeAws, execution

BUCKET = "mapfold-runs"
RESULTS = Path(__file__).parents[2] / "fixtures" / "results"


def job(fold: Any, *, name: str = "flights") -> Job:
    made = Job(name, source=JsonLines())
    made.map(lambda_free_map)
    made.fold(fold)
    return made


def lambda_free_map(item: Any, context: Any) -> Any: ...


def add(a: int, b: int) -> int:
    return a + b


def subtract(a: int, b: int) -> int:
    return a - b


def factory(*jobs: Job, aws: FakeAws) -> FakeFactory:
    return FakeFactory(aws=aws, known=LoadedFakes(cast(Any, {each.name: each for each in jobs})))


def ran(aws: FakeAws, run_id: str, outputs: list[Any], *, of: str = "flights", started: float = 100.0) -> FakeAws:
    """A run that has ended, with the files of its map run."""
    aws.target = aws.target.__class__(**{**_fields(aws.target), "runs_bucket": BUCKET})
    body = "".join(json.dumps(output) + "\n" for output in outputs)
    folder = f"runs/{run_id}/map/uuid"
    files = {"SUCCEEDED": [{"Key": f"{folder}/SUCCEEDED_0.jsonl", "Size": len(body)}]}
    aws.objects[BUCKET, f"{folder}/SUCCEEDED_0.jsonl"] = body
    aws.objects[BUCKET, f"{folder}/manifest.json"] = json.dumps({"ResultFiles": files})
    return aws.has(execution(f"{EXECUTIONS}mapfold-{of}:{run_id}", started=started))


def _fields(target: Any) -> dict[str, Any]:
    return {name: getattr(target, name) for name in target.__dataclass_fields__}


def outputs(*partials: Any) -> list[Any]:
    return [{"partial": partial, "items": 1, "failed": 0} for partial in partials]


class TestCommand:
    def test_a_fold_that_holds_ends_with_0(self) -> None:
        """Of the latest run; it says what was tried."""
        aws = ran(FakeAws(), "old", outputs(7, 8, 9), started=50)
        ran(aws, "new", outputs(1, 2, 3, 4))

        said = call(factory(job(add), aws=aws), "check", "flights")

        assert said.code == 0
        assert said.out.splitlines() == [
            "the fold of flights, on 4 partials of run new",
            "  commutative  6 pairs        holds",
            "  associative  24 triples     holds",
            "  carried      6 pairs        holds",
            "  unchanged    6 pairs        holds",
        ]

    def test_a_counterexample_ends_with_1_and_is_shown(self) -> None:
        """The partials, both sides, and where they differ."""
        aws = ran(FakeAws(), "r1", outputs(10, 2))

        said = call(factory(job(subtract), aws=aws), "check", "flights", "r1")

        assert said.code == 1
        assert said.out.splitlines()[1:3] == [
            "  commutative  1 pair         DOES NOT HOLD",
            "  associative  0 triples      not tried: it takes three",
        ]
        assert said.out.splitlines()[6:] == [
            "not commutative, first at partial",
            "  a                    10",
            "  b                    2",
            "  fold(a, b)           8",
            "  fold(b, a)           -8",
            "  there                8 and -8",
        ]

    def test_a_run_of_another_job_is_refused(self) -> None:
        """Its partials have another shape: what they would show is not about this fold."""
        aws = ran(FakeAws(), "r1", outputs(10, 2))

        said = call(factory(job(add, name="days"), aws=aws), "check", "days", "r1")

        assert (said.code, "r1 is a run of job 'flights'" in str(said.error)) == (2, True)

    def test_json_has_everything(self) -> None:
        """One document, with the seed."""
        aws = ran(FakeAws(), "r1", outputs(10, 2))

        said = call(factory(job(subtract), aws=aws), "check", "flights", "r1", "--json")

        document = json.loads(said.out)
        assert (said.code, document["holds"], document["pairs"], document["triples"]) == (1, False, 1, 0)
        assert document["counterexamples"] == [
            {
                "law": "commutative",
                "one": 8,
                "other": -8,
                "path": "partial",
                "hint": None,
                "partials": [10, 2],
            }
        ]

    @pytest.mark.parametrize(
        ("found", "told"),
        [
            (
                [],
                "job 'flights' has no run that has ended, so there are no partials to try. First: mapfold run flights",
            ),
            (
                outputs(1),
                "run r1 left no two partials in S3: each batch leaves one, if any of its items succeeds. Run it over more items",
            ),
        ],
    )
    def test_nothing_to_try_it_on_ends_with_2(self, found: list[Any], told: str) -> None:
        """The message says what to do."""
        aws = ran(FakeAws(), "r1", found) if found else FakeAws(machines={"mapfold-flights": "{}"})

        said = call(factory(job(add), aws=aws), "check", "flights")

        assert isinstance(said.error, UsageError)
        assert said.code == 2
        assert told in str(said.error)

    def test_a_job_without_a_fold_has_nothing_to_check(self) -> None:
        """Its result is every item's value."""
        lengths = load_job(RESULTS, "lengths")

        said = call(factory(lengths, aws=FakeAws()), "check", "lengths")

        assert said.code == 2
        assert "has no @job.fold" in str(said.error)

    def test_records_of_one_key_are_tried_with_one_another(self) -> None:
        """Of the records that batches left: those of a key that several have."""
        aws = FakeAws()
        partials = []
        for number, words in enumerate((("be", "to"), ("be", "or"), ("be", "to"))):
            key = f"runs/r1/groups/map/{number}.txt"
            lines = [f'000\t"{word}"\t{{"word":"{word}","times":{number + 1}}}\n' for word in words]
            aws.objects[BUCKET, key] = "".join(lines) + "[0]\n"
            partials.append({"key": key, "bytes": len("".join(lines)), "records": 2, "longest": 40})
        ran(aws, "r1", outputs(*partials, {"key": None, "bytes": 0, "records": 0, "longest": 0}), of="by-word")

        said = call(factory(load_job(RESULTS, "by-word"), aws=aws), "check", "by-word", "--json")

        document = json.loads(said.out)
        assert (document["holds"], document["partials"], document["pairs"]) == (True, 5, 4)


class TestSamples:
    def test_a_large_run_is_sampled_all_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A window at each of some places, never the whole; every line is taken once."""
        monkeypatch.setattr(samples, "_WHOLE_BYTES", 1000)
        monkeypatch.setattr(samples, "_WINDOW_BYTES", 200)
        aws = ran(FakeAws(), "r1", outputs(*range(5000)))

        (pool,) = sample_pools(aws, job(add), "r1")

        numbers = [int(text) for text in pool]
        assert len(set(numbers)) == len(numbers) > samples.SAMPLES * 0.9
        assert numbers[0] == 0
        assert all(0 < after - before < 200 for before, after in itertools.pairwise(numbers))

    def test_partials_in_s3_are_read_up_to_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Three at least, however large: associativity needs them."""
        monkeypatch.setattr(samples, "BYTES", 10)
        aws = FakeAws()
        for number in range(9):
            aws.objects[BUCKET, f"p{number}"] = json.dumps("x" * 100)
        ran(aws, "r1", outputs(*({"$s3": f"p{number}"} for number in range(9))))

        (pool,) = sample_pools(aws, job(add), "r1")

        assert pool == [json.dumps("x" * 100)] * 3

    def test_batches_of_which_every_item_failed_left_none(self) -> None:
        """Their partial means nothing."""
        aws = ran(FakeAws(), "r1", [{"partial": None, "items": 2, "failed": 2}, *outputs(1, 2)])

        assert sample_pools(aws, job(add), "r1") == [["1", "2"]]


def test_a_run_that_runs_is_not_the_latest_that_ended() -> None:
    """Its partials are not all there."""
    aws = ran(FakeAws(), "r1", outputs(1, 2))
    aws.has(execution(f"{EXECUTIONS}mapfold-flights:r2", Status.RUNNING, started=200))

    said = call(factory(job(add), aws=aws), "check", "flights")

    assert "of run r1" in said.out
