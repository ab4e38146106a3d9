"""The event that a function gets from a queue, and what its answer says (`mapfold/local/lambda_/event_sources/`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.local.lambda_.event_sources.event import events, record, succeeded
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.invocations import MAX_REQUEST_BYTES

MAPPING = EventSourceMapping("u", "arn:aws:sqs:eu-west-1:123456789012:orders", "f", 0.0)


def message(name: str, body: str = "{}", **more: Any) -> dict[str, Any]:
    """As boto3 receives it."""
    return {"MessageId": name, "ReceiptHandle": f"handle-{name}", "Body": body, "MD5OfBody": "md5", **more}


def test_a_record_names_its_queue_and_its_region() -> None:
    """Names begin with a small letter; the attributes keep theirs."""
    made = record(message("m", "text", Attributes={"ApproximateReceiveCount": "2"}), MAPPING)

    assert made == {
        "messageId": "m",
        "receiptHandle": "handle-m",
        "body": "text",
        "attributes": {"ApproximateReceiveCount": "2"},
        "messageAttributes": {},
        "md5OfBody": "md5",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
        "awsRegion": "eu-west-1",
    }


def test_a_batch_that_is_too_large_for_one_event_is_several() -> None:
    """An event has 6 MB, ten messages may have more; the order stays."""
    messages = [message(str(number), "x" * 1_000_000) for number in range(10)]

    made = list(events(messages, MAPPING))

    assert [len(batch) for batch, _ in made] == [6, 4]
    assert all(len(event) <= MAX_REQUEST_BYTES for _, event in made)
    bodies = [each["messageId"] for _, event in made for each in json.loads(event)["Records"]]
    assert bodies == [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        pytest.param({"batchItemFailures": [{"itemIdentifier": "b"}]}, ["b"], id="one that is named"),
        pytest.param({"batchItemFailures": []}, [], id="none"),
        pytest.param({"batchItemFailures": None}, [], id="null for the list"),
        pytest.param({}, [], id="no list"),
        pytest.param(None, [], id="no answer"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": "z"}]}, ["a", "b", "c"], id="one that is not there"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": ""}]}, ["a", "b", "c"], id="an empty name"),
        pytest.param({"batchItemFailures": [{"id": "b"}]}, ["a", "b", "c"], id="a name of another kind"),
        pytest.param({"batchItemFailures": [{"itemIdentifier": 7}]}, ["a", "b", "c"], id="a number"),
        pytest.param({"batchItemFailures": "b"}, ["a", "b", "c"], id="no list but text"),
        pytest.param("done", ["a", "b", "c"], id="text"),
    ],
)
def test_what_a_partial_batch_response_leaves(answer: Any, left: list[str]) -> None:
    """Lambda's rules: nothing named is success, a report that cannot be understood is the failure of all."""
    batch = [message(name) for name in "abc"]

    done = succeeded(batch, json.dumps(answer).encode(), reports_failures=True)

    assert [each["MessageId"] for each in batch if each not in done] == left


def test_without_reports_any_answer_is_success() -> None:
    """Whatever the function says: nobody asked it."""
    batch = [message("a")]

    assert succeeded(batch, b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', reports_failures=False) == batch
