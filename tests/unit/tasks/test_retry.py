"""Retries: what Plan selects, what Finish folds onto the run before, and what a chain of them comes to."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from mapfold import Job, Manifest
from mapfold.runs.combining import combine, left_out
from mapfold.runs.folder import RunFolder
from mapfold.runs.last import Counts, Last
from mapfold.runs.partials import Partials
from mapfold.runs.records import Records, RetriedBefore
from mapfold.runs.retry import RetryError, parse_retry
from mapfold.runs.signature import signature_of
from tasks import _worker
from tests.fixtures.results.by_word import Word
from tests.unit.tasks.chains import SOURCE, Chain
from tests.unit.tasks.conftest import JOBS, World

TEXTS = {
    "a": "one two",
    "b": "fail",
    "c": "three",
    "d": "missing",
    "e": "four five six",
    "f": "fail too",
    "g": "seven",
    "h": "missing",
    "i": "fail three",
}


@pytest.fixture
def chain(world: World) -> Chain:
    """Nine texts, of which three say fail and two are missing, and the run `first` over them."""
    made = Chain(world).put(TEXTS)
    made.run("first")
    return made


def name_of(item: str, context: Any) -> str:
    return item


def both(a: str, b: str) -> str:
    return a + b


def only(succeeding: set[str], job: str) -> Any:
    """A map function that refuses all other words."""

    def words(item: str, context: Any) -> Any:
        if item not in succeeding:
            raise ValueError(f"{item} is refused")
        return [Word(item)] if job == "by-word" else item

    return words


def last(chain: Chain, run_id: str) -> dict[str, Any]:
    body = chain.world.s3.get_object(Bucket="mapfold-runs", Key=f"runs/{run_id}/last.json")["Body"].read()
    return dict(json.loads(body))


class TestSelected:
    def test_the_list_has_the_failed_items_with_their_indexes(self, chain: Chain) -> None:
        """They are the author's items: the source is not read again, and may be gone."""
        chain.world.s3.delete_object(Bucket="mapfold-data", Key="manifests/texts.csv")

        planned = chain.plan("second", {"of": "first"})

        lines = chain.world.lines(planned["list"]["key"])
        assert planned["listed"]
        assert sorted((line["i"], line["v"]["key"]) for line in lines) == [
            (1, "texts/b"),
            (3, "texts/d"),
            (5, "texts/f"),
            (7, "texts/h"),
            (8, "texts/i"),
        ]

    def test_conditions_select_and_a_canary_takes_a_few(self, chain: Chain) -> None:
        """One of each signature, among those that are selected."""
        planned = chain.plan("second", {"of": "first", "where": ["index=0-7"], "take": 1})

        found = [(line["i"]) for line in chain.world.lines(planned["list"]["key"])]
        kinds = {chain.failures("first")[index]["error"] for index in found}
        assert len(found) == 2
        assert kinds == {"ValueError", "FileNotFoundError"}

    def test_the_source_is_that_of_the_first_run_as_its_plan_saw_it(self, chain: Chain) -> None:
        """So that the id of an item is the same in every retry, whatever has become of the object."""
        first = last(chain, "first")["source"]
        chain.world.s3.put_object(Bucket="mapfold-data", Key="manifests/texts.csv", Body=b"another,one\n")

        planned = chain.plan("second", {"of": "first"}, source=None)

        assert first["etag"]
        assert planned["source"] == first

    def test_a_retry_is_not_stopped_by_what_its_few_items_do(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The job's tolerance is of all items of the chain: Finish judges."""
        monkeypatch.setattr(_worker.worker().job, "stop_early", True)

        planned = chain.plan("second", {"of": "first"})

        assert planned["tolerated_failure_percentage"] == 100

    @pytest.mark.parametrize(
        ("retry", "says"),
        [
            ({"of": "first", "where": ["error=KeyError"]}, "selected by error=KeyError.*--by-signature"),
            ({"of": "gone"}, "no folder of a run gone"),
            ({"of": "stopped"}, "did not come to its end.*redrive stopped"),
            ({"of": "clean"}, "clean cannot be retried: no item of it failed"),
            ({"of": "other"}, "a run of job 'letters', not of 'words'"),
            ({"of": "early"}, "stopped early"),
            ({"of": "cut"}, "failures.jsonl, which lists them, is not there"),
            ({"of": "first", "where": ["eror=x"]}, "'eror=x'.*Allowed"),
            ({"of": "first", "where": "error=x"}, "list of conditions"),
            ({"of": "first", "uri": "s3://b/k"}, "Give"),
            ({"of": "first", "which": 1}, "which"),
            ({}, "Give"),
            ({"uri": "texts"}, "no S3 URI"),
        ],
    )
    def test_what_cannot_be_retried_is_an_error_that_says_what_to_do(self, chain: Chain, retry: Any, says: str) -> None:
        """Nothing is run, and the run that was asked for can be retried still."""
        chain.world.s3.put_object(Bucket="mapfold-runs", Key="runs/stopped/map/x", Body=b"")
        others: dict[str, dict[str, Any]] = {
            "clean": {"items": {"total": 1, "succeeded": 1, "failed": 0}},
            "other": {"job": "letters"},
            "early": {"is_whole": False},
            "cut": {},
        }
        for run_id, facts in others.items():
            body = json.dumps({**last(chain, "first"), "run_id": run_id, **facts}).encode()
            chain.world.s3.put_object(Bucket="mapfold-runs", Key=f"runs/{run_id}/last.json", Body=body)

        with pytest.raises(RetryError, match=f"(?s){says}"):
            chain.plan("second", retry)

        assert "retried_by" not in chain.record("first")

    def test_no_retry_is_none(self) -> None:
        """As most inputs have it."""
        assert parse_retry(None) is None


class TestCombined:
    def test_the_result_is_that_of_both_runs(self, chain: Chain) -> None:
        """What had succeeded is in it once; what was not tried again, and what failed again, is listed as failed."""
        chain.mend({"b": "mended", "d": "mended too"})

        output = chain.run("second", {"of": "first", "where": ["index=1", "index=3", "index=5"]})

        assert output["items"] == {"total": 9, "succeeded": 6, "failed": 3}
        assert output["result"]["words"] == 2 + 1 + 1 + 2 + 3 + 1
        assert output["retried"] == {"items": 3, "succeeded": 2, "failed": 1}
        assert list(chain.failures("second")) == [5, 7, 8]  # the one that failed again comes first

    def test_the_verdict_is_on_all_items(self, chain: Chain) -> None:
        """The job tolerates a quarter: two of nine, though they are two of three that were tried."""
        chain.mend({"b": "x", "d": "x", "f": "x"})

        first = chain.run("second", {"of": "first", "where": ["index=0-7"]})
        chain.mend({"h": "x"})
        second = chain.run("third", {"of": "second"})

        assert (first["status"], first["items"]["failed"]) == ("SUCCEEDED", 2)
        assert (second["status"], second["items"]["failed"]) == ("SUCCEEDED", 1)

    def test_three_retries_in_a_row_come_to_what_an_undisturbed_run_does(self, chain: Chain) -> None:
        """Each stands on the one before. The lineage names them all."""
        chain.mend({"b": "mended", "d": "now here"})
        chain.run("second", {"of": "first"})
        chain.mend({"f": "mended"})
        chain.run("third", {"of": "second", "where": ["key=*/f", "key=*/h"]})
        chain.mend({"h": "late", "i": "last"})
        output = chain.run("fourth", {"of": "third"})

        undisturbed = chain.run("undisturbed")
        assert output["items"] == undisturbed["items"] == {"total": 9, "succeeded": 9, "failed": 0}
        assert output["result"] == {**undisturbed["result"], "run": "fourth"}
        assert output["lineage"] == ["first", "second", "third"]
        assert output["failures_uri"] is None

    def test_a_run_of_which_nothing_succeeded_is_no_basis_and_no_obstacle(self, world: World) -> None:
        """Then the retry's partial is the whole one; and where nothing succeeds again, there is no result."""
        chain = Chain(world).put({"a": "fail", "b": "fail"})
        chain.run("first")

        again = chain.run("second", {"of": "first"})
        chain.mend({"a": "one", "b": "two three"})
        mended = chain.run("third", {"of": "second"})

        assert (again["result"], again["items"]) == (None, {"total": 2, "succeeded": 0, "failed": 2})
        assert (mended["result"]["words"], mended["items"]["succeeded"]) == (3, 2)

    def test_where_nothing_new_succeeds_the_result_is_that_of_before(self, chain: Chain) -> None:
        """Packed anew: the folder of the run before may be deleted earlier."""
        output = chain.run("second", {"of": "first"})

        assert output["items"] == {"total": 9, "succeeded": 4, "failed": 5}
        assert output["result"]["words"] == 7
        assert last(chain, "second")["partial"] == last(chain, "first")["partial"]

    def test_a_large_partial_lies_in_the_folder_of_the_newest_run(self, world: World) -> None:
        """It does not travel in a state, and does not hang on an older folder, from which it was read."""
        job = Job("texts", source=Manifest())
        job.map(name_of)
        job.fold(both)
        before, now = (Partials(job, world.s3, RunFolder("mapfold-runs", run)) for run in ("first", "second"))
        large = before.pack("x" * 300_000, function="fold", stage="folded-0", number=0)
        last = Last("first", "texts", {}, Counts(3, 2, 1), large)

        combined = combine(now, {"partial": "y", "items": 1, "failed": 0}, last)

        assert combined.packed["$s3"].startswith("runs/second/partials/last/")
        assert now.unpack(combined.packed) == "x" * 300_000 + "y"
        assert combined.succeeded == 3

    def test_a_partial_of_another_shape_is_an_error_that_names_its_run(self, chain: Chain) -> None:
        """Today's code has another partial than the code of then."""
        left = {**last(chain, "first"), "partial": ["another", "shape"]}
        body = json.dumps(left).encode()
        chain.world.s3.put_object(Bucket="mapfold-runs", Key="runs/first/last.json", Body=body)

        with pytest.raises(RetryError, match="partial of first is none that today's job 'words' can fold"):
            chain.run("second", {"of": "first"})

    def test_finish_may_run_twice(self, chain: Chain) -> None:
        """The second time finds nothing of the first: the run before is as it was."""
        chain.mend({"b": "mended"})
        planned = chain.plan("second", {"of": "first"})
        children = chain.map(planned)

        once = chain.finish(planned, *children)

        assert chain.finish(planned, *children) == once

    def test_items_that_get_lost_fail_the_run(self, chain: Chain) -> None:
        """A child that nobody tells of: better no result than one that lacks items without a word."""
        chain.mend({"b": "mended"})
        planned = chain.plan("second", {"of": "first"})
        outputs, failed = chain.map(planned)

        with pytest.raises(RetryError, match="first had 9 items"):
            chain.finish(planned, outputs, failed[:-1])

    def test_a_failures_file_that_changed_meanwhile_fails_the_run(self, chain: Chain) -> None:
        """The item that was tried again is not in it any more."""
        planned = chain.plan("second", {"of": "first", "where": ["index=5"]})
        lines = [line for line in chain.world.lines("runs/first/failures.jsonl") if line["index"] != 5]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        chain.world.s3.put_object(Bucket="mapfold-runs", Key="runs/first/failures.jsonl", Body=body)
        before = Last("first", "words", {}, Counts(9, 4, 5), None)

        with pytest.raises(RetryError, match="item 5 of"):
            list(left_out(chain.world.s3, RunFolder("mapfold-runs", planned["run_id"]), before))

    @pytest.mark.parametrize("seed", range(4))
    def test_random_failures_and_retries_come_to_what_an_undisturbed_run_does(self, world: World, seed: int) -> None:
        """After every run of the chain: each item is in the result or in the list of failed ones, and in one of them."""
        dice = random.Random(seed)
        names = [f"{dice.choice('abc')}{n}" for n in range(14)]
        good = {name: " ".join(["w" * dice.randint(1, 9)] * dice.randint(0, 5)) for name in names}
        chain = Chain(world, batch=dice.randint(1, 5)).put(
            {name: dice.choice([good[name], "fail", "missing"]) for name in names}
        )
        newest, failing = "run-0", {n for n, name in enumerate(names) if chain.texts[name] != good[name]}
        mended: set[int] = set()
        chain.run(newest)
        for number in range(1, 5):
            if not failing:
                break
            mended |= {n for n in failing if dice.random() < 0.5}
            chain.mend({names[n]: good[names[n]] for n in mended})
            tried, conditions = self._chosen(dice, chain.failures(newest))
            output = chain.run(f"run-{number}", {"of": newest, "where": conditions})
            newest, failing = f"run-{number}", failing - (tried & mended)

            assert set(chain.failures(newest)) == failing
            assert output["items"] == {"total": 14, "succeeded": 14 - len(failing), "failed": len(failing)}
            # What was mended but not tried still counts as failed: it is not in the result.
            there = [name for n, name in enumerate(names) if n not in failing]
            words = sum(len(good[name].split()) for name in there)
            assert (output["result"] or {"words": 0})["words"] == words
        chain.mend(good)
        final = chain.run("final", {"of": newest}) if failing else None

        undisturbed = chain.run("undisturbed")
        if final is not None:
            assert final["result"] == {**undisturbed["result"], "run": "final"}
            assert final["items"] == undisturbed["items"]

    def _chosen(self, dice: random.Random, failed: dict[int, dict[str, Any]]) -> tuple[set[int], list[str]]:
        """A random selection that is not empty, by what and by which conditions."""
        one = dice.choice(list(failed.values()))
        signature = signature_of(one["error"], one["message"]).id
        key = one["item"]["key"]
        by = dice.choice(["all", "signature", "key", "index"])
        if by == "signature":
            chosen = {i for i, line in failed.items() if signature_of(line["error"], line["message"]).id == signature}
            return chosen, [f"signature={signature}"]
        if by == "key":
            return {i for i, line in failed.items() if line["item"]["key"][:7] == key[:7]}, [f"key={key[:7]}*"]
        if by == "index":
            return {i for i in failed if i <= one["index"]}, [f"index=0-{one['index']}"]
        return set(failed), []


class TestOtherResults:
    """Results in parts and in shards: the new ones are whole by themselves."""

    def chain(self, world: World, monkeypatch: pytest.MonkeyPatch, job: str, values: list[str]) -> Chain:
        monkeypatch.setenv("MAPFOLD_JOB", job)
        monkeypatch.setenv("MAPFOLD_JOBS", str(JOBS.with_name("results")))
        _worker.forget()
        world.s3.put_object(Bucket="mapfold-data", Key="manifests/texts.csv", Body=b'"any"\n')
        return Chain(world, values=values, batch=2)

    def lines(self, world: World, uris: list[str]) -> list[Any]:
        return [line for uri in uris for line in world.lines(uri.removeprefix("s3://mapfold-runs/"))]

    def test_a_result_by_key_has_the_records_of_both_runs(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """One record for each key, folded of those that were there and those that were added."""
        chain = self.chain(world, monkeypatch, "by-word", ["a b", "fail a", "c a", "fail d"])
        chain.run("first")
        monkeypatch.setitem(
            _worker.worker().job._functions, "map", lambda item, context: [Word(w) for w in item.split()]
        )

        output = chain.run("second", {"of": "first", "where": ["index=1"]})
        output = chain.run("third", {"of": "second"})

        found = {
            line["key"]: line["value"]["times"]
            for line in self.lines(world, [part["uri"] for part in output["result"]["parts"]])
        }
        assert output["items"] == {"total": 4, "succeeded": 4, "failed": 0}
        assert found == {"a": 3, "b": 1, "c": 1, "d": 1, "fail": 2}

    def test_an_ordered_result_has_the_values_of_both_runs_in_order(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those that were tried again are where they would have been."""
        chain = self.chain(world, monkeypatch, "lengths", ["one", "", "three", "", "five"])
        chain.run("first")
        monkeypatch.setitem(_worker.worker().job._functions, "map", lambda item, context: {"length": len(item)})

        output = chain.run("second", {"of": "first", "where": ["index=3"]})

        index = chain.world.s3.get_object(
            Bucket="mapfold-runs", Key=output["result"]["index"].removeprefix("s3://mapfold-runs/")
        )["Body"].read()
        uris = [shard["uri"] for shard in json.loads(index)["shards"]]
        assert output["items"] == {"total": 5, "succeeded": 4, "failed": 1}
        assert [line["index"] for line in self.lines(world, uris)] == [0, 2, 3, 4]

    @pytest.mark.parametrize("job", ["by-word", "lengths"])
    @pytest.mark.parametrize("succeeding", ["first", "second", "third", "first third", "second third", "none"])
    def test_the_result_is_whole_whichever_runs_of_a_chain_have_nothing_in_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch, job: str, succeeding: str
    ) -> None:
        """A run in which no item succeeded hands on what was there before it, be it nothing."""
        chain = self.chain(world, monkeypatch, job, [f"w{n}" for n in range(6)])
        there: set[str] = set()
        runs = ("first", "second", "third")

        for number, run_id in enumerate(runs):
            succeeds = {f"w{number}", f"w{number + 3}"} if run_id in succeeding.split() else set()
            there |= succeeds
            monkeypatch.setitem(_worker.worker().job._functions, "map", only(succeeds, job))
            output = chain.run(run_id, {"of": runs[number - 1]} if number else None)

            assert output["items"] == {"total": 6, "succeeded": len(there), "failed": 6 - len(there)}
            assert self.words(chain, output) == sorted(there)
            assert len(chain.failures(run_id)) == 6 - len(there)

    def words(self, chain: Chain, output: dict[str, Any]) -> list[str]:
        """The words of a result, sorted; none where it is null."""
        result = output["result"]
        if result is None:
            return []
        if "index" not in result:
            return sorted(line["key"] for line in self.lines(chain.world, [part["uri"] for part in result["parts"]]))
        where = {"Bucket": "mapfold-runs", "Key": result["index"].removeprefix("s3://mapfold-runs/")}
        index = json.loads(chain.world.s3.get_object(**where)["Body"].read())
        return [line["value"] for line in self.lines(chain.world, [shard["uri"] for shard in index["shards"]])]

    def test_a_job_that_gives_another_kind_of_result_now_is_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There is nothing that could be folded."""
        chain = self.chain(world, monkeypatch, "lengths", ["one", "", "three"])
        chain.run("first")
        body = json.dumps({**last(chain, "first"), "result_kind": "value"}).encode()
        world.s3.put_object(Bucket="mapfold-runs", Key="runs/first/last.json", Body=body)

        with pytest.raises(RetryError, match="of the kind 'value', and that of today's job 'lengths'"):
            chain.plan("second", {"of": "first"})


class TestFromOutside:
    def test_the_items_of_a_list_are_a_run_of_their_own(self, world: World) -> None:
        """With no result before. Two lists that were put together may say the same index: a number of our own is given."""
        chain = Chain(world).put({"a": "one", "b": "two three"})
        lines = [
            {"item": {"bucket": "mapfold-data", "key": f"texts/{name}"}, "index": 7, "error": "E", "message": ""}
            for name in "ab"
        ]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        world.s3.put_object(Bucket="mapfold-data", Key="lists/failures.jsonl", Body=body)
        uri = "s3://mapfold-data/lists/failures.jsonl"

        output = chain.run("second", {"uri": uri}, source={"uri": uri})

        assert [line["i"] for line in world.lines("runs/second/items.jsonl")] == [0, 1]
        assert output["items"] == {"total": 2, "succeeded": 2, "failed": 0}
        assert output["result"]["words"] == 3
        assert "lineage" not in output

    def test_a_result_writer_s_batches_of_ours_are_made_items(self, chain: Chain) -> None:
        """The folder of a map run of the same job: what its reader gave goes through the job's source."""
        chain.batch = 1
        chain.run("first")
        manifest = f"s3://mapfold-runs/{RunFolder('mapfold-runs', 'first').map_prefix}/uuid/manifest.json"
        chain.mend({name: "mended" for name in "bdfhi"})

        output = chain.run("second", {"uri": manifest}, source={"uri": manifest})

        items = [line["v"]["key"] for line in chain.world.lines("runs/second/items.jsonl")]
        assert sorted(items) == [f"texts/{name}" for name in "bdfhi"]
        assert output["items"] == {"total": 5, "succeeded": 5, "failed": 0}


class TestLineage:
    def test_the_record_says_what_a_run_stands_on_and_what_stands_on_it(self, chain: Chain) -> None:
        """Both runs stay readable."""
        chain.run("second", {"of": "first"})
        chain.run("third", {"of": "second"})

        record = chain.record("third")
        assert record["retry_of"] == {"S": "second"}
        assert record["lineage"] == {"L": [{"S": "first"}, {"S": "second"}]}
        assert chain.record("first")["retried_by"] == {"S": "second"}
        assert chain.record("second")["retried_by"] == {"S": "third"}
        assert chain.record("first")["status"] == {"S": "FAILED"}

    def test_the_first_retry_wins(self, chain: Chain) -> None:
        """Another is refused, unless it is asked for again; Plan that is run twice is not another."""
        chain.plan("second", {"of": "first"})
        chain.plan("second", {"of": "first"})

        with pytest.raises(RetriedBefore, match="by second"):
            chain.plan("other", {"of": "first"})

        chain.plan("again", {"of": "first", "again": True})
        assert chain.record("first")["retried_by"] == {"S": "again"}

    def test_a_retry_that_crashed_gives_the_run_back(self, chain: Chain) -> None:
        """It left nothing to stand on. The mark of another one is left alone."""
        chain.plan("second", {"of": "first"})
        chain.plan("other", {"of": "first", "again": True})

        chain.world.run_id = "second"
        chain.world.close("States.DataLimitExceeded", "too large")
        kept = chain.record("first")["retried_by"]
        chain.world.run_id = "other"
        chain.world.close("States.DataLimitExceeded", "too large")

        assert kept == {"S": "other"}
        assert "retried_by" not in chain.record("first")

    def test_a_run_whose_record_is_gone_is_retried_all_the_same(self, chain: Chain) -> None:
        """Its folder is what counts; no record is made for it."""
        chain.world.dynamodb.delete_item(TableName="mapfold-runs", Key={"run_id": {"S": "first"}})

        chain.run("second", {"of": "first"})

        assert chain.record("first") == {}

    def test_a_record_that_is_busy_is_not_taken_for_a_retried_one(self, world: World) -> None:
        """Only the condition says so."""
        missing = Records(world.dynamodb, "no-such-table", lambda: 0.0)

        with pytest.raises(Exception, match="ResourceNotFoundException"):
            missing.mark_retried("first", by="second")


def test_every_run_leaves_what_a_retry_stands_on(chain: Chain) -> None:
    """The partial as it is folded, not the result that the job's finish makes of it."""
    left = last(chain, "first")

    assert (left["run_id"], left["job"], left["source"]["uri"]) == ("first", "words", SOURCE)
    assert left["items"] == {"total": 9, "succeeded": 4, "failed": 5}
    assert left["partial"]["words"] == 7
    assert (left["lineage"], left["is_whole"]) == ([], True)
