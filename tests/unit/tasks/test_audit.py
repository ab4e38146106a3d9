"""An audit of a run that the handlers made in moto, and of one that was tampered with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from mapfold.client.audit import Audit, CannotAudit, Kind
from mapfold.client.aws import AwsClient
from mapfold.client.target import Target
from mapfold.client.values import Event, Execution, Status
from mapfold.job import Job, load_job
from tests.unit.client.fakes import execution
from tests.unit.tasks.conftest import JOBS, World

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:mapfold-words"


@dataclass
class Runs:
    """The handlers' world as the client sees it: S3 and the runs table are moto's, executions are those that are told."""

    world: World
    states: dict[str, Any] = field(default_factory=dict)
    status: Status = Status.SUCCEEDED
    definition: str | None = None

    def __post_init__(self) -> None:
        self.target = Target(region="us-east-1", account="123456789012")
        self._aws = AwsClient(self.target, clients={"s3": self.world.s3, "dynamodb": self.world.dynamodb})

    def ended(self, run_id: str, state: Mapping[str, Any]) -> Execution:
        """Note that a run has ended with this state behind Isolate."""
        found = execution(f"arn:aws:states:us-east-1:123456789012:execution:mapfold-words:{run_id}", self.status)
        self.states[found.arn] = state
        return found

    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]:
        details = {"name": "Isolate", "output": json.dumps(self.states[arn])}
        yield Event(9, 8, "TaskStateExited", 1.0, {"name": "Finish", "output": "{}"})
        yield Event(8, 7, "TaskStateExited", 1.0, details)

    def find_definition_of(self, execution_arn: str) -> str | None:
        return self.definition

    def __getattr__(self, name: str) -> Any:
        return getattr(self._aws, name)


@dataclass
class Ended:
    """A run of five texts, of which one failed, ended by the handlers."""

    world: World
    runs: Runs
    job: Job
    execution: Execution
    outputs: list[dict[str, Any]]
    state: dict[str, Any]

    def audit(self, execution: Execution | None = None) -> tuple[list[tuple[Kind, int | None]], Audit]:
        audit = Audit(cast(Any, self.runs), execution or self.execution, self.job)
        return [(each.kind, each.index) for each in audit.findings()], audit

    def with_outputs(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        """Write the map run's results anew, changed."""
        outputs = json.loads(json.dumps(self.outputs))
        change(outputs)
        written = {**self.world.write_outcome(outputs), "stopped": False}
        state = {**self.state, "isolate": {**self.state["isolate"], "outcomes": [written]}}
        self.runs.ended(self.world.run_id, state)


@pytest.fixture
def ended(world: World) -> Ended:
    names = ["a", "b", "bad", "c", "d"]
    world.put_texts({name: "fail" if name == "bad" else "one two" for name in names})
    plan = world.plan()
    batches = [world.batch(names[:3]), world.batch(names[3:], first=3)]
    outputs = [world.work(batch) for batch in batches]
    state: dict[str, Any] = {"plan": plan, "map": world.write_outcome(outputs)}
    state["isolate"] = {"done": True, "outcomes": [{**state["map"], "stopped": False}]}
    state["fold"] = world.fold(state)
    world.finish(state)
    runs = Runs(world)
    return Ended(world, runs, load_job(JOBS, "words"), runs.ended(world.run_id, state), outputs, state)


