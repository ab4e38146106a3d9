"""The synthesized template deploys, to moto's CloudFormation, and a run is started there through the API's handler.

Step Functions, S3, DynamoDB and the rest are moto's here: the execution exists, and nothing carries it out. That the same
definition runs to its end is what the tests of the embedded AWS show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.stepfunctions.models import StepFunctionBackend

from mapfold.client import AwsClient, aws_target, runs, stack_target
from tasks import _client, api, start
from tests.infra.deployed import Deployed
from tests.infra.on_moto import ACCOUNT, REGION, STACK, MotoDeployment, deploy
from tests.infra.there import JOBS
from tests.unit.tasks.shared_events import rest_request, sqs_batch, upload

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
Invoke = Callable[[Handler, dict[str, Any]], dict[str, Any]]

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:mapfold-dev-flight-delays"


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """The variables of this process, which are put back at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
            patch.setenv(name, REGION)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "any")
        patch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        # Where moto carries out no executions it gives an empty text for this list.
        patch.setattr(StepFunctionBackend, "list_map_runs", lambda *_: {"mapRuns": []})
        yield patch


@pytest.fixture(scope="module")
def deployment(stage: Deployed, environment: pytest.MonkeyPatch) -> Iterator[MotoDeployment]:
    """An account of moto's with the stage in it, and every job."""
    with mock_aws():
        yield deploy(stage.assembly)
    _client.forget()


@pytest.fixture(scope="module")
def invoke(deployment: MotoDeployment, environment: pytest.MonkeyPatch) -> Invoke:
    """Call the handler of a shared function, with the environment that the template gives to that function."""

    def call(handler: Handler, event: dict[str, Any]) -> dict[str, Any]:
        function = deployment.function(handler.__module__.removeprefix("tasks."))
        for name, value in function["Environment"]["Variables"].items():
            environment.setenv(name, value)
        _client.forget()
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: 30_000,
            function_name=function["FunctionName"],
            memory_limit_in_mb=function["MemorySize"],
            invoked_function_arn=function["FunctionArn"],
            aws_request_id="11111111-2222-3333-4444-555555555555",
        )
        return handler(event, context)

    return call


@pytest.fixture(scope="module")
def started(invoke: Invoke) -> dict[str, Any]:
    """What POST /runs answered: a run of the name `first`."""
    asked = {"job": "flight-delays", "source": "s3://flights/manifest.csv", "params": {"year": "2013"}, "name": "first"}
    return body(invoke(api.handler, rest_request("POST", "/runs", body=asked)), 201)


def body(answer: dict[str, Any], status: int) -> dict[str, Any]:
    """The document of an answer that has the expected status."""
    assert answer["statusCode"] == status, answer["body"]
    return dict(json.loads(answer["body"]))


def executions() -> set[str]:
    """The names of all executions of the job's state machine."""
    found = boto3.client("stepfunctions").list_executions(stateMachineArn=MACHINE)["executions"]
    return {execution["name"] for execution in found}


