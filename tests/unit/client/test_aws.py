"""The module that knows botocore: answers become values, refusals become our errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from mapfold.client import AwsClient, NotRedrivable, RunNameTaken, Target, Unreachable, local_target
from mapfold.client.values import Counts, Event, Status
from mapfold.errors import ServiceError, UsageError
from tests.unit.client.fakes import GROUPS_RUN, MACHINES, MAP_RUN, RUN

MOMENT = datetime.fromtimestamp(100.5, UTC)
COUNTS = {
    "pending": 1,
    "running": 2,
    "succeeded": 3,
    "failed": 4,
    "timedOut": 5,
    "aborted": 6,
    "total": 21,
    "resultsWritten": 0,
}


class Stubbed:
    """An AwsClient whose Step Functions, Lambda and S3 answer what a test says."""

    def __init__(self) -> None:
        self.clients = clients = {
            name: boto3.client(
                name,
                region_name="us-east-1",
                aws_access_key_id="a",
                aws_secret_access_key="b",
            )
            for name in ("stepfunctions", "lambda", "s3", "dynamodb")
        }
        self.stubs = [Stubber(client) for client in clients.values()]
        self.sfn, self.functions, self.s3, self.tables = self.stubs
        target = local_target(service_url="http://127.0.0.1:1", aws_url="http://127.0.0.1:1", environment={})
        self.aws = AwsClient(target, clients=clients)
        for stub in self.stubs:
            stub.activate()


@pytest.fixture(scope="module")
def made() -> Stubbed:
    """Clients cost a tenth of a second each to make."""
    return Stubbed()


@pytest.fixture
def stubbed(made: Stubbed) -> Iterator[Stubbed]:
    """Each test has its own answers, and has used all of them in the end."""
    yield made
    for stub in made.stubs:
        stub.assert_no_pending_responses()


def test_a_profile_in_the_environment_is_nothing_to_the_embedded_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many have AWS_PROFILE set all day; here it need not even exist."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

    aws = AwsClient(local_target(service_url="http://127.0.0.1:1", aws_url="http://127.0.0.1:1", environment={}))

    assert aws.s3_client().meta.endpoint_url == "http://127.0.0.1:1"


def test_an_execution_is_described_in_epoch_seconds(stubbed: Stubbed) -> None:
    """Fields that AWS leaves out are None."""
    facts = {"executionArn": RUN, "stateMachineArn": MACHINES + "mapfold-flights", "name": "r1"}
    stubbed.sfn.add_response("describe_execution", {**facts, "status": "RUNNING", "startDate": MOMENT})

    execution = stubbed.aws.find_execution(RUN)

    assert execution is not None
    assert (execution.status, execution.started, execution.stopped) == (Status.RUNNING, 100.5, None)


def test_an_execution_that_is_not_there_is_none(stubbed: Stubbed) -> None:
    """Not an error: names are tried on several state machines."""
    stubbed.sfn.add_client_error("describe_execution", "ExecutionDoesNotExist")

    assert stubbed.aws.find_execution(RUN) is None


def test_any_other_refusal_is_a_service_error_with_its_code(stubbed: Stubbed) -> None:
    """With the operation, and the words of AWS."""
    stubbed.sfn.add_client_error("describe_execution", "InvalidArn", "Invalid Arn: 'x'")

    with pytest.raises(ServiceError, match="DescribeExecution was refused: InvalidArn: Invalid Arn") as caught:
        stubbed.aws.find_execution("x")

    assert caught.value.code == "InvalidArn"


def test_a_name_that_exists_is_a_class_of_its_own(stubbed: Stubbed) -> None:
    """The command line says something else about it."""
    stubbed.sfn.add_client_error("start_execution", "ExecutionAlreadyExists")

    with pytest.raises(RunNameTaken):
        stubbed.aws.start_execution(MACHINES + "mapfold-flights", name="r1", input="{}")


def test_a_table_that_another_command_makes_meanwhile_is_as_good(stubbed: Stubbed) -> None:
    """Two runs that start at once both find none, and one of them is refused: it looks again."""
    key = [{"AttributeName": "day", "KeyType": "HASH"}]
    stubbed.tables.add_client_error("describe_table", "ResourceNotFoundException")
    stubbed.tables.add_client_error("create_table", "ResourceInUseException", "Table already exists: daily")
    stubbed.tables.add_response("describe_table", {"Table": {"KeySchema": key}})

    assert stubbed.aws.ensure_table("daily", ("day",)) is False


def test_a_table_with_another_key_is_the_jobs_mistake(stubbed: Stubbed) -> None:
    """Nothing failed on AWS: the command line ends with 2, and says both keys and the way out."""
    key = [{"AttributeName": "carrier", "KeyType": "HASH"}, {"AttributeName": "day", "KeyType": "RANGE"}]
    stubbed.tables.add_response("describe_table", {"Table": {"KeySchema": key}})

    with pytest.raises(UsageError, match="key carrier and day, and the job declares day"):
        stubbed.aws.ensure_table("daily", ("day",))


def test_a_function_that_another_command_makes_meanwhile_is_not_made(stubbed: Stubbed) -> None:
    """The deployment looks whether it is the one that it wants."""
    stubbed.functions.add_client_error("create_function", "ResourceConflictException")

    assert stubbed.aws.create_folder_function("f", **WANTED) is False


WANTED: Any = {
    "folder": "/f",
    "handler": "h",
    "runtime": "python3.11",
    "timeout_seconds": 1,
    "memory_mb": 128,
    "environment": {},
}


def test_a_function_is_changed_in_place_if_nobody_else_changed_it_meanwhile(stubbed: Stubbed) -> None:
    """Its settings are given to the revision that the code has made, so that both are of one command."""
    stubbed.functions.add_response(
        "update_function_code",
        {"RevisionId": "r1"},
        {"FunctionName": "f", "S3Bucket": "mapfold-local", "S3Key": "/f"},
    )
    stubbed.functions.add_client_error(
        "update_function_configuration",
        "PreconditionFailedException",
        expected_params={
            "FunctionName": "f",
            "Runtime": "python3.11",
            "Handler": "h",
            "Timeout": 1,
            "MemorySize": 128,
            "Environment": {"Variables": {}},
            "RevisionId": "r1",
        },
    )
    stubbed.functions.add_client_error("update_function_code", "ResourceNotFoundException")

    assert stubbed.aws.update_folder_function("f", **WANTED) is False
    assert stubbed.aws.update_folder_function("f", **WANTED) is False


def test_children_are_paged_as_they_are_taken(stubbed: Stubbed) -> None:
    """The second page is not asked for before the first has been gone through."""
    child = {"stateMachineArn": MACHINES + "m", "status": "FAILED", "startDate": MOMENT, "itemCount": 8}
    asked = {"mapRunArn": MAP_RUN, "statusFilter": "FAILED", "maxResults": 1000}
    first = {"executions": [{**child, "executionArn": RUN, "name": "a"}], "nextToken": "t"}
    stubbed.sfn.add_response("list_executions", first, asked)
    children = stubbed.aws.children(MAP_RUN, Status.FAILED)

    assert next(children).items == 8

    second = {"executions": [{**child, "executionArn": RUN, "name": "b"}]}
    stubbed.sfn.add_response("list_executions", second, {**asked, "nextToken": "t"})
    assert [child.name for child in children] == ["b"]


def test_map_runs_come_oldest_first(stubbed: Stubbed) -> None:
    """ListMapRuns promises no order."""
    common = {"executionArn": RUN, "stateMachineArn": MACHINES + "m"}
    later = {**common, "mapRunArn": GROUPS_RUN, "startDate": datetime.fromtimestamp(200, UTC)}
    earlier = {**common, "mapRunArn": MAP_RUN, "startDate": datetime.fromtimestamp(100, UTC)}
    stubbed.sfn.add_response("list_map_runs", {"mapRuns": [later, earlier]})

    assert [run.label for run in stubbed.aws.map_runs(RUN)] == ["flights", "FoldGroups"]


def test_a_map_run_counts_items_and_children_apart(stubbed: Stubbed) -> None:
    """`done` are those that have ended, well or badly."""
    answer = {
        "mapRunArn": MAP_RUN,
        "executionArn": RUN,
        "status": "RUNNING",
        "startDate": MOMENT,
        "maxConcurrency": 10,
        "toleratedFailurePercentage": 0.0,
        "toleratedFailureCount": 0,
        "itemCounts": COUNTS,
        "executionCounts": {**COUNTS, "total": 30},
    }
    stubbed.sfn.add_response("describe_map_run", answer)

    run = stubbed.aws.map_run(MAP_RUN)

    assert run.items == Counts(total=21, pending=1, running=2, succeeded=3, failed=4, timed_out=5, aborted=6)
    assert (run.items.done, run.children.total) == (18, 30)


def test_an_event_has_its_details_whatever_they_are_called(stubbed: Stubbed) -> None:
    """The name of the details object depends on the type (history-events.md 2)."""
    entered = {
        "timestamp": MOMENT,
        "type": "TaskStateEntered",
        "id": 2,
        "previousEventId": 0,
        "stateEnteredEventDetails": {"name": "Plan"},
    }
    bare = {"timestamp": MOMENT, "type": "MapRunSucceeded", "id": 3, "previousEventId": 2}
    stubbed.sfn.add_response("get_execution_history", {"events": [entered, bare]})

    assert list(stubbed.aws.events(RUN)) == [
        Event(2, 0, "TaskStateEntered", 100.5, {"name": "Plan"}),
        Event(3, 2, "MapRunSucceeded", 100.5, {}),
    ]


def test_an_express_execution_has_no_events(stubbed: Stubbed) -> None:
    """GetExecutionHistory refuses EXPRESS, a map run's children included; that is no error of whoever looks."""
    stubbed.sfn.add_client_error("get_execution_history", "StateMachineTypeNotSupported")
    aws = AwsClient(Target(region="us-east-1"), clients=stubbed.clients)

    assert list(aws.events(RUN)) == []


