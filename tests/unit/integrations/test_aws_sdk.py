"""`aws-sdk:` tasks: calls, results, failures and what is refused before they are scheduled."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from mapfold.local.store import KeptAnswer
from tests.unit.engine.world import World
from tests.unit.integrations.fakes import REQUEST, FakeClients, refused, unreachable
from tests.unit.integrations.tasks import call, failure, middle, output_of


class TestCalls:
    async def test_the_result_is_the_apis_alone(self, world: World, clients: FakeClients) -> None:
        """Scheduled, Started, Succeeded; no metadata in the output, names in PascalCase."""
        clients.answer("stepfunctions", "ListActivities", {"activities": [{"name": "a", "activityArn": "arn"}]})

        ended = await world.run(call("aws-sdk:sfn:listActivities", {"MaxResults": 5}))

        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
        assert ended.details("TaskScheduled") == {
            "resourceType": "aws-sdk:sfn",
            "resource": "listActivities",
            "region": "us-east-1",
            "parameters": '{"MaxResults":5}',
        }
        assert ended.details("TaskSucceeded")["output"] == '{"Activities":[{"ActivityArn":"arn","Name":"a"}]}'
        assert clients.calls == [("stepfunctions", "list_activities", {"maxResults": 5})]

    async def test_a_body_that_streams_is_read(self, world: World, clients: FakeClients) -> None:
        """The text of an object is in the result."""
        clients.answer("s3", "GetObject", {"Body": io.BytesIO(b"text"), "Metadata": {}})

        ended = await world.run(call("aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"}))

        assert ended.output == {"Body": "text", "Metadata": {}}

    async def test_a_result_beyond_the_payload_limit_fails_the_task(self, world: World, clients: FakeClients) -> None:
        """An object of more than 256 KiB: States.DataLimitExceeded, named for the service."""
        clients.answer("s3", "GetObject", {"Body": io.BytesIO(b"x" * 300_000)})

        error, cause = await failure(world, "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"})

        assert error == "States.DataLimitExceeded"
        assert cause.startswith("The state/task 'aws-sdk:s3' returned a result with a size exceeding")


class TestFailures:
    async def test_an_error_has_the_sdks_name_and_suffix(self, world: World, clients: FakeClients) -> None:
        """`DynamoDb.…`, the service's message, and who refused it."""
        clients.answer("dynamodb", "GetItem", refused("ResourceNotFoundException", "Requested resource not found"))

        error, cause = await failure(world, "aws-sdk:dynamodb:getItem", {"TableName": "t", "Key": {"id": {"S": "1"}}})

        assert error == "DynamoDb.ResourceNotFoundException"
        assert cause == (
            f"Requested resource not found (Service: DynamoDb, Status Code: 400, Request ID: {REQUEST}) "
            "(SDK Attempt Count: 1)"
        )

    async def test_s3_tells_its_extended_request_id(self, world: World, clients: FakeClients) -> None:
        """Beside the request id."""
        error_of_s3 = refused("NoSuchKey", "The specified key does not exist.", 404)
        error_of_s3.response["ResponseMetadata"]["HostId"] = "host"
        clients.answer("s3", "GetObject", error_of_s3)

        error, cause = await failure(world, "aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"})

        assert error == "S3.NoSuchKeyException"
        assert cause == (
            f"The specified key does not exist. (Service: S3, Status Code: 404, Request ID: {REQUEST}, "
            "Extended Request ID: host) (SDK Attempt Count: 1)"
        )

    @pytest.mark.parametrize(
        ("service", "action", "arguments", "error", "name"),
        [
            ("dynamodb", "getItem", {"TableName": "t", "Key": {}}, refused("Whatever"), "DynamoDb.DynamoDbException"),
            (
                "s3",
                "headObject",
                {"Bucket": "b", "Key": "k"},
                refused("404", "Not Found", 404),
                "S3.NoSuchKeyException",
            ),
            ("s3", "headBucket", {"Bucket": "b"}, refused("404", "Not Found", 404), "S3.NoSuchBucketException"),
            ("sfn", "stopExecution", {"ExecutionArn": "a"}, refused("InvalidArn"), "Sfn.InvalidArnException"),
            (
                "sqs",
                "purgeQueue",
                {"QueueUrl": "q"},
                refused("AWS.SimpleQueueService.NonExistentQueue", QueryErrorCode="QueueDoesNotExist"),
                "Sqs.QueueDoesNotExistException",
            ),
            ("sns", "publish", {"Message": "m"}, refused("NotFound", status=404), "Sns.NotFoundException"),
            ("s3", "listBuckets", {}, unreachable(), "S3.SdkClientException"),
        ],
    )
    async def test_error_names(
        self,
        world: World,
        clients: FakeClients,
        service: str,
        action: str,
        arguments: dict[str, object],
        error: Exception,
        name: str,
    ) -> None:
        """What the service's model has is named for its shape, all else for the service; no answer is the SDK's fault."""
        folder = {"sfn": "stepfunctions"}.get(service, service)
        clients.answer(folder, action[0].upper() + action[1:], error)

        assert (await failure(world, f"aws-sdk:{service}:{action}", arguments))[0] == name

    async def test_a_failure_is_caught_by_its_name(self, world: World, clients: FakeClients) -> None:
        """Catch by the error that the guide says, with the cause as text."""
        clients.answer("s3", "GetObject", refused("NoSuchBucket", "gone", 404))
        catch = [{"ErrorEquals": ["S3.NoSuchBucketException"], "Next": "After"}]
        states = call("aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"}, Catch=catch)

        ended = await world.run({**states, "After": {"Type": "Pass", "End": True}})

        assert ended.output["Error"] == "S3.NoSuchBucketException"