class TestOneRun:
    def test_it_holds(self, ended: Ended) -> None:
        """Five items in the manifest: four succeeded, one failed, all compared; and the record says so too."""
        found, audit = ended.audit()

        totals = audit.totals
        assert found == []
        assert (totals.manifest, totals.succeeded, totals.failed, totals.compared) == (5, 4, 1, 5)
        assert audit.manifest == "s3://mapfold-data/manifests/texts.csv"

    def test_a_batch_that_is_lost(self, ended: Ended) -> None:
        """Its items are missing, and the record's numbers are not what is there."""
        ended.with_outputs(lambda outputs: outputs.pop())

        found, _ = ended.audit()

        assert found == [(Kind.MISSING, 3), (Kind.MISSING, 4), (Kind.COUNTS, None)]

    def test_a_batch_that_is_there_twice(self, ended: Ended) -> None:
        """Both are in the result."""
        ended.with_outputs(lambda outputs: outputs.append(outputs[1]))

        found, _ = ended.audit()

        assert found == [(Kind.TWICE, 3), (Kind.TWICE, 4)]

    def test_a_batch_of_other_items(self, ended: Ended) -> None:
        """The digest says so."""
        ended.with_outputs(lambda outputs: outputs[0].update(digest="0" * 16))

        found, _ = ended.audit()

        assert found == [(Kind.ALTERED, 0)]

    def test_a_failed_item_that_is_listed_no_more(self, ended: Ended) -> None:
        """It would not be retried."""
        ended.world.s3.delete_object(Bucket="mapfold-runs", Key=ended.world.folder.failures)

        found, _ = ended.audit()

        assert found == [(Kind.FAILURES, 0), (Kind.COUNTS, None)]

    def test_a_record_with_other_numbers(self, ended: Ended) -> None:
        """What `mapfold runs` and the API tell is held against what was counted."""
        ended.world.dynamodb.update_item(
            TableName="mapfold-runs",
            Key={"run_id": {"S": ended.world.run_id}},
            UpdateExpression="SET #items.succeeded = :five",
            ExpressionAttributeNames={"#items": "items"},
            ExpressionAttributeValues={":five": {"N": "5"}},
        )

        found, _ = ended.audit()

        assert found == [(Kind.COUNTS, None)]

    def test_batches_that_were_never_started_are_not_reached(self, ended: Ended) -> None:
        """A run that stopped early: their items are in failures.jsonl as such, and nobody says that they failed."""
        world = ended.world
        written = world.write_outcome(
            ended.outputs[:1], pending=[{"Input": json.dumps(world.batch(["c", "d"], first=3)), "Status": "PENDING"}]
        )
        state = {**ended.state, "map": written, "isolate": {"done": True, "outcomes": [{**written, "stopped": True}]}}
        state["fold"] = world.fold(state)
        world.dynamodb.delete_item(TableName="mapfold-runs", Key={"run_id": {"S": world.run_id}})  # it has ended well
        world.finish(state)

        found, audit = ended.audit(ended.runs.ended(world.run_id, state))

        totals = audit.totals
        assert found == []
        assert (totals.manifest, totals.succeeded, totals.failed, totals.not_reached) == (5, 2, 1, 2)


class TestWhatCannotBeAudited:
    def test_a_run_that_is_going_on(self, ended: Ended) -> None:
        """Its batches have not told anything yet."""
        running = replace(ended.execution, status=Status.RUNNING, stopped=None)

        with pytest.raises(CannotAudit, match=r"words-1 cannot be audited: it is RUNNING. Wait for its end"):
            ended.audit(running)

    def test_a_run_that_was_stopped_before_its_maps_had_ended(self, ended: Ended) -> None:
        """The way out is said."""
        execution = ended.runs.ended(ended.world.run_id, {"plan": {}, "isolate": {"done": False}})

        with pytest.raises(CannotAudit, match=r"before all its items had run.*mapfold redrive words-1"):
            ended.audit(execution)

    def test_a_source_that_was_overwritten(self, ended: Ended) -> None:
        """It is never taken for a difference."""
        ended.world.put_texts({"other": "one"})

        with pytest.raises(CannotAudit, match=r"source cannot be read as it was: .* overwritten since"):
            ended.audit()

    def test_a_folder_that_was_deleted(self, ended: Ended) -> None:
        """S3's lifecycle deletes folders of runs after a while."""
        for key in ended.world.run_keys():
            ended.world.s3.delete_object(Bucket="mapfold-runs", Key=key)

        with pytest.raises(CannotAudit, match="some of what it wrote is not there any more"):
            ended.audit()

    def test_a_file_of_results_that_was_deleted(self, ended: Ended) -> None:
        """Which one it is, is said."""
        key = next(key for key in ended.world.run_keys() if "SUCCEEDED" in key)
        ended.world.s3.delete_object(Bucket="mapfold-runs", Key=key)

        with pytest.raises(CannotAudit, match=f"s3://mapfold-runs/{key} is not there any more"):
            ended.audit()

    @pytest.mark.parametrize("which", ["SUCCEEDED_0.jsonl", "failures.jsonl"])
    def test_a_file_that_was_cut_off(self, ended: Ended, which: str) -> None:
        """The file and its line are named: it is no fault of ours."""
        key = next(key for key in ended.world.run_keys() if key.endswith(which))
        body = ended.world.s3.get_object(Bucket="mapfold-runs", Key=key)["Body"].read()
        ended.world.s3.put_object(Bucket="mapfold-runs", Key=key, Body=body[:-9])

        with pytest.raises(CannotAudit, match=rf"{key}, line \d, is not what was written there"):
            ended.audit()

    def test_an_output_that_is_none(self, ended: Ended) -> None:
        """It says too little of its batch."""
        ended.with_outputs(lambda outputs: outputs[0].pop("digest"))

        with pytest.raises(
            CannotAudit, match=r"outputs in s3://mapfold-runs/.* are not what was written there: KeyError"
        ):
            ended.audit()

    def test_outputs_of_an_earlier_release(self, ended: Ended) -> None:
        """They have no ranges."""
        ended.with_outputs(lambda outputs: [output.pop("ranges") for output in outputs])

        with pytest.raises(CannotAudit, match="do not tell which items they had"):
            ended.audit()

    def test_a_job_that_declares_its_source_otherwise_today(self, ended: Ended) -> None:
        """Its items would be others, though nothing is wrong with the run."""
        reader = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"}}
        ended.runs.definition = json.dumps({"States": {"Map": {"ItemReader": reader}}})

        with pytest.raises(CannotAudit, match=r"declares its source otherwise today. The run read it with .*JSONL"):
            ended.audit()