def test_an_object_that_is_not_there_has_no_lines(stubbed: Stubbed) -> None:
    """Neither has one in a bucket that is not there."""
    stubbed.s3.add_client_error("get_object", "NoSuchKey")

    assert stubbed.aws.object_lines("b", "k") is None


@pytest.mark.parametrize("listed", [{}, {"Contents": [{"Key": "runs/r/result.json.bak"}]}])
def test_an_object_that_is_not_there_is_told_from_one_that_may_not_be_read(
    stubbed: Stubbed, listed: dict[str, Any]
) -> None:
    """S3 refuses both alike to a role that may list some prefixes only; the listing of the key says which it is."""
    key = "runs/r/result.json"
    stubbed.s3.add_client_error("head_object", "403", http_status_code=403)
    stubbed.s3.add_response("list_objects_v2", listed, {"Bucket": "b", "Prefix": key})

    assert stubbed.aws.object_size("b", key) is None


@pytest.mark.parametrize("may_list", [True, False])
def test_an_object_that_may_not_be_read_is_refused(stubbed: Stubbed, may_list: bool) -> None:
    """It is there, or nobody says that it is not."""
    stubbed.s3.add_client_error("get_object", "AccessDenied", http_status_code=403)
    if may_list:
        stubbed.s3.add_response("list_objects_v2", {"Contents": [{"Key": "k"}]}, {"Bucket": "b", "Prefix": "k"})
    else:
        stubbed.s3.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)

    with pytest.raises(ServiceError, match="GetObject was refused: AccessDenied"):
        stubbed.aws.object_lines("b", "k")


