"""Results, failures and the API of map runs on one real `mapfold local`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.integration.embedded.maps import (
    HOLD,
    PASS,
    client_of,
    counted,
    distributed,
    ended,
    failure,
    history,
    only_map_run,
    output,
    start,
    until_running,
)
from tests.integration.embedded.numbers import text_of
from tests.integration.embedded.server import session, until

BUCKET = "results"
BAD_FAILS = {
    "C": {"Type": "Choice", "Choices": [{"Variable": "$.bad", "IsPresent": True, "Next": "F"}], "Default": "P"},
    "F": {"Type": "Fail", "Error": "E", "Cause": "C"},
    "P": {"Type": "Pass", "OutputPath": "$.n", "End": True},
}
ITEMS = [{"n": 1}, {"n": [2, [3]]}, {"bad": True}, {"n": "é"}]
"""The third fails; the others give their `n`."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with session(tmp_path_factory.mktemp("data")) as opened:
        opened.aws.s3.create_bucket(Bucket=BUCKET)
        yield opened.aws


def to_s3(**config: str) -> dict[str, Any]:
    """A ResultWriter to the bucket."""
    written = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "runs/"}}
    return {**written, "WriterConfig": config} if config else written


def files(aws: EmbeddedAws, run: dict[str, Any]) -> dict[str, str]:
    """Name -> text of the files in the map run's folder."""
    folder = f"runs/{run['mapRunArn'].rpartition(':')[2]}/"
    listed = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=folder)["Contents"]
    return {file["Key"].removeprefix(folder): text_of(aws, BUCKET, file["Key"]) for file in listed}


def values(text: str, output_type: str) -> list[Any]:
    """What a result file holds."""
    found: list[Any] = json.loads(text) if output_type == "JSON" else [json.loads(line) for line in text.splitlines()]
    return found


def is_success(record: dict[str, Any], machine: str) -> bool:
    """Whether it is the record of a child that succeeded, with its members in AWS's order."""
    return list(record) == [
        "ExecutionArn", "Input", "InputDetails", "Name", "Output", "OutputDetails", "RedriveCount", "RedriveStatus",
        "RedriveStatusReason", "StartDate", "StateMachineArn", "Status", "StopDate",
    ] and (record["Status"], record["StateMachineArn"], record["RedriveStatus"]) == (
        "SUCCEEDED", machine, "NOT_REDRIVABLE",
    )  # fmt: skip


def is_failure(record: dict[str, Any], machine: str) -> bool:
    """Whether it is the record of the child that failed."""
    return list(record) == [
        "Cause", "Error", "ExecutionArn", "Input", "InputDetails", "Name", "OutputDetails", "RedriveCount",
        "RedriveStatus", "StartDate", "StateMachineArn", "Status", "StopDate",
    ] and (record["Error"], record["Input"], record["Status"], record["RedriveStatus"]) == (
        "E", '{"bad":true}', "FAILED", "REDRIVABLE",
    )  # fmt: skip


PLAIN = {"COMPACT": [1, [2, [3]], "é"], "FLATTEN": [1, 2, [3], "é"]}


