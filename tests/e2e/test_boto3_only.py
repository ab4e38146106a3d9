"""The embedded AWS as a user of plain boto3 sees it: nothing of Mapfold is imported here."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.embedded import EmbeddedAws, until_ended

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.timeout(120)

ROLE = "arn:aws:iam::123456789012:role/any"
SQUARES = """
def handler(event, context):
    return [int(item["n"]) ** 2 for item in event["Items"]]
"""
NUMBERS = range(1, 101)


@pytest.fixture(scope="module")
def squares(embedded_aws: EmbeddedAws) -> str:
    """The ARN of a function made from a zip, which squares the items of its batch."""
    created = embedded_aws.functions.create_function(
        FunctionName="squares",
        Runtime="python3.11",
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": zipped("index.py", SQUARES)},
        Timeout=10,
    )
    return created["FunctionArn"]


@pytest.fixture(scope="module")
def numbers(embedded_aws: EmbeddedAws) -> str:
    """The bucket that holds numbers.csv, with 100 rows, and takes the results."""
    s3 = embedded_aws.s3
    s3.create_bucket(Bucket="numbers")
    s3.put_object(Bucket="numbers", Key="numbers.csv", Body="n\n" + "".join(f"{n}\n" for n in NUMBERS))
    return "numbers"


@pytest.fixture(scope="module")
def mapped(embedded_aws: EmbeddedAws, squares: str, numbers: str) -> str:
    """The ARN of an execution, ended, that squared all numbers in a Distributed Map, ten to a child."""
    machine = embedded_aws.stepfunctions.create_state_machine(
        name="squares", definition=json.dumps(distributed_map(squares, numbers)), roleArn=ROLE
    )
    started = embedded_aws.stepfunctions.start_execution(
        stateMachineArn=machine["stateMachineArn"], name="first", input="{}"
    )
    until_ended(embedded_aws.stepfunctions, started["executionArn"])
    return started["executionArn"]


class TestFunctions:
    def test_a_function_from_a_zip_answers(self, embedded_aws: EmbeddedAws, squares: str) -> None:
        """Invoke gives back what the handler returned, as JSON, with status 200 and no FunctionError."""
        answer = embedded_aws.functions.invoke(FunctionName=squares, Payload=json.dumps({"Items": [{"n": "7"}]}))

        assert json.load(answer["Payload"]) == [49]
        assert answer["StatusCode"] == 200
        assert "FunctionError" not in answer

    def test_a_handlers_exception_is_a_function_error(self, embedded_aws: EmbeddedAws, squares: str) -> None:
        """The call itself succeeds; the payload carries the exception's type, message and stack."""
        answer = embedded_aws.functions.invoke(FunctionName=squares, Payload=b"{}")

        error = json.load(answer["Payload"])
        assert answer["FunctionError"] == "Unhandled"
        assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'Items'")

    def test_functions_are_listed_and_described_until_they_are_deleted(self, embedded_aws: EmbeddedAws) -> None:
        """A deleted function is in no list, and asking for it is a ResourceNotFoundException."""
        functions = embedded_aws.functions
        functions.create_function(
            FunctionName="brief",
            Runtime="python3.11",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": zipped("index.py", SQUARES)},
        )
        described = functions.get_function(FunctionName="brief")["Configuration"]
        listed = {function["FunctionName"] for function in functions.list_functions()["Functions"]}

        functions.delete_function(FunctionName="brief")

        assert described["Handler"] == "index.handler"
        assert "brief" in listed
        assert "brief" not in {function["FunctionName"] for function in functions.list_functions()["Functions"]}
        with pytest.raises(functions.exceptions.ResourceNotFoundException):
            functions.get_function(FunctionName="brief")


class TestDistributedMap:
    def test_an_execution_over_a_csv_object_succeeds(self, embedded_aws: EmbeddedAws, mapped: str) -> None:
        """The Map's output names the ResultWriter's manifest, in the bucket that the definition gave."""
        described = embedded_aws.stepfunctions.describe_execution(executionArn=mapped)

        details = json.loads(described["output"])["ResultWriterDetails"]
        assert described["status"] == "SUCCEEDED"
        assert details["Bucket"] == "numbers"
        assert details["Key"].endswith("/manifest.json")

    def test_the_written_results_are_those_of_all_items(self, embedded_aws: EmbeddedAws, mapped: str) -> None:
        """The manifest names the files of the children that succeeded; together they hold every item's result."""
        described = embedded_aws.stepfunctions.describe_execution(executionArn=mapped)

        children = written_children(embedded_aws.s3, json.loads(described["output"])["ResultWriterDetails"])

        assert sorted(n for child in children for n in json.loads(child["Output"])) == [n * n for n in NUMBERS]

    def test_the_map_run_counts_items_and_executions(self, embedded_aws: EmbeddedAws, mapped: str) -> None:
        """Ten rows to a batch make ten child executions of 100 items."""
        (run,) = embedded_aws.stepfunctions.list_map_runs(executionArn=mapped)["mapRuns"]

        described = embedded_aws.stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"])

        assert described["status"] == "SUCCEEDED"
        assert (described["itemCounts"]["total"], described["itemCounts"]["succeeded"]) == (100, 100)
        assert (described["executionCounts"]["total"], described["executionCounts"]["succeeded"]) == (10, 10)

    def test_the_children_are_executions_of_the_map_run(self, embedded_aws: EmbeddedAws, mapped: str) -> None:
        """ListExecutions with the map run's ARN gives its children, each with a history of its own."""
        stepfunctions = embedded_aws.stepfunctions
        (run,) = stepfunctions.list_map_runs(executionArn=mapped)["mapRuns"]

        children = stepfunctions.list_executions(mapRunArn=run["mapRunArn"])["executions"]

        assert [child["status"] for child in children] == ["SUCCEEDED"] * 10
        history = stepfunctions.get_execution_history(executionArn=children[0]["executionArn"])["events"]
        assert [event["type"] for event in history] == [
            "ExecutionStarted",
            "TaskStateEntered",
            "LambdaFunctionScheduled",
            "LambdaFunctionStarted",
            "LambdaFunctionSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded",
        ]

    def test_the_history_tells_of_the_map_run(self, embedded_aws: EmbeddedAws, mapped: str) -> None:
        """The parent's history has the map run's events, and none of its children's."""
        events = embedded_aws.stepfunctions.get_execution_history(executionArn=mapped)["events"]

        assert [event["type"] for event in events] == [
            "ExecutionStarted",
            "MapStateEntered",
            "MapStateStarted",
            "MapRunStarted",
            "MapRunSucceeded",
            "MapStateSucceeded",
            "MapStateExited",
            "ExecutionSucceeded",
        ]
        assert [event["id"] for event in events] == list(range(1, 9))