class TestRefusals:
    async def test_parameters_that_there_are_not_are_refused_before_the_task_is_scheduled(self, world: World) -> None:
        """States.Runtime, which nobody catches, with the parameters and all that is wrong with them."""
        catch = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]
        states = call("aws-sdk:s3:getObject", {"Bucket": "b", "Nope": 1}, Catch=catch)

        ended = await world.run({**states, "After": {"Type": "Pass", "End": True}})

        assert ended.types == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
        assert ended.failure == (
            "FAILED",
            "States.Runtime",
            (
                "An error occurred while executing the state 'Call' (entered at the event id #2). The Parameters "
                '\'{"Bucket":"b","Nope":1}\' could not be used to start the Task: '
                "[The field \"Nope\" is not supported by Step Functions, The field 'Key' is required but was missing]"
            ),
        )

    async def test_a_service_that_there_is_not_is_refused(self, world: World) -> None:
        """Where a definition's check has let it through: the execution fails, and says for what."""
        ended = await world.run(call("aws-sdk:nosuchservice:doIt", {}))

        assert ended.row.error == "States.Runtime"
        assert "The resource provided arn:aws:states:::aws-sdk:nosuchservice:doIt is not recognized" in (
            ended.row.cause or ""
        )


class TestTokens:
    ARGUMENTS = {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token"}}  # noqa: RUF012

    async def test_an_answer_to_the_token_may_come_before_the_calls(self, world: World, clients: FakeClients) -> None:
        """Scheduled, Started, Submitted with the call's output, Succeeded with what was sent."""
        taken = answer_while_sending(world, clients, KeptAnswer(output='{"done":true}'))

        ended = await world.run(call("aws-sdk:sqs:sendMessage.waitForTaskToken", self.ARGUMENTS, HeartbeatSeconds=30))

        assert taken == [True]
        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
        assert ended.details("TaskSubmitted") == {
            "resourceType": "aws-sdk:sqs",
            "resource": "sendMessage.waitForTaskToken",
            "output": '{"MessageId":"m"}',
            "outputDetails": {"truncated": False},
        }
        assert output_of(ended, "TaskSucceeded") == {"done": True}

    async def test_a_heartbeat_is_missed_after_the_call(self, world: World, clients: FakeClients) -> None:
        """Its clock starts when the call was answered; a later answer is refused."""
        clients.answer("sqs", "SendMessage", {"MessageId": "m"})

        ended = await world.run(call("aws-sdk:sqs:sendMessage.waitForTaskToken", self.ARGUMENTS, HeartbeatSeconds=1))

        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskTimedOut"]
        assert not world.engine.tokens.answer(sent_token(clients), KeptAnswer(output="1"))

    async def test_a_call_that_fails_ends_the_task_and_closes_the_token(
        self, world: World, clients: FakeClients
    ) -> None:
        """Nothing is waited for, and no answer is taken any more."""
        clients.answer("sqs", "SendMessage", refused("OverLimit"))

        error, _ = await failure(world, "aws-sdk:sqs:sendMessage.waitForTaskToken", self.ARGUMENTS)

        assert error == "Sqs.OverLimitException"
        assert not world.engine.tokens.answer(sent_token(clients), KeptAnswer(output="1"))

    async def test_the_answer_may_be_a_failure(self, world: World, clients: FakeClients) -> None:
        """SendTaskFailure's error and cause are the task's."""
        answer_while_sending(world, clients, KeptAnswer(error="Mine", cause="because"))

        found = await failure(world, "sqs:sendMessage.waitForTaskToken", self.ARGUMENTS)

        assert found == ("Mine", "because")


def answer_while_sending(world: World, clients: FakeClients, answer: KeptAnswer) -> list[bool]:
    """Let whoever gets the message answer its token before the call returns; whether each answer was taken."""
    loop, taken = asyncio.get_running_loop(), []

    async def tell(token: str) -> bool:
        return world.engine.tokens.answer(token, answer)

    def send(**_: object) -> dict[str, str]:  # on a thread
        taken.append(asyncio.run_coroutine_threadsafe(tell(sent_token(clients)), loop).result(timeout=5))
        return {"MessageId": "m"}

    clients.answer("sqs", "SendMessage", send)
    return taken


def sent_token(clients: FakeClients) -> str:
    """The token in the message that was sent."""
    token: str = json.loads(clients.sent("SendMessage")[0]["MessageBody"])["token"]
    return token


class TestRoles:
    ROLE = "arn:aws:iam::123456789012:role/path/task"

    async def test_a_role_that_is_not_there_cannot_be_assumed(self, world: World, clients: FakeClients) -> None:
        """States.TaskFailed, in the words that name both roles; the call is not made."""
        clients.answer("iam", "GetRole", refused("NoSuchEntity", status=404))

        found = await failure(world, "aws-sdk:s3:listBuckets", {}, Credentials={"RoleArn": self.ROLE})

        assert found == (
            "States.TaskFailed",
            (
                "The role arn:aws:iam::123456789012:role/any is not authorized to assume the task state's role, "
                f"{self.ROLE}."
            ),
        )
        assert clients.sent("GetRole") == [{"RoleName": "task"}]

    async def test_a_role_of_the_account_is_looked_for_once(self, world: World, clients: FakeClients) -> None:
        """It is there, so the call is made; with the credentials that all calls have."""
        clients.answer("iam", "GetRole", {"Role": {}})
        clients.answer("s3", "ListBuckets", {"Buckets": []})
        states = call("aws-sdk:s3:listBuckets", {}, Credentials={"RoleArn": self.ROLE})

        await world.run(states)
        ended = await world.run(states)

        assert ended.output == {"Buckets": []}
        assert len(clients.sent("GetRole")) == 1
        assert clients.credentials == [None, None]  # of IAM and S3

    async def test_a_role_of_another_account_is_assumed_through_sts(self, world: World, clients: FakeClients) -> None:
        """The client has its credentials, which lead to the other account's resources."""
        role = "arn:aws:iam::999999999999:role/theirs"
        keys = {"AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": "t"}
        clients.answer("sts", "AssumeRole", {"Credentials": {**keys, "Expiration": "later"}})
        clients.answer("s3", "ListBuckets", {"Buckets": []})

        await world.run(call("aws-sdk:s3:listBuckets", {}, Credentials={"RoleArn": role}))

        assert clients.sent("AssumeRole") == [{"RoleArn": role, "RoleSessionName": "StepFunctions"}]
        assert clients.credentials[-1] == keys