class TestResults:
    @pytest.mark.parametrize("output_type", ["JSON", "JSONL"])
    @pytest.mark.parametrize("transformation", ["NONE", "COMPACT", "FLATTEN"])
    def test_in_s3(self, aws: EmbeddedAws, transformation: str, output_type: str) -> None:
        """Files by status, named and measured by the manifest; a failed child always leaves its record."""
        writer = to_s3(Transformation=transformation, OutputType=output_type)
        described = ended(
            aws, distributed(BAD_FAILS, Label="Each", ToleratedFailureCount=1, ResultWriter=writer), ITEMS
        )
        run = only_map_run(aws, described["executionArn"])
        found = files(aws, run)

        end = "jsonl" if output_type == "JSONL" else "json"
        folder = f"runs/{run['mapRunArn'].rpartition(':')[2]}"
        assert json.loads(described["output"]) == {
            "MapRunArn": run["mapRunArn"],
            "ResultWriterDetails": {"Bucket": BUCKET, "Key": f"{folder}/manifest.json"},
        }
        assert found.keys() == {"manifest.json", f"SUCCEEDED_0.{end}", f"FAILED_0.{end}"}
        assert json.loads(found["manifest.json"]) == {
            "DestinationBucket": BUCKET,
            "MapRunArn": run["mapRunArn"],
            "ResultFiles": {
                "FAILED": [{"Key": f"{folder}/FAILED_0.{end}", "Size": len(found[f"FAILED_0.{end}"].encode())}],
                "PENDING": [],
                "SUCCEEDED": [
                    {"Key": f"{folder}/SUCCEEDED_0.{end}", "Size": len(found[f"SUCCEEDED_0.{end}"].encode())}
                ],
            },
        }
        machine = described["stateMachineArn"] + "/Each"
        succeeded, failed = (values(found[f"{status}_0.{end}"], output_type) for status in ("SUCCEEDED", "FAILED"))
        assert len(failed) == 1
        assert is_failure(failed[0], machine)
        if transformation == "NONE":
            assert [json.loads(record["Output"]) for record in succeeded] == PLAIN["COMPACT"]
            assert all(is_success(record, machine) for record in succeeded)
        else:
            assert succeeded == PLAIN[transformation]

    @pytest.mark.parametrize("output_type", ["JSON", "JSONL"])
    @pytest.mark.parametrize("transformation", ["NONE", "COMPACT", "FLATTEN"])
    def test_in_the_state_s_output(self, aws: EmbeddedAws, transformation: str, output_type: str) -> None:
        """Without a Resource: an array, in the order of the items, with the failed child's record in its place."""
        config = {"Transformation": transformation, "OutputType": output_type}
        each = distributed(BAD_FAILS, Label="Each", ToleratedFailureCount=1, ResultWriter={"WriterConfig": config})
        described = ended(aws, each, ITEMS)
        found = json.loads(described["output"])

        machine = described["stateMachineArn"] + "/Each"
        assert is_failure(found.pop(-2), machine)
        if transformation == "NONE":
            assert all(is_success(record, machine) for record in found)
            found = [json.loads(record["Output"]) for record in found]
        assert found == PLAIN.get(transformation, PLAIN["COMPACT"])

    def test_by_default(self, aws: EmbeddedAws) -> None:
        """Outputs without a ResultWriter; records in S3 with one that has no WriterConfig. No items: no files."""
        assert output(aws, distributed(), [1, [2]]) == [1, [2]]
        execution = ended(aws, distributed(ResultWriter=to_s3()), [1])["executionArn"]
        (record,) = json.loads(files(aws, only_map_run(aws, execution))["SUCCEEDED_0.json"])
        assert record["Output"] == "1"
        nothing = ended(aws, distributed(ResultWriter=to_s3()), [])["executionArn"]
        assert files(aws, only_map_run(aws, nothing)).keys() == {"manifest.json"}

    def test_that_are_too_large(self, aws: EmbeddedAws) -> None:
        """256 KiB in the state's output; all children ran, and the map run says so."""
        described = ended(aws, distributed(ItemSelector={"x": "y" * 1000}), list(range(300)))

        assert (described["status"], described["error"]) == ("FAILED", "States.DataLimitExceeded")
        assert described["cause"] == (
            "The state/task 'Each' returned a result with a size exceeding the maximum number of bytes service limit."
        )
        assert counted(only_map_run(aws, described["executionArn"]))[0]["succeeded"] == 300

    def test_that_cannot_be_written(self, aws: EmbeddedAws) -> None:
        """States.ResultWriterFailed in S3's words."""
        writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "no-such-bucket"}}
        error, cause = failure(aws, distributed(ResultWriter=writer), [1])

        assert error == "States.ResultWriterFailed"
        assert cause.startswith("The specified bucket does not exist (Service: S3, Status Code: 404, Request ID: ")