def test_a_function_that_is_not_there_is_none(stubbed: Stubbed) -> None:
    """A deployment creates it then."""
    stubbed.functions.add_client_error("get_function", "ResourceNotFoundException")

    assert stubbed.aws.find_function("f") is None


@pytest.mark.parametrize("refused", ["ConditionalCheckFailedException", "ResourceNotFoundException"])
def test_a_record_that_is_closed_or_missing_is_left_alone(stubbed: Stubbed, refused: str) -> None:
    """The run ended by itself just before, or was stopped before its record was opened."""
    stubbed.tables.add_client_error("update_item", refused)

    closed = stubbed.aws.abort_record(RUN, stopped=datetime(2026, 1, 1, tzinfo=UTC), error="E", cause="c")

    assert not closed


def test_an_open_record_of_this_execution_is_closed(stubbed: Stubbed) -> None:
    """On the condition that it is this execution's, and open."""
    values = {"execution": RUN, "from": "RUNNING", "to": "ABORTED", "error": "E", "cause": "c"}
    values["stopped_at"] = "2026-01-01T00:00:00.000Z"
    stubbed.tables.add_response(
        "update_item",
        {},
        {
            "TableName": "mapfold-runs",
            "Key": {"run_id": {"S": RUN.rpartition(":")[2]}},
            "UpdateExpression": "SET #status = :to, #stopped_at = :stopped_at, #error = :error, #cause = :cause",
            "ConditionExpression": "#execution = :execution AND #status = :from",
            "ExpressionAttributeNames": ANY,
            "ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()},
        },
    )

    assert stubbed.aws.abort_record(RUN, stopped=datetime(2026, 1, 1, tzinfo=UTC), error="E", cause="c")


