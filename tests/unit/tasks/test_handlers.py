"""The handlers as the state machine calls them, one after the other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mapfold.job import load_job
from mapfold.runs.identity import add_up, as_text, item_digest
from mapfold.runs.looks import SourceError
from mapfold.runs.records import RunExists
from mapfold.runs.work import OUT_OF_TIME, Batch, BatchFailed, batch_identity
from tests.unit.tasks.conftest import JOBS, FakeLambdaContext, World


class TestPlan:
    def test_a_plan_says_batch_size_concurrency_and_prefixes(self, world: World) -> None:
        """Four items need no batches larger than one; the Map itself tolerates all, since Finish judges."""
        world.put_texts({"a": "x", "b": "x", "c": "x", "d": "x"})

        plan = world.plan()

        assert (plan["estimated_items"], plan["max_items_per_batch"], plan["max_concurrency"]) == (4, 1, 1000)
        assert plan["tolerated_failure_percentage"] == 100.0
        assert plan["map_prefix"] == "runs/words-1/map"
        assert plan["source"]["key"] == "manifests/texts.csv"

    def test_a_missing_source_is_named(self, world: World) -> None:
        """The record is open by then: Close will mark it failed."""
        with pytest.raises(
            SourceError, match=r"s3://mapfold-data/nothing\.csv cannot be read: there is no such object"
        ):
            world.plan("s3://mapfold-data/nothing.csv")

        assert world.record()["status"] == "RUNNING"

    def test_planning_twice_keeps_the_start(self, world: World) -> None:
        """Lambda may run a handler twice: the same execution finds its own record."""
        world.put_texts({"a": "x"})
        world.plan()
        started = world.record()["started_at"]

        world.plan()

        assert world.record()["started_at"] == started
        assert world.record()["plan"] == {"estimated_items": "1", "max_items_per_batch": "1", "max_concurrency": "1000"}

    def test_a_run_id_of_another_execution_is_refused(self, world: World) -> None:
        """Two state machines can have executions of one name, but a run id is one folder."""
        world.put_texts({"a": "x"})
        item = {"run_id": {"S": world.run_id}, "execution": {"S": "another"}}
        world.dynamodb.put_item(TableName="mapfold-runs", Item=item)

        with pytest.raises(RunExists, match="already a run words-1"):
            world.plan()


class TestWork:
    def test_a_batch_becomes_one_partial(self, world: World) -> None:
        """The output is plain JSON though the job's partial is a dataclass."""
        world.put_texts({"a": "one two", "b": "three"})

        output = world.work(world.batch(["a", "b"]))

        lengths = {"3": 2, "5": 1}
        assert output["partial"] == {"words": 3, "by_length": lengths, "share": 0.0}
        assert (output["items"], output["failed"]) == (2, 0)

    def test_its_output_tells_which_items_it_had(self, world: World) -> None:
        """Failed ones included: the range of their places, and the digest that anybody can compute of the authors' items."""
        world.put_texts({"a": "one two", "bad": "fail"})

        output = world.work(world.batch(["a", "bad"], first=40))

        names = {40: "texts/a", 41: "texts/bad"}
        digests = (item_digest(i, {"bucket": "mapfold-data", "key": key}) for i, key in names.items())
        assert (output["ranges"], output["digest"]) == ([[40, 41]], as_text(add_up(digests)))

    def test_ranges_that_are_too_many_for_a_payload_go_to_s3(self, world: World) -> None:
        """A list with gaps has a range for each item: with thousands, the output would have no room for its partial."""
        items = [{"i": index, "v": {"bucket": "b", "key": "k"}} for index in range(0, 4_000, 2)]
        batch = Batch("words-1", {}, items, "child-1", listed=True)

        output = batch_identity(load_job(JOBS, "words"), batch, s3=world.s3, folder=world.folder)

        assert output["ranges"].keys() == {"$s3"}
        assert world.lines(output["ranges"]["$s3"]) == [[[index, index] for index in range(0, 4_000, 2)]]

    def test_a_failed_item_is_kept_apart(self, world: World) -> None:
        """A missing object, an exception and a value that JSON cannot carry each cost their own item only."""
        world.put_texts({"a": "one", "bad": "fail", "nan": "nan", "z": "two"})

        output = world.work(world.batch(["a", "bad", "gone", "nan", "z"], first=40))

        assert (output["items"], output["failed"], output["partial"]["words"]) == (5, 3, 2)
        assert output["failures"].startswith("runs/words-1/failed/000000000040-000000000044-")
        failures = world.lines(output["failures"])
        assert [(f["index"], f["error"]) for f in failures] == [
            (41, "ValueError"),
            (42, "FileNotFoundError"),
            (43, "JobError"),
        ]
        assert failures[0]["item"] == {"bucket": "mapfold-data", "key": "texts/bad"}
        assert failures[0]["traceback"].count("File ") == 1
        assert "in count" in failures[0]["traceback"]
        assert "s3://mapfold-data/texts/gone does not exist" in failures[1]["message"]
        assert "job 'words', @job.map: partial.share is nan" in failures[2]["message"]

    def test_an_item_that_asks_for_a_parameter_that_was_not_given_is_told_those_that_were(self, world: World) -> None:
        world.put_texts({"a": "one", "asks": "param"})
        batch = world.batch(["a", "asks"])
        batch["BatchInput"]["params"] = {"yaer": "3"}

        (failure,) = world.lines(world.work(batch)["failures"])

        assert failure["error"] == "KeyError"
        assert failure["message"] == "'year'. The run was given the parameters: yaer"

    def test_a_batch_whose_every_item_failed_fails(self, world: World) -> None:
        """Its failed items are in S3 all the same, and the error's name is BatchFailed."""
        world.put_texts({"bad": "fail"})

        with pytest.raises(
            BatchFailed, match="all items of the batch failed \\(2\\), the first with ValueError: texts/bad"
        ):
            world.work(world.batch(["bad", "gone"]))

        assert len(world.lines("runs/words-1/failed/000000000000-000000000001.jsonl")) == 2

    def test_items_left_when_the_time_runs_low_are_failed(self, world: World) -> None:
        """What was done before is kept; the message says how to mend it."""
        world.put_texts({"a": "one", "b": "two", "c": "three"})

        output = world.work(world.batch(["a", "b", "c"]), FakeLambdaContext(left=5_000, step=1_800))

        assert output["failed"] == 2
        failures = world.lines(output["failures"])
        assert {failure["error"] for failure in failures} == {OUT_OF_TIME}
        assert "batch_items" in failures[0]["message"]

    def test_a_batch_reports_its_seconds_and_the_size_of_its_partial(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """By job, beside the counts of its items, in one line of CloudWatch's embedded metric format."""
        world.put_texts({"a": "one two"})

        output = world.work(world.batch(["a"]))

        metrics = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line)
        assert (metrics["job"], metrics["ItemsSucceeded"]) == ("words", [1.0])
        assert metrics["PartialBytes"] == [len(json.dumps(output["partial"], separators=(",", ":")))]
        assert 0 < metrics["BatchSeconds"][0] < 60
        units = {metric["Name"]: metric["Unit"] for metric in metrics["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        assert (units["BatchSeconds"], units["PartialBytes"]) == ("Seconds", "Bytes")

    def test_setup_runs_once_in_a_warm_worker(self, world: World) -> None:
        """What it returned is the same object in every batch."""
        from tasks import work
        from tasks._worker import worker

        world.put_texts({"a": "one"})
        world.work(world.batch(["a"]))
        first = work._SET_UP[worker().job]
        world.work(world.batch(["a"]))

        assert work._SET_UP[worker().job] is first

    def test_an_item_that_plan_listed_is_the_authors_already(self, world: World) -> None:
        """A key of a manifest is decoded once: here the object's name is `a+b`, which would be `a b` otherwise."""
        world.put_texts({"a+b": "one two"})
        child = world.batch(["a+b"])
        child["BatchInput"]["listed"] = True

        assert world.work(child)["partial"]["words"] == 2

    def test_an_attempt_that_was_given_up_writes_over_no_list_of_its_successors(self, world: World) -> None:
        """The batch is still alive when its half, and the next attempt at all of it, have noted what failed there."""
        world.put_texts({"a": "fail", "b": "one", "c": "two", "d": "three"})
        half = world.work(world.batch(["a", "b"]))
        world.put_texts({"a": "one", "d": "fail"})
        again = world.work(world.batch(["a", "b", "c", "d"]))
        noted = [world.lines(output["failures"]) for output in (half, again)]
        world.put_texts({"b": "fail", "d": "three"})

        late = world.work(world.batch(["a", "b", "c", "d"]))

        assert [[line["index"] for line in lines] for lines in (*noted, world.lines(late["failures"]))] == [
            [0],
            [3],
            [1],
        ]
        assert [world.lines(output["failures"]) for output in (half, again)] == noted


class TestRun:
    def test_a_run_from_plan_to_result(self, world: World) -> None:
        """One failed item of four is within the job's 25 %: the run succeeds, and tells of it."""
        world.put_texts({"a": "one two", "b": "three", "bad": "fail", "c": "four"})
        plan = world.plan()
        outputs = [world.work(world.batch(["a", "bad"])), world.work(world.batch(["b", "c"], first=2))]
        state = world.mapped(plan, outputs)

        state["fold"] = world.fold(state)
        output = world.finish(state)

        assert state["fold"]["done"]
        assert output == {
            "run_id": "words-1",
            "status": "SUCCEEDED",
            "items": {"total": 4, "succeeded": 3, "failed": 1},
            "result": {"words": 4, "lengths": {"3": 2, "4": 1, "5": 1}, "run": "words-1"},
            "result_uri": "s3://mapfold-runs/runs/words-1/result.json",
            "failures_uri": "s3://mapfold-runs/runs/words-1/failures.jsonl",
            "duplicates": {"items": 0, "first": []},
        }
        assert [line["index"] for line in world.lines(world.folder.failures)] == [1]
        assert world.lines(world.folder.result) == [output["result"]]
        record = world.record()
        assert (record["status"], record["items"]["failed"], record["params"]) == ("SUCCEEDED", "1", {"year": "2013"})

    def test_more_failures_than_tolerated_fail_the_run_and_keep_the_result(self, world: World) -> None:
        """Failed children count by their items: those that work wrote, or their input with the child's error."""
        world.put_texts({"a": "one", "bad": "fail"})
        plan = world.plan()
        lost, whole = world.batch(["x"], first=2), world.batch(["bad", "gone"], first=4)
        with pytest.raises(BatchFailed):
            world.work(whole)
        cause = json.dumps({"errorMessage": "RequestId: 1 Error: exit status 3", "errorType": "Runtime.ExitError"})
        failed = [
            {"Input": json.dumps({**lost, "tries": 1}), "Error": "Runtime.ExitError", "Cause": cause},
            {"Input": json.dumps(whole), "Error": "BatchFailed", "Cause": "{}", "ExecutionArn": "arn:2"},
        ]
        pending = [{"Input": json.dumps(world.batch(["never"], first=9)), "Status": "PENDING"}]
        state = world.mapped(plan, [world.work(world.batch(["a"]))], failed=failed, pending=pending)
        state["fold"] = world.fold(state)

        output = world.finish(state)

        assert output["status"] == "FAILED"
        assert output["error"] == "Mapfold.ToleratedFailureExceeded"
        assert output["cause"].startswith("4 of 5 items failed, and job 'words' tolerates 25 % of the items. They are")
        assert output["result"]["words"] == 1
        lines = world.lines(world.folder.failures)
        assert [(line["index"], line["error"]) for line in lines] == [
            (2, "Runtime.ExitError"),
            (4, "ValueError"),
            (5, "FileNotFoundError"),
            (9, "Mapfold.NotStarted"),
        ]
        assert lines[0]["message"] == "its worker died twice, alone with this item: exit status 3"
        assert world.record()["status"] == "FAILED"

    def test_a_map_that_stopped_early_is_folded_from_its_manifest(self, world: World) -> None:
        """The error of a Map state names no manifest, so it is found under the run's prefix."""
        world.put_texts({"a": "one"})
        plan = world.plan()
        world.write_outcome([world.work(world.batch(["a"]))])
        state = {"plan": plan, "stopped": {"Error": "States.ExceedToleratedFailureThreshold", "Cause": ""}}

        state["isolate"] = world.isolate(state)

        output = world.finish({**state, "fold": world.fold(state)})

        assert output["items"] == {"total": 1, "succeeded": 1, "failed": 0}

    def test_a_run_of_no_items_has_no_result(self, world: World) -> None:
        """There is no partial, so the finish function is not called: the result is null, the run a success."""
        world.put_texts({})
        state = world.mapped(world.plan(), [])

        output = world.finish({**state, "fold": world.fold(state)})

        assert (output["status"], output["result"], output["items"]["total"]) == ("SUCCEEDED", None, 0)
        assert output["failures_uri"] is None

    def test_finishing_twice_gives_the_same(self, world: World) -> None:
        """Every write of a handler may be repeated."""
        world.put_texts({"a": "one"})
        plan = world.plan()
        state = world.mapped(plan, [world.work(world.batch(["a"]))])
        state["fold"] = world.fold(state)

        assert world.finish(state) == world.finish(state)


class TestClose:
    def test_the_record_keeps_the_cause_in_words(self, world: World) -> None:
        """Lambda's cause is a JSON document; its message is what a reader wants."""
        cause = json.dumps({"errorMessage": "no such thing", "errorType": "SourceError", "stackTrace": []})

        answer = world.close("SourceError", cause)

        assert answer == {"Error": "SourceError", "Cause": "no such thing"}
        record = world.record()
        assert (record["status"], record["cause"]) == ("FAILED", "no such thing")

    def test_a_run_that_succeeded_stays_so(self, world: World) -> None:
        """Finish closed the record, its answer was lost: Close must not turn the run's end around."""
        world.put_texts({"a": "one"})
        plan = world.plan()
        state = world.mapped(plan, [world.work(world.batch(["a"]))])
        world.finish({**state, "fold": world.fold(state)})

        world.close("Lambda.Unknown", "")

        assert world.record()["status"] == "SUCCEEDED"

    def test_a_run_of_another_execution_is_left_alone(self, world: World) -> None:
        """Plan refused a second job's run of the same name: its Close must not end the first one's record."""
        world.put_texts({"a": "one"})
        world.plan()
        second = replace(world, machine="mapfold-other")

        second.close("RunExists", "there is already a run words-1")

        record = world.record()
        assert (record["status"], record["execution"]) == ("RUNNING", world.execution)

    def test_a_broken_job_can_be_closed(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Close does not load the job: it may be what is broken."""
        monkeypatch.setenv("MAPFOLD_JOB", "nobody")

        world.close("UsageError", "no job 'nobody'")

        assert world.record()["job"] == "nobody"
