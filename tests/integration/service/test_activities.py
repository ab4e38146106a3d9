"""Activities over the wire, and the workers that ask for their tasks."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from mapfold.local.engine.tokens import Answer
from mapfold.states.effects import Resource, RunTask
from tests.integration.service.conftest import FakeEngine, Running, error_of

ARN = "arn:aws:states:us-east-1:123456789012:activity:review"
KEY: Any = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "alias/key"}


def schedule(service: Running, number: int) -> asyncio.Task[Answer]:
    """Let a task wait for a worker."""

    async def begin(engine: FakeEngine) -> asyncio.Task[Answer]:
        resource = Resource(ARN, "activity", "activity", "review", "")
        effect = RunTask(resource, number, token=f"t{number}", text=str(number))
        return asyncio.create_task(engine.activities.run(effect, lambda: None))

    return service.tell(begin)


class TestCreating:
    def test_an_activity_is_described_and_listed(self, service: Running) -> None:
        """Its ARN has its name; encryption is AWS's own unless it says otherwise."""
        made = service.client.create_activity(name="review")
        described = service.client.describe_activity(activityArn=ARN)
        listed = service.client.list_activities()["activities"]

        assert made["activityArn"] == ARN
        assert described["creationDate"] == made["creationDate"]
        assert (described["name"], described["encryptionConfiguration"]) == ("review", {"type": "AWS_OWNED_KEY"})
        assert listed == [{"activityArn": ARN, "name": "review", "creationDate": made["creationDate"]}]

    def test_the_same_name_is_the_same_activity(self, service: Running) -> None:
        """Other tags are ignored, another encryption is refused."""
        first = service.client.create_activity(name="review", tags=[{"key": "a", "value": "1"}])
        again = service.client.create_activity(name="review", tags=[{"key": "b", "value": "2"}])
        refused = error_of(lambda: service.client.create_activity(name="review", encryptionConfiguration=KEY))
        tags = service.client.list_tags_for_resource(resourceArn=ARN)["tags"]

        assert again["creationDate"] == first["creationDate"]
        assert refused == ("ActivityAlreadyExists", f"Activity Already Exists: '{ARN}'")
        assert tags == [{"key": "a", "value": "1"}]

    def test_tags_of_an_activity_change_as_those_of_a_machine(self, service: Running) -> None:
        """TagResource and UntagResource."""
        service.client.create_activity(name="review", tags=[{"key": "a", "value": "1"}])
        service.client.tag_resource(resourceArn=ARN, tags=[{"key": "b", "value": "2"}])
        service.client.untag_resource(resourceArn=ARN, tagKeys=["a"])

        assert service.client.list_tags_for_resource(resourceArn=ARN)["tags"] == [{"key": "b", "value": "2"}]

    @pytest.mark.parametrize("name", ["a b", "a/b", "a#b", "a\x00b"])
    def test_a_bad_name_is_refused(self, service: Running, name: str) -> None:
        """InvalidName, with the name in it."""
        refused = error_of(lambda: service.client.create_activity(name=name))

        assert refused == ("InvalidName", f"Invalid Name: '{name}'")

    def test_a_deleted_activity_is_gone(self, service: Running) -> None:
        """To delete it again is no error; to ask for its tasks is one."""
        service.client.create_activity(name="review")
        for _ in range(2):
            service.client.delete_activity(activityArn=ARN)

        missing = ("ActivityDoesNotExist", f"Activity Does Not Exist: '{ARN}'")
        assert error_of(lambda: service.client.describe_activity(activityArn=ARN)) == missing
        assert error_of(lambda: service.client.get_activity_task(activityArn=ARN)) == missing

    def test_the_list_has_pages(self, service: Running) -> None:
        """Newest first; a token of another listing is refused."""
        for name in "abc":
            service.client.create_activity(name=name)
        first = service.client.list_activities(maxResults=2)
        rest = service.client.list_activities(maxResults=2, nextToken=first["nextToken"])

        names = [[one["name"] for one in page["activities"]] for page in (first, rest)]
        assert names == [["c", "b"], ["a"]]
        assert "nextToken" not in rest
        assert error_of(lambda: service.client.list_activities(nextToken="x"))[0] == "InvalidToken"

    def test_an_arn_of_another_kind_is_refused(self, service: Running) -> None:
        """InvalidArn."""
        machine = "arn:aws:states:us-east-1:123456789012:stateMachine:m"

        assert error_of(lambda: service.client.describe_activity(activityArn=machine)) == (
            "InvalidArn",
            "Invalid Arn: 'Resource type not valid in this context: stateMachine'",
        )


class TestWorkers:
    def test_a_worker_gets_the_token_and_the_input(self, service: Running) -> None:
        """The input is JSON text. The task has begun then: another worker is not given the same."""
        service.client.create_activity(name="review")
        for number in (7, 8):
            schedule(service, number)

        given = [service.client.get_activity_task(activityArn=ARN, workerName=name) for name in "ab"]

        assert [(one["taskToken"], one["input"]) for one in given] == [("t7", "7"), ("t8", "8")]

    def test_a_worker_that_hangs_up_takes_no_task(self, service: Running) -> None:
        """What is scheduled then is for the next one that asks."""
        service.client.create_activity(name="review")
        connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)
        headers = {"X-Amz-Target": "AWSStepFunctions.GetActivityTask"}
        connection.request("POST", "/", json.dumps({"activityArn": ARN}), headers)
        service.tell(lambda engine: until(lambda: bool(engine.activities._lines)))
        connection.close()
        service.tell(lambda engine: until(lambda: not engine.activities._lines))
        schedule(service, 7)

        assert service.client.get_activity_task(activityArn=ARN)["input"] == "7"


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)
