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
    """A queue of start requests. `queue`, `dead_letters`; `feed` connects the function.

    function_timeout: that of the function that will be fed. The policy of `key` has to let EventBridge use it, for what
    uploads start.
    """

    def __init__(self, scope: Construct, id_: str, *, function_timeout: Duration, key: kms.IKey | None) -> None:
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
            visibility_timeout=Duration.seconds(VISIBILITY_FACTOR * int(function_timeout.to_seconds())),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_RECEIVES),
        )

    def feed(self, start: lambda_.IFunction, *, at_once: int = FEWEST_AT_ONCE) -> None:
        """Hand the messages to `start`, to at most `at_once` of its invocations at the same time.

        Its role needs the right to receive and delete messages: nothing is granted here.
        """
        lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=start,
            event_source_arn=self.queue.queue_arn,
            batch_size=BATCH_MESSAGES,
            report_batch_item_failures=True,
            max_concurrency=at_once,
        )
