"""Optimized integrations: metadata, older names of errors, and what some add or take as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.local.engine.integrations.catalog import Catalog
from mapfold.local.engine.integrations.jobs import JOBS
from mapfold.local.engine.integrations.optimized_services import OPTIMIZED_SERVICES
from mapfold.local.engine.integrations.services import CALL_OR_TOKEN, NESTED_PATTERNS
from mapfold.states.integration_names import PATTERNS
from tests.unit.engine.world import World
from tests.unit.integrations.fakes import REQUEST, FakeClients, refused, unreachable, unreadable
from tests.unit.integrations.tasks import call, call_with_input, failure, middle

METADATA = {
    "SdkHttpMetadata": {
        "AllHttpHeaders": {
            "Connection": ["keep-alive"],
            "Content-Type": ["application/x-amz-json-1.0"],
            "x-amzn-RequestId": [REQUEST],
        },
        "HttpHeaders": {
            "Connection": "keep-alive",
            "Content-Type": "application/x-amz-json-1.0",
            "x-amzn-RequestId": REQUEST,
        },
        "HttpStatusCode": 200,
    },
    "SdkResponseMetadata": {"RequestId": REQUEST},
}


class TestResults:
    async def test_metadata_stands_between_the_members_by_name(self, world: World, clients: FakeClients) -> None:
        """Names as the API has them, with the answer's headers as AWS spells them, in order of their names."""
        clients.answer("sqs", "SendMessage", {"MessageId": "m", "MD5OfMessageBody": "5"})

        ended = await world.run(call("sqs:sendMessage", {"QueueUrl": "q", "MessageBody": {"a": 1}}))

        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
        assert ended.output == {"MD5OfMessageBody": "5", "MessageId": "m", **METADATA}
        assert list(ended.output) == ["MD5OfMessageBody", "MessageId", "SdkHttpMetadata", "SdkResponseMetadata"]
        assert clients.sent("SendMessage") == [{"QueueUrl": "q", "MessageBody": '{"a":1}'}]

    async def test_dynamodb_values_have_the_apis_names(self, world: World, clients: FakeClients) -> None:
        """`BOOL` and `SS`, unlike in `aws-sdk:` results. DynamoDB says who it is; no stand-in does."""
        clients.answer("dynamodb", "GetItem", {"Item": {"a": {"BOOL": True}, "b": {"SS": ["x"]}}})

        ended = await world.run(call("dynamodb:getItem", {"TableName": "t", "Key": {"id": {"S": "1"}}}))

        assert ended.output["Item"] == {"a": {"BOOL": True}, "b": {"SS": ["x"]}}
        assert ended.output["SdkHttpMetadata"]["HttpHeaders"]["Server"] == "Server"

    @pytest.mark.parametrize(("asks", "shown"), [({}, False), ({"ReturnConsumedCapacity": "TOTAL"}, True)])
    async def test_capacity_is_told_to_who_asks(
        self, world: World, clients: FakeClients, asks: dict[str, str], shown: bool
    ) -> None:
        """DynamoDB gives ConsumedCapacity only then, and a stand-in that gives it anyway does not show."""
        clients.answer("dynamodb", "UpdateItem", {"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 0.5}})

        ended = await world.run(call("dynamodb:updateItem", {"TableName": "t", "Key": {"id": {"S": "1"}}, **asks}))

        assert ("ConsumedCapacity" in ended.output) is shown

    async def test_a_models_answer_is_parsed(self, world: World, clients: FakeClients) -> None:
        """bedrock:invokeModel takes a Body of JSON and gives one."""
        clients.answer("bedrock-runtime", "InvokeModel", {"body": b'{"a":1}', "contentType": "application/json"})

        ended = await world.run(call("bedrock:invokeModel", {"ModelId": "m", "Body": {"prompt": "p"}}))

        assert ended.output == {"Body": {"a": 1}, "ContentType": "application/json"}
        assert clients.sent("InvokeModel") == [{"modelId": "m", "body": b'{"prompt":"p"}'}]


class TestEvents:
    ARGUMENTS = {"Entries": [{"Detail": {"a": 1}, "DetailType": "t", "Source": "s", "Resources": ["mine"]}]}  # noqa: RUF012

    async def test_every_event_names_the_execution_and_its_state_machine(
        self, world: World, clients: FakeClients
    ) -> None:
        """Appended to its Resources; the Detail is sent as text, the scheduled parameters stay as they were written.

        The answer's Content-Type is EventBridge's, whatever the stand-in's is.
        """
        clients.answer("events", "PutEvents", {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]})

        ended = await world.run(call("events:putEvents", self.ARGUMENTS))

        (sent,) = clients.sent("PutEvents")[0]["Entries"]
        assert sent["Resources"] == ["mine", ended.row.arn, ended.row.machine_arn]
        assert sent["Detail"] == '{"a":1}'
        assert json.loads(ended.details("TaskScheduled")["parameters"]) == self.ARGUMENTS
        metadata = json.loads(json.dumps(METADATA).replace("json-1.0", "json-1.1"))
        assert ended.output == {"Entries": [{"EventId": "e"}], "FailedEntryCount": 0, **metadata}

    async def test_one_failed_entry_fails_the_task(self, world: World, clients: FakeClients) -> None:
        """EventBridge.FailedEntry, with what was answered as its cause."""
        entries = [{"ErrorCode": "InternalFailure", "ErrorMessage": "oh"}]
        clients.answer("events", "PutEvents", {"FailedEntryCount": 1, "Entries": entries})

        error, cause = await failure(world, "events:putEvents", self.ARGUMENTS)

        assert error == "EventBridge.FailedEntry"
        assert json.loads(cause) == {"Entries": entries, "FailedEntryCount": 1}


class TestFailures:
    @pytest.mark.parametrize(
        ("resource", "arguments", "operation", "error", "name", "label"),
        [
            (
                "dynamodb:getItem",
                {"TableName": "t", "Key": {}},
                "GetItem",
                refused("ResourceNotFoundException", "not found"),
                "DynamoDB.ResourceNotFoundException",
                "AmazonDynamoDBv2",
            ),
            (
                "dynamodb:putItem",
                {"TableName": "t", "Item": {}},
                "PutItem",
                refused("Strange", "not found"),
                "DynamoDB.AmazonDynamoDBException",
                "AmazonDynamoDBv2",
            ),
            (
                "sqs:sendMessage",
                {"QueueUrl": "q", "MessageBody": "m"},
                "SendMessage",
                refused("Strange", "not found"),
                "SQS.AmazonSQSException",
                "AmazonSQS",
            ),
            (
                "sns:publish",
                {"TopicArn": "a", "Message": {"a": 1}},
                "Publish",
                refused("NotFound", "not found"),
                "SNS.NotFoundException",
                "AmazonSNS",
            ),
        ],
    )
    async def test_errors_have_the_older_suffix(
        self,
        world: World,
        clients: FakeClients,
        resource: str,
        arguments: Any,
        operation: str,
        error: Any,
        name: str,
        label: str,
    ) -> None:
        """`(Service: …; Status Code: …; Error Code: …; Request ID: …; Proxy: null)`."""
        clients.answer(resource.partition(":")[0], operation, error)

        found = await failure(world, resource, arguments)

        code = error.response["Error"]["Code"]
        assert found == (
            name,
            f"not found (Service: {label}; Status Code: 400; Error Code: {code}; Request ID: {REQUEST}; Proxy: null)",
        )

    @pytest.mark.parametrize("fault", [unreachable(), unreadable()])
    async def test_no_answer_is_a_fault_of_the_client(
        self, world: World, clients: FakeClients, fault: Exception
    ) -> None:
        """`SdkClientException`, and what went wrong with the request; an answer that cannot be read is none."""
        clients.answer("dynamodb", "GetItem", fault)

        error, cause = await failure(world, "dynamodb:getItem", {"TableName": "t", "Key": {}})

        assert error == "DynamoDB.SdkClientException"
        assert cause.startswith("Unable to execute HTTP request: ")

    async def test_fields_that_step_functions_does_not_pass_on_are_refused(self, world: World) -> None:
        """Though the API has them."""
        ended = await world.run(
            call_with_input("sqs:sendMessage"), {"QueueUrl": "q", "MessageBody": "m", "MessageSystemAttributes": {}}
        )

        assert ended.types[-1] == "ExecutionFailed"
        assert 'Task: [The field "MessageSystemAttributes" is not supported by Step Functions]' in (
            ended.row.cause or ""
        )


class TestTables:
    @pytest.mark.parametrize("name", sorted(OPTIMIZED_SERVICES))
    def test_botocore_has_every_action(self, name: str) -> None:
        """And the calls that tell how a job stands, and that stop it; all `.sync` actions are followed."""
        catalog = Catalog()
        for resource_action, action in OPTIMIZED_SERVICES[name].actions.items():
            service = catalog.service(action.service)
            assert service is not None
            needed = [action.operation]
            assert ("sync" in action.patterns) == ((name, resource_action) in JOBS)
            if job := JOBS.get((name, resource_action)):
                needed += [job.describe, *([job.stop[0]] if job.stop else [])]
            for operation in needed:
                assert service.operation(operation) is not None, operation

    def test_definitions_are_checked_against_the_same_tables(self) -> None:
        """What a definition may name is what Tasks can call, with the same patterns, but for what the docs say is missing."""
        here = {
            **{name: {a: one.patterns for a, one in of.actions.items()} for name, of in OPTIMIZED_SERVICES.items()},
            "apigateway": {"invoke": frozenset(CALL_OR_TOKEN)},
            "http": {"invoke": frozenset([""])},
            "lambda": {"invoke": frozenset(CALL_OR_TOKEN)},
            "states": {"startExecution": frozenset(NESTED_PATTERNS)},
        }
        missing = {
            ("eks", "call"),
            ("eks", "runJob"),
            ("elasticmapreduce", "modifyInstanceFleetByName"),
            ("elasticmapreduce", "modifyInstanceGroupByName"),
        }

        named = {
            name: {action: patterns for action, patterns in actions.items() if (name, action) not in missing}
            for name, actions in PATTERNS.items()
        }

        assert named == here
        assert all(action in PATTERNS[service] for service, action in missing)
