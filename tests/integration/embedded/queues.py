"""Queues, and functions that write down which of their messages they were given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.embedded import EmbeddedAws
from tests.integration.embedded.server import ROLE

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CODE = """
import json, os, time

def note(event, context):
    \"\"\"Write down each body; then fail for a body that says so, or wait for a file that one names.\"\"\"
    failed = []
    for record in event["Records"]:
        body = record["body"]
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(json.dumps({"body": body, "count": record["attributes"]["ApproximateReceiveCount"]}) + "\\n")
        if body.startswith("gate:"):
            while not os.path.exists(body[5:]):
                time.sleep(0.02)
        if body == "raise":
            raise ValueError("asked to")
        if body == "bad":
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}

def keep(event, context):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps(event) + "\\n")
"""


@dataclass(frozen=True)
class Consumer:
    """A queue with a dead-letter queue, whose messages a function notes; all named `name`."""

    aws: EmbeddedAws
    folder: Path
    name: str = "work"

    @property
    def notes(self) -> list[Any]:
        """What the function wrote down, in order."""
        path = self.folder / f"{self.name}.notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def bodies(self) -> list[str]:
        """The bodies of the messages that it was given, in order."""
        return [note["body"] for note in self.notes]

    @cached_property
    def sqs(self) -> SQSClient:
        """One client for all that the test asks: to make one takes longer than most calls."""
        return self.aws.sqs

    @cached_property
    def url(self) -> str:
        """The queue's."""
        return self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"]

    def create(self, *, visibility_seconds: int = 1, receive_at_most: int = 2, handler: str = "note") -> None:
        """The queues and the function; no mapping yet."""
        self.create_queues(visibility_seconds=visibility_seconds, receive_at_most=receive_at_most)
        self.create_function(handler, timeout_seconds=min(visibility_seconds, 30))

    def create_queues(self, *, visibility_seconds: int, receive_at_most: int) -> None:
        self.sqs.create_queue(QueueName=f"{self.name}-dead")
        policy = {"deadLetterTargetArn": arn(f"{self.name}-dead"), "maxReceiveCount": receive_at_most}
        attributes: dict[Any, str] = {"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": json.dumps(policy)}
        self.sqs.create_queue(QueueName=self.name, Attributes=attributes)

    def create_function(self, handler: str, *, timeout_seconds: int) -> None:
        (self.folder / "noting.py").write_text(CODE)
        self.aws.functions.create_function(
            FunctionName=self.name,
            Runtime="python3.11",
            Role=ROLE,
            Handler=f"noting.{handler}",
            Code={"S3Bucket": "mapfold-local", "S3Key": str(self.folder)},
            Timeout=timeout_seconds,
            Environment={"Variables": {"NOTES": str(self.folder / f"{self.name}.notes")}},
        )

    def connect(self, **settings: Any) -> str:
        """Map the queue to the function; the mapping's UUID."""
        return self.aws.functions.create_event_source_mapping(
            EventSourceArn=arn(self.name), FunctionName=self.name, **settings
        )["UUID"]

    def send(self, *bodies: str) -> None:
        """Messages to the queue."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> tuple[int, int]:
        """Messages of the queue, visible or not, and dead ones."""
        return self._count(self.name), self._count(f"{self.name}-dead")

    def _count(self, queue: str) -> int:
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in found.values())


def arn(queue: str) -> str:
    """A queue's ARN."""
    return f"arn:aws:sqs:us-east-1:123456789012:{queue}"