class TestTolerance:
    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({}, "FAILED"),
            ({"ToleratedFailureCount": 3}, "SUCCEEDED"),
            ({"ToleratedFailureCount": 2}, "FAILED"),
            ({"ToleratedFailurePercentage": 30}, "SUCCEEDED"),
            ({"ToleratedFailurePercentage": 29.9}, "FAILED"),
            ({"ToleratedFailureCount": 2, "ToleratedFailurePercentage": 100}, "FAILED"),
            ({"ToleratedFailureCount": 10, "ToleratedFailurePercentage": 20}, "FAILED"),
            ({"ToleratedFailurePercentage": 100}, "SUCCEEDED"),
        ],
    )
    def test_of_three_failures_among_ten(self, aws: EmbeddedAws, fields: dict[str, Any], status: str) -> None:
        """Either limit exceeded fails the run; with none, the first failure does."""
        items = [{"bad": True}] * 3 + [{"n": 1}] * 7
        described = ended(aws, distributed(BAD_FAILS, **fields), items)

        assert described["status"] == status

    @pytest.mark.parametrize(
        ("children", "redrive"), [("STANDARD", "REDRIVABLE"), ("EXPRESS", "REDRIVABLE_BY_MAP_RUN")]
    )
    def test_once_it_is_exceeded(self, aws: EmbeddedAws, children: str, redrive: str) -> None:
        """What has not begun is PENDING, in counts and in its file; history and cause in AWS's words."""
        each = distributed(BAD_FAILS, children=children, MaxConcurrency=1, ResultWriter=to_s3())
        execution = ended(aws, each, [{"n": 1}, {"bad": True}, {"n": 2}, {"n": 3}])["executionArn"]
        run = only_map_run(aws, execution)
        found = files(aws, run)

        assert run["status"] == "FAILED"
        assert counted(run)[0] == {"succeeded": 1, "failed": 1, "pending": 2, "total": 4, "resultsWritten": 2}
        pending = [{"Input": f'{{"n":{n}}}', "InputDetails": {"Included": True}, "Status": "PENDING"} for n in (2, 3)]
        assert json.loads(found["PENDING_0.json"]) == pending
        assert [record["RedriveStatus"] for record in json.loads(found["FAILED_0.json"])] == [redrive]
        why = {
            "error": "States.ExceedToleratedFailureThreshold",
            "cause": "The specified tolerated failure threshold was exceeded",
        }
        assert history(aws, execution)[4:] == [
            ("MapRunFailed", 4, why),
            ("MapStateFailed", 5, None),
            ("ExecutionFailed", 6, why),
        ]

    def test_a_retry_is_a_map_run_of_its_own(self, aws: EmbeddedAws) -> None:
        """No MapStateFailed between the two; a Catch is left with the last one's error."""
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        execution = ended(aws, distributed(BAD_FAILS, Retry=retry), [{"bad": True}])["executionArn"]

        assert len(client_of(aws).list_map_runs(executionArn=execution)["mapRuns"]) == 2
        assert [type_ for type_, _, _ in history(aws, execution)[2:]] == [
            "MapStateStarted", "MapRunStarted", "MapRunFailed",
            "MapStateStarted", "MapRunStarted", "MapRunFailed", "MapStateFailed", "ExecutionFailed",
        ]  # fmt: skip


@pytest.fixture
def held(aws: EmbeddedAws) -> Iterator[Callable[..., str]]:
    """Starts Maps whose children do not end by themselves; they are stopped after the test."""
    executions: list[str] = []

    def start_held(items: int, children: str = "STANDARD", **fields: Any) -> str:
        executions.append(start(aws, distributed(HOLD, children=children, Label="Each", **fields), list(range(items))))
        return executions[-1]

    yield start_held
    for execution in executions:
        client_of(aws).stop_execution(executionArn=execution)