def test_the_record_of_a_stopped_run_is_opened_again(stubbed: Stubbed) -> None:
    """Without what the stop wrote into it; on the condition that it is this execution's, and ABORTED."""
    values = {"execution": RUN, "from": "ABORTED", "to": "RUNNING"}
    stubbed.tables.add_response(
        "update_item",
        {},
        {
            "TableName": "mapfold-runs",
            "Key": {"run_id": {"S": RUN.rpartition(":")[2]}},
            "UpdateExpression": "SET #status = :to REMOVE #stopped_at, #error, #cause",
            "ConditionExpression": "#execution = :execution AND #status = :from",
            "ExpressionAttributeNames": {f"#{n}": n for n in ("execution", "status", "stopped_at", "error", "cause")},
            "ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()},
        },
    )

    assert stubbed.aws.reopen_record(RUN)


def test_a_record_that_the_state_machine_closed_stays_closed(stubbed: Stubbed) -> None:
    """Nothing that a redrive runs would close it again."""
    stubbed.tables.add_client_error("update_item", "ConditionalCheckFailedException")

    assert not stubbed.aws.reopen_record(RUN)


def test_a_redrive_that_is_refused_says_why(stubbed: Stubbed) -> None:
    """A class of its own, with the service's reason."""
    stubbed.sfn.add_client_error("redrive_execution", "ExecutionNotRedrivable", "it is too old")

    with pytest.raises(NotRedrivable, match="run r1 cannot be redriven: it is too old") as caught:
        stubbed.aws.redrive_execution(RUN)

    assert caught.value.exit_code == 2


def test_an_execution_tells_its_redrives(stubbed: Stubbed) -> None:
    """How many, when the last was, and whether it may be redriven again."""
    facts = {"executionArn": RUN, "stateMachineArn": MACHINES + "mapfold-flights", "name": "r1", "startDate": MOMENT}
    redrives = {"redriveCount": 2, "redriveDate": MOMENT, "redriveStatus": "NOT_REDRIVABLE"}
    answer = {**facts, **redrives, "status": "FAILED", "redriveStatusReason": "it is too old"}
    stubbed.sfn.add_response("describe_execution", answer)

    execution = stubbed.aws.find_execution(RUN)

    assert execution is not None
    assert (execution.redrive_count, execution.redriven) == (2, 100.5)
    assert (execution.redrive_status, execution.not_redrivable_because) == ("NOT_REDRIVABLE", "it is too old")


