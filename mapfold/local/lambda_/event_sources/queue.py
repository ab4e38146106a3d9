"""A queue of SQS, asked in threads that nobody has to wait for.

boto3 blocks, and a long poll does so for seconds. Each call has a daemon thread of its own, so that neither the event
loop's end nor the process's waits for one. What such a call then still receives becomes visible again after a while.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from mapfold.local.lambda_.event_sources.event import Message
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")
log = logging.getLogger(__name__)

MOST_AT_ONCE = 10
"""Messages of one ReceiveMessage, and of one DeleteMessageBatch."""


class Queue:
    """The queue of one mapping. `client` makes, or gives, the SQS client; botocore's errors are let through."""

    def __init__(self, mapping: EventSourceMapping, client: Callable[[], SQSClient], *, account: str) -> None:
        self._name = mapping.queue_name
        self._owner = {} if mapping.queue_account == account else {"QueueOwnerAWSAccountId": mapping.queue_account}
        self._make_client = client
        self._url: str | None = None

    async def visibility_seconds(self) -> int:
        """How long a message that was received stays invisible."""
        return await in_own_thread(self._visibility_seconds)

    async def receive(self, most: int, *, wait_seconds: int) -> list[Message]:
        """At most `most` (10) messages, or none if none came in that time."""
        return await in_own_thread(lambda: self._receive(most, wait_seconds))

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages that were received."""
        await in_own_thread(lambda: self._delete(messages))

    def _visibility_seconds(self) -> int:
        client, url = self._opened()
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        return int(answer["Attributes"]["VisibilityTimeout"])

    def _receive(self, most: int, wait_seconds: int) -> list[Message]:
        client, url = self._opened()
        answer: Any = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def _delete(self, messages: Sequence[Message]) -> None:
        client, url = self._opened()
        for start in range(0, len(messages), MOST_AT_ONCE):
            some = messages[start : start + MOST_AT_ONCE]
            answer = client.delete_message_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(some)
                ],
            )
            for failed in answer.get("Failed", []):
                log.warning(
                    "message %s was worked on and could not be deleted from %s, it will be received again: %s: %s",
                    some[int(failed["Id"])]["MessageId"],
                    self._name,
                    failed.get("Code"),
                    failed.get("Message"),
                )

    def _opened(self) -> tuple[SQSClient, str]:
        client = self._make_client()
        if self._url is None:
            self._url = client.get_queue_url(QueueName=self._name, **self._owner)["QueueUrl"]
        return client, self._url


async def in_own_thread(work: Callable[[], T]) -> T:
    """What `work` gives, or raises, in a daemon thread. Who is cancelled meanwhile leaves it to itself."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # so that it is not cancelled with who waits for it

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:  # noqa: BLE001  it is raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, name="sqs", daemon=True).start()
    return await asyncio.wrap_future(outcome)
