"""A queue as a poller sees it (rules: `mapfold/local/lambda_/event_sources/queue.py`)."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.event_sources.queue import Queue

MAPPING = EventSourceMapping("u", "arn:aws:sqs:us-east-1:123456789012:q", "f", 0.0)


async def test_a_message_that_sqs_does_not_delete_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """SQS answers 200 then, and says of each message whether it is gone. The others of the batch are."""
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    failed = {"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "too old"}
    with Stubber(client) as stub:
        stub.add_response("get_queue_url", {"QueueUrl": "http://q"})
        stub.add_response("delete_message_batch", {"Successful": [{"Id": "0"}], "Failed": [failed]})

        queue = Queue(MAPPING, lambda: client, account="123456789012")
        await queue.delete([{"MessageId": f"m{n}", "ReceiptHandle": f"r{n}"} for n in range(2)])

    (line,) = [record.getMessage() for record in caplog.records]
    assert "message m1" in line
    assert "from q" in line
    assert "ReceiptHandleIsInvalid: too old" in line
