"""Start runs that the start queue asks for: by messages, and by uploads that EventBridge puts there.

Event: an SQS batch. Answer: the messages that failed, so that the others are not delivered again. A message that can never
be carried out fails too, each time, until the queue puts it to the dead letters; the log says what is wrong with it. One
whose run is there already has been carried out.

If this function ran out of time, all of its batch would come again, also what has been carried out. So when little time
is left, the rest of the batch is not begun: it alone comes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from mapfold.client import AwsClient, find_machine, start_once
from mapfold.errors import MapfoldError, UsageError
from tasks._client import client
from tasks._start_messages import read_message
from tasks._telemetry import observed

LEAST_MILLISECONDS = 10_000
"""What a message may take: with a chosen name a call of Step Functions for each other job, tried again where it is busy."""

logger = Logger(service="start")


class OutOfTime(Exception):
    """The message was not begun: the function would have ended amid it."""


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    return start_all(event, context, client(context))


def start_all(event: Mapping[str, Any], context: Any, aws: AwsClient) -> dict[str, Any]:
    """{"batchItemFailures"}: of the messages that were not carried out."""
    failed = process_partial_response(
        event=dict(event),
        record_handler=partial(_start_one, aws, context),
        processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
        context=context,
    )
    return cast(dict[str, Any], failed)


def _start_one(aws: AwsClient, context: Any, record: SQSRecord) -> None:
    """Carry out a message. What it raises makes the message fail."""
    receives = record.attributes.approximate_receive_count
    with logger.append_context_keys(message_id=record.message_id, receives=receives):
        try:
            _check_time(context)
            _start(aws, record)
        except UsageError as error:
            logger.error("message refused", extra={"reason": str(error)})
            raise
        except (MapfoldError, OutOfTime) as error:
            logger.warning("message not carried out, to be tried again", extra={"reason": str(error)})
            raise
        except Exception:  # Powertools makes a failed message of it, without a word
            logger.exception("message not carried out, by a fault of ours")
            raise


def _check_time(context: Any) -> None:
    left = context.get_remaining_time_in_millis()
    if left < LEAST_MILLISECONDS:
        raise OutOfTime(f"the batch has {left:,} ms left, and a message may take {LEAST_MILLISECONDS:,}")


def _start(aws: AwsClient, record: SQSRecord) -> None:
    asked = read_message(record.body, message_id=record.message_id)
    if asked is None:
        logger.info("folder ignored")
        return
    with logger.append_context_keys(job=asked.job, run=asked.name):
        find_machine(aws, asked.job)
        _, is_new = start_once(
            aws,
            asked.job,
            source=asked.source,
            params=asked.params,
            name=asked.name,
            is_chosen=asked.is_chosen,
        )
        logger.info("run started" if is_new else "run was there", extra={"source": asked.source["uri"]})
