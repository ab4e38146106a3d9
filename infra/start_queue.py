"""The start queue: what is put into it starts a run, and what cannot be started ends among the dead letters.

SQS hands messages to the function `start` (`tasks/start.py`), which answers with those that failed; only these come
again. A message that failed `MAX_RECEIVES` times goes to the dead-letter queue, where it stays for 14 days and an alarm
tells of it. Both queues are encrypted: by SQS itself, or with the stage's key where it has one.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

MAX_RECEIVES = 5
BATCH_MESSAGES = 10
VISIBILITY_FACTOR = 6
"""The visibility timeout in timeouts of the function, as Lambda's guide for SQS asks: room for throttled tries."""

FEWEST_AT_ONCE = 2
"""SQS's event source mapping takes no smaller MaximumConcurrency."""


class StartQueue(Construct):
    """A queue of start requests in front of the function `start`. `queue`, `dead_letters`, `mapping`.

    `start` needs the right to receive and delete messages in its own role: nothing is granted here. `timeout` is that
    of the function, `at_once` bounds how many of its invocations serve the queue at the same time. The policy of `key`
    has to let EventBridge use it, for what uploads start.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        start: lambda_.IFunction,
        timeout: Duration,
        key: kms.IKey | None,
        at_once: int = FEWEST_AT_ONCE,
    ) -> None:
        super().__init__(scope, id_)
        encryption = sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=encryption,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=encryption,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(4),
            visibility_timeout=Duration.seconds(VISIBILITY_FACTOR * int(timeout.to_seconds())),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_RECEIVES),
        )
        self.mapping = lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=start,
            event_source_arn=self.queue.queue_arn,
            batch_size=BATCH_MESSAGES,
            report_batch_item_failures=True,
            max_concurrency=at_once,
        )