def test_moto_makes_all_but_ten_types_of_resources(deployment: MotoDeployment) -> None:
    """
    What it does not know is not shown to deploy: policies of buckets, queues and topics, subscriptions, alarms, and of
    the HTTP API its stage, models, validator, gateway responses and the account's log role.
    """
    assert deployment.unknown == {
        "AWS::ApiGateway::Account",
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::Model",
        "AWS::ApiGateway::RequestValidator",
        "AWS::ApiGateway::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }


def test_the_outputs_are_what_the_command_line_reads(deployment: MotoDeployment, stage: Deployed) -> None:
    """Every key that `mapfold … --stack` and docs/deploy.md name; each bucket and table is there."""
    outputs = deployment.outputs

    assert (outputs["MachinePrefix"], outputs["Jobs"]) == ("mapfold-dev-", ",".join(JOBS))
    tables = [value.partition("=")[0] for key, value in outputs.items() if re.fullmatch(r"Table\d+", key)]
    assert sorted(tables) == sorted(stage.tables)
    assert "flight-delays-daily" in tables
    assert outputs.keys() >= {"StartQueueUrl", "DeadLetterQueueUrl", "ApiUrl", "RunEventsTopic", "DashboardUrl"}
    for bucket in ("DataBucket", "RunsBucket"):
        boto3.client("s3").head_bucket(Bucket=outputs[bucket])
    boto3.client("dynamodb").describe_table(TableName=outputs["RunsTable"])


def test_a_run_is_started_by_the_apis_handler(started: dict[str, Any]) -> None:
    """POST /runs makes an execution of the deployed state machine: its name is the run's id, its input what was asked."""
    execution = boto3.client("stepfunctions").describe_execution(executionArn=started["execution_arn"])

    assert (execution["stateMachineArn"], execution["name"]) == (MACHINE, "first")
    assert json.loads(execution["input"]) == {
        "run_id": "first",
        "job": "flight-delays",
        "source": {"uri": "s3://flights/manifest.csv"},
        "params": {"year": "2013"},
    }


def test_the_same_handler_lists_and_shows_the_run(started: dict[str, Any], invoke: Invoke) -> None:
    """GET /runs and GET /runs/RUN find what POST /runs started."""
    listed = body(invoke(api.handler, rest_request("GET", "/runs", job="flight-delays")), 200)
    shown = body(invoke(api.handler, rest_request("GET", "/runs/first")), 200)

    assert "first" in [run["run_id"] for run in listed["runs"]]
    assert (shown["run_id"], shown["job"], shown["status"]) == ("first", "flight-delays", "RUNNING")


def test_the_command_line_finds_the_run_by_the_stacks_name(started: dict[str, Any], deployment: MotoDeployment) -> None:
    """`mapfold runs --on aws --stack mapfold-dev` looks up the stack's outputs and needs nothing else."""
    aws = AwsClient(aws_target(profile=None, region=REGION, environment={}))

    found = aws.at(stack_target(aws, STACK))

    assert found.target.runs_bucket == deployment.outputs["RunsBucket"]
    assert started["run_id"] in [run.run_id for run in runs(found, job="flight-delays")]


def test_an_upload_starts_one_run_by_the_function_start(deployment: MotoDeployment, invoke: Invoke) -> None:
    """The event that a rule puts into the start queue, twice, with the function's own environment: one execution."""
    manifest = upload("manifests/flight-delays/today.csv", bucket=deployment.outputs["DataBucket"], version_id="v1")

    before = executions()

    answer = invoke(start.handler, sqs_batch(manifest, manifest))

    assert answer == {"batchItemFailures": []}
    assert len(executions() - before) == 1


def test_the_queue_feeds_the_function_start(deployment: MotoDeployment) -> None:
    """The event source mapping is the start queue's, its messages are answered for one by one."""
    (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]

    assert mapping["EventSourceArn"].endswith(deployment.outputs["StartQueueUrl"].rpartition("/")[2])
    assert mapping["FunctionArn"] == deployment.function("start")["FunctionArn"]


def test_an_upload_rule_sends_to_the_start_queue(deployment: MotoDeployment) -> None:
    """EventBridge has one rule for the job's folder of the data bucket, whose target is the queue."""
    events = boto3.client("events")
    patterns = {rule["Name"]: json.loads(rule.get("EventPattern", "{}")) for rule in events.list_rules()["Rules"]}
    wanted = {
        "bucket": {"name": [deployment.outputs["DataBucket"]]},
        "object": {"key": [{"prefix": "manifests/flight-delays/"}]},
    }
    (rule,) = (name for name, pattern in patterns.items() if pattern.get("detail") == wanted)

    (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]

    assert target["Arn"].endswith(deployment.outputs["StartQueueUrl"].rpartition("/")[2])