class TestRetries:
    @pytest.fixture
    def retried(self, ended: Ended) -> tuple[Ended, Execution]:
        """The failed item was mended and tried again, by a run of its own that stands on the first one."""
        world = replace(ended.world, run_id="words-2")
        item = {"bucket": "mapfold-data", "key": "texts/bad"}
        world.s3.put_object(Bucket="mapfold-data", Key="texts/bad", Body=b"good")
        key = world.folder.items
        world.s3.put_object(Bucket="mapfold-runs", Key=key, Body=json.dumps({"i": 2, "v": item}))
        child = world.batch(["bad"], first=2)
        child["BatchInput"] |= {"listed": True, "run_id": "words-2"}
        written = world.write_outcome([world.work(child)])
        plan = {**ended.state["plan"], "retry_of": "words-1", "listed": True}
        plan["list"] = {"bucket": "mapfold-runs", "key": key}
        state = {"plan": plan, "isolate": {"done": True, "outcomes": [{**written, "stopped": False}]}}
        world.dynamodb.put_item(
            TableName="mapfold-runs",
            Item={
                "run_id": {"S": "words-2"},
                "items": {"M": {"total": {"N": "5"}, "succeeded": {"N": "5"}, "failed": {"N": "0"}}},
            },
        )
        ended.runs.state_machines = lambda: iter([_Machine(MACHINE, "words")])  # type: ignore[attr-defined]
        ended.runs.find_execution = lambda arn: ended.execution if arn == ended.execution.arn else None  # type: ignore[attr-defined]
        return ended, ended.runs.ended("words-2", state)

    def test_a_retry_is_audited_with_what_it_stands_on(self, retried: tuple[Ended, Execution]) -> None:
        """All of the first run's manifest has succeeded in one of the two."""
        ended, execution = retried

        found, audit = ended.audit(execution)

        totals = audit.totals
        assert found == []
        assert audit.runs == ("words-1", "words-2")
        assert (totals.manifest, totals.succeeded, totals.failed) == (5, 5, 0)

    def test_a_retry_that_does_what_had_succeeded(self, retried: tuple[Ended, Execution]) -> None:
        """The item is in the result twice, and it is the retry that says so."""
        ended, execution = retried
        item = {"i": 0, "v": {"bucket": "mapfold-data", "key": "texts/a"}}
        ended.world.s3.put_object(Bucket="mapfold-runs", Key="runs/words-2/items.jsonl", Body=json.dumps(item))

        found, _ = ended.audit(execution)

        assert found[:2] == [(Kind.TWICE, 0), (Kind.MISSING, 2)]


@dataclass
class _Machine:
    arn: str
    job: str