class TestARunningMapRun:
    def test_its_concurrency_is_changed(self, aws: EmbeddedAws, held: Callable[..., str]) -> None:
        """More: they start at once. Fewer: none is stopped. 0: no limit. Items and executions are counted apart."""
        execution = held(30, MaxConcurrency=3, ItemBatcher={"MaxItemsPerBatch": 4})
        run = until_running(aws, execution, 3)
        arn, update = run["mapRunArn"], client_of(aws).update_map_run

        assert counted(run) == (
            {"pending": 18, "running": 12, "total": 30},
            {"pending": 5, "running": 3, "total": 8},
        )
        update(mapRunArn=arn, maxConcurrency=5)
        assert counted(until_running(aws, execution, 5))[0] == {"pending": 10, "running": 20, "total": 30}
        update(mapRunArn=arn, maxConcurrency=2, toleratedFailurePercentage=20.5)
        run = only_map_run(aws, execution)
        assert counted(run)[1] == {"pending": 3, "running": 5, "total": 8}
        assert (run["maxConcurrency"], run["toleratedFailurePercentage"]) == (2, 20.5)
        update(mapRunArn=arn, maxConcurrency=0)
        assert counted(until_running(aws, execution, 8))[0] == {"running": 30, "total": 30}

    def test_its_children_in_small_pages(self, aws: EmbeddedAws, held: Callable[..., str]) -> None:
        """While it runs and children end: each once, newest first, and by status."""
        execution = held(7)
        arn = until_running(aws, execution, 7)["mapRunArn"]
        sfn = client_of(aws)
        everyone = [child["executionArn"] for child in sfn.list_executions(mapRunArn=arn)["executions"]]
        sfn.stop_execution(executionArn=everyone[2])
        until(lambda: only_map_run(aws, execution)["itemCounts"]["aborted"])

        def paged(**more: str) -> list[str]:
            pages = sfn.get_paginator("list_executions").paginate(
                mapRunArn=arn, PaginationConfig={"PageSize": 2}, **more
            )
            return [child["executionArn"] for page in pages for child in page["executions"]]

        assert paged() == everyone
        assert paged(statusFilter="RUNNING") == [*everyone[:2], *everyone[3:]]
        assert paged(statusFilter="ABORTED") == [everyone[2]]
        assert paged(statusFilter="PENDING_REDRIVE") == []

    def test_one_child_is_stopped(self, aws: EmbeddedAws, held: Callable[..., str]) -> None:
        """It alone is ABORTED, with what was said; that does not count against the tolerance."""
        execution = held(2)
        arn = until_running(aws, execution, 2)["mapRunArn"]
        sfn = client_of(aws)
        child = sfn.list_executions(mapRunArn=arn)["executions"][0]["executionArn"]
        sfn.stop_execution(executionArn=child, error="E", cause="C")
        run = until(lambda: (now := only_map_run(aws, execution))["itemCounts"]["aborted"] and now)
        described = sfn.describe_execution(executionArn=child)

        assert (run["status"], counted(run)[0]) == (
            "RUNNING",
            {"running": 1, "aborted": 1, "total": 2},
        )
        assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "E", "C")
        assert history(aws, child)[-1] == ("ExecutionAborted", 0, {"error": "E", "cause": "C"})

    def test_what_waits_for_its_redrive(self, aws: EmbeddedAws, held: Callable[..., str]) -> None:
        """With one at once, all but one aborted child wait: PENDING_REDRIVE in counts, lists and descriptions."""
        execution = held(3)
        arn = until_running(aws, execution, 3)["mapRunArn"]
        sfn = client_of(aws)
        sfn.update_map_run(mapRunArn=arn, maxConcurrency=1)
        sfn.stop_execution(executionArn=execution)
        until_ended(sfn, execution)
        sfn.redrive_execution(executionArn=execution)
        run = until_running(aws, execution, 1)
        waiting = sfn.list_executions(mapRunArn=arn, statusFilter="PENDING_REDRIVE")["executions"]
        described = sfn.describe_execution(executionArn=waiting[0]["executionArn"])

        assert (run["redriveCount"], run["maxConcurrency"]) == (1, 1)
        assert counted(run)[0] == {"running": 1, "pendingRedrive": 2, "total": 3}
        assert (len(waiting), described["status"], described["redriveStatus"]) == (
            2,
            "PENDING_REDRIVE",
            "NOT_REDRIVABLE",
        )
        assert "stopDate" not in described

    def test_express_children(self, aws: EmbeddedAws) -> None:
        """They are described, have no history there, and cannot be stopped; their map run names them as STANDARD ones."""
        wait = {"W": {"Type": "Wait", "Seconds": 2, "End": True}}
        execution = start(aws, distributed(wait, children="EXPRESS", Label="Each"), [1])
        run = until_running(aws, execution, 1)
        sfn = client_of(aws)
        (child,) = sfn.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        arn = child["executionArn"]

        assert sfn.describe_execution(executionArn=arn)["mapRunArn"] == run["mapRunArn"]
        for refuse in (sfn.get_execution_history, sfn.stop_execution):
            with pytest.raises(sfn.exceptions.ClientError, match="StateMachineTypeNotSupported"):
                refuse(executionArn=arn)