class TestStop:
    def test_a_stopped_execution_is_aborted_with_the_given_reason(self, embedded_aws: EmbeddedAws) -> None:
        """StopExecution ends a waiting execution at once; error and cause are those of the call."""
        stepfunctions = embedded_aws.stepfunctions
        wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
        machine = stepfunctions.create_state_machine(name="waits", definition=json.dumps(wait), roleArn=ROLE)
        started = stepfunctions.start_execution(stateMachineArn=machine["stateMachineArn"])

        stepfunctions.stop_execution(executionArn=started["executionArn"], error="Enough", cause="waited too long")

        described = stepfunctions.describe_execution(executionArn=started["executionArn"])
        assert described["status"] == "ABORTED"
        assert (described["error"], described["cause"]) == ("Enough", "waited too long")


class TestVersionsAndLogs:
    def test_an_alias_runs_its_version_and_its_events_are_logged(self, embedded_aws: EmbeddedAws) -> None:
        """
        An execution that an alias started runs the version's definition, though the machine has another one by now. Its
        events are in the log group, in a stream with AWS's form of name; a log group that is not there is refused.
        """
        stepfunctions, logs = embedded_aws.stepfunctions, embedded_aws.client("logs")
        logs.create_log_group(logGroupName="/aws/vendedlogs/states/told")
        made: dict[str, Any] = {"name": "told", "roleArn": ROLE, "definition": json.dumps(passing("first"))}
        machine: Any = stepfunctions.create_state_machine(**made, publish=True, loggingConfiguration=logging_to("told"))
        arn = machine["stateMachineArn"]
        stepfunctions.update_state_machine(stateMachineArn=arn, definition=json.dumps(passing("second")))
        alias = stepfunctions.create_state_machine_alias(
            name="live", routingConfiguration=[{"stateMachineVersionArn": f"{arn}:1", "weight": 100}]
        )["stateMachineAliasArn"]

        execution = stepfunctions.start_execution(stateMachineArn=alias, name="one")["executionArn"]
        until_ended(stepfunctions, execution)

        described = stepfunctions.describe_execution(executionArn=execution)
        assert (described["output"], described["stateMachineAliasArn"]) == ('"first"', alias)
        lines = logged(logs, "/aws/vendedlogs/states/told", count=4)
        assert [line["type"] for line in lines] == [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]
        assert lines[0]["details"]["stateMachineVersionArn"] == f"{arn}:1"
        with pytest.raises(stepfunctions.exceptions.InvalidLoggingConfiguration):
            stepfunctions.create_state_machine(**made | {"name": "lost"}, loggingConfiguration=logging_to("lost"))


def passing(result: str) -> dict[str, Any]:
    return {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": result, "End": True}}}


def logging_to(name: str) -> Any:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/{name}:*"
    return {
        "level": "ALL",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
    }


def logged(logs: Any, group: str, *, count: int) -> list[Any]:
    """The lines of a log group's only stream, once there are so many."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            name = stream["logStreamName"]
            events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
            if len(events) >= count:
                assert re.fullmatch(r"states/told/\d{4}(-\d\d){4}/[0-9a-f]{8}", name)
                return [json.loads(event["message"]) for event in events]
        time.sleep(0.1)
    raise AssertionError("the lines did not come")


def distributed_map(function_arn: str, bucket: str) -> dict[str, Any]:
    return {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "Label": "Each",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                    "Parameters": {"Bucket": bucket, "Key": "numbers.csv"},
                },
                "ItemBatcher": {"MaxItemsPerBatch": 10},
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Square",
                    "States": {"Square": {"Type": "Task", "Resource": function_arn, "End": True}},
                },
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {"Bucket": bucket, "Prefix": "results"},
                },
                "MaxConcurrency": 4,
                "End": True,
            }
        },
    }


def written_children(s3: S3Client, details: dict[str, str]) -> list[dict[str, Any]]:
    """The children's records in the files of kind SUCCEEDED that the ResultWriter's manifest names."""
    manifest = json.load(s3.get_object(Bucket=details["Bucket"], Key=details["Key"])["Body"])
    files = manifest["ResultFiles"]["SUCCEEDED"]
    bodies = [s3.get_object(Bucket=manifest["DestinationBucket"], Key=file["Key"])["Body"] for file in files]
    return [child for body in bodies for child in json.load(body)]


def zipped(name: str, source: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(name, source)
    return archive.getvalue()