def test_a_bucket_that_another_command_makes_meanwhile_is_as_good(stubbed: Stubbed) -> None:
    """Two runs that start at once find nothing, and both create it: it is there, but not by this one."""
    stubbed.s3.add_client_error("head_bucket", "404")
    stubbed.s3.add_client_error("create_bucket", "BucketAlreadyOwnedByYou")

    assert stubbed.aws.ensure_bucket("mapfold-runs") is False


class Broken:
    """A boto3 client whose calls end in an exception of botocore."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe_execution(self, **_arguments: object) -> object:
        raise self.error


def broken(error: Exception) -> AwsClient:
    target = local_target(service_url="http://127.0.0.1:1", aws_url="http://127.0.0.1:1", environment={})
    return AwsClient(target, clients={"stepfunctions": Broken(error)})


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="http://x"), ReadTimeoutError(endpoint_url="http://x")]
)
def test_no_answer_is_unreachable(error: Exception) -> None:
    """The embedded AWS has ended, or the network is away."""
    with pytest.raises(Unreachable, match="http://x"):
        broken(error).find_execution(RUN)


def test_missing_credentials_are_no_matter_of_reach() -> None:
    """They are said in botocore's words, and with what helps."""
    with pytest.raises(ServiceError, match=r"credentials.*AWS_PROFILE.*--profile") as caught:
        broken(NoCredentialsError()).find_execution(RUN)

    assert not isinstance(caught.value, Unreachable)


class TestStage:
    """Against moto, for what a stub would only repeat."""

    @pytest.fixture
    def aws(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClient]:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        with mock_aws():
            yield AwsClient(Target(region="us-east-1", machine_prefix="mapfold-dev-"))

    def test_state_machines_of_other_stages_are_left_out(self, aws: AwsClient) -> None:
        """They are told by the prefix of their names."""
        for name in ("mapfold-dev-flights", "mapfold-prod-flights", "billing"):
            aws.create_state_machine(name, '{"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}')

        assert [machine.job for machine in aws.state_machines()] == ["flights"]

    def test_executions_are_paged_by_tokens_of_step_functions(self, aws: AwsClient) -> None:
        """Newest first, and chosen by their status."""
        aws.create_state_machine("mapfold-dev-flights", '{"StartAt": "a", "States": {"a": {"Type": "Succeed"}}}')
        arn = aws.machine_arn("flights")
        for name in ("a", "b", "c"):
            aws.start_execution(arn, name=name, input="{}")

        first = aws.execution_page(arn, size=2)
        second = aws.execution_page(arn, size=2, token=first.next)

        assert [len(first.items), len(second.items), second.next] == [2, 1, None]
        assert {line.name for line in first.items + second.items} == {"a", "b", "c"}
        assert aws.execution_page(arn, status=Status.ABORTED).items == ()

    def test_a_range_of_an_object_comes_with_its_size(self, aws: AwsClient) -> None:
        """Behind its end there is nothing; an object that is not there is None."""
        aws.ensure_bucket("mapfold-runs")
        aws.s3_client().put_object(Bucket="mapfold-runs", Key="k", Body=b"0123456789")

        assert aws.object_range("mapfold-runs", "k", start=4, length=3) == (b"456", 10)
        assert aws.object_range("mapfold-runs", "k", start=8, length=100) == (b"89", 10)
        assert aws.object_range("mapfold-runs", "k", start=10, length=3) == (b"", 10)
        assert aws.object_range("mapfold-runs", "none", start=0, length=3) is None

    def test_keys_are_listed_behind_a_key(self, aws: AwsClient) -> None:
        """As S3 sorts them."""
        aws.ensure_bucket("mapfold-runs")
        for key in ("p/1", "p/2", "p/3", "q"):
            aws.s3_client().put_object(Bucket="mapfold-runs", Key=key, Body=b"")

        assert list(aws.object_keys("mapfold-runs", "p/", after="p/1")) == ["p/2", "p/3"]

    def test_a_link_is_signed_by_version_four(self, aws: AwsClient) -> None:
        """An object that a KMS key encrypts cannot be had with an older signature."""
        link = aws.object_link("mapfold-runs", "k", seconds=60)

        assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
        assert "X-Amz-Expires=60" in link