class TestNames:
    def test_of_a_map_run_and_its_children(self, aws: EmbeddedAws) -> None:
        """Machine, label, and a uuid of version 3; the children's machine is the Map."""
        described = ended(aws, distributed(Label="Each"), [1])
        arn = only_map_run(aws, described["executionArn"])["mapRunArn"]
        (child,) = client_of(aws).list_executions(mapRunArn=arn)["executions"]

        home, machine = "arn:aws:states:us-east-1:123456789012", described["stateMachineArn"].rpartition(":")[2]
        uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-3[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
        assert_form(arn, f"{home}:mapRun:{machine}/Each:{uuid}")
        assert_form(child["executionArn"], f"{home}:execution:{machine}/Each:{uuid}")
        assert child["executionArn"].endswith(f":{child['name']}")
        assert child["stateMachineArn"] == f"{home}:stateMachine:{machine}/Each"

    def test_without_a_label(self, aws: EmbeddedAws) -> None:
        """One is made, like a uuid: the same for all map runs of the state."""
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        execution = ended(aws, distributed(BAD_FAILS, Retry=retry), [{"bad": True}])["executionArn"]
        runs = client_of(aws).list_map_runs(executionArn=execution)["mapRuns"]

        labels = {run["mapRunArn"].rpartition("/")[2].partition(":")[0] for run in runs}
        assert (len(runs), len(labels), len(labels.pop())) == (2, 1, 36)

    def test_of_nested_map_runs(self, aws: EmbeddedAws) -> None:
        """Each child of the outer one is the execution of an inner one, whose children have its label."""
        inner = distributed(PASS, Label="Inner")
        described = ended(aws, distributed({"In": inner}, Label="Outer"), [[1, 2], [3]])
        outer = only_map_run(aws, described["executionArn"])
        children = client_of(aws).list_executions(mapRunArn=outer["mapRunArn"])["executions"]
        runs = [only_map_run(aws, child["executionArn"]) for child in reversed(children)]

        assert json.loads(described["output"]) == [[1, 2], [3]]
        assert [run["itemCounts"]["succeeded"] for run in runs] == [2, 1]
        assert all("/Inner:" in run["mapRunArn"] and "/Outer:" in run["executionArn"] for run in runs)

    @pytest.mark.parametrize("action", ["start_execution", "update_state_machine", "delete_state_machine"])
    def test_of_the_children_s_machine(self, aws: EmbeddedAws, action: str) -> None:
        """It can be described, and nothing else."""
        machine = ended(aws, distributed(Label="Each"), [1])["stateMachineArn"] + "/Each"
        sfn = client_of(aws)
        more = {"roleArn": "arn:aws:iam::123456789012:role/any"} if action == "update_state_machine" else {}

        assert sfn.describe_state_machine(stateMachineArn=machine)["label"] == "Each"
        with pytest.raises(sfn.exceptions.ClientError, match="ValidationException"):
            getattr(sfn, action)(stateMachineArn=machine, **more)


def assert_form(text: str, pattern: str) -> None:
    """Compare a text with a regular expression, the whole of it."""
    assert re.fullmatch(pattern, text), f"{text} is not {pattern}"
