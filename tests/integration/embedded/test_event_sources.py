"""Event source mappings on `mapfold local` (rules: `mapfold/local/lambda_/event_sources/`)."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.embedded import EmbeddedAws
from tests.integration.embedded.queues import Consumer, arn
from tests.integration.embedded.server import session, until

PROMPTLY_SECONDS = 4.0


@pytest.fixture
def consumer(embedded_aws: EmbeddedAws, tmp_path: Path, request: pytest.FixtureRequest) -> Consumer:
    """A queue and a function of this test alone, not connected yet."""
    name = "q" + str(abs(hash(request.node.name)))[:12]
    return Consumer(embedded_aws, tmp_path, name)


def test_a_message_is_given_to_the_function_and_deleted(consumer: Consumer) -> None:
    """The event has the shape that Lambda gives it: attributes as text, message attributes by type."""
    consumer.create(handler="keep")
    consumer.connect()
    sent = consumer.sqs.send_message(
        QueueUrl=consumer.url,
        MessageBody='{"a": 1}',
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "t"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\xff"},
        },
    )

    (event,) = until(lambda: consumer.notes)
    until(lambda: consumer.left() == (0, 0))

    (record,) = event["Records"]
    attributes = record.pop("attributes")
    assert record.pop("receiptHandle")
    assert record == {
        "messageId": sent["MessageId"],
        "body": '{"a": 1}',
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "messageAttributes": {
            "text": {"stringValue": "t", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "bytes": {"binaryValue": "/w==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": arn(consumer.name),
        "awsRegion": "us-east-1",
    }
    assert attributes["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= attributes.keys()


def test_of_a_batch_only_what_is_reported_as_failed_is_received_again(consumer: Consumer) -> None:
    """With ReportBatchItemFailures the others are deleted; what fails too often is in the dead-letter queue."""
    consumer.create(receive_at_most=2)
    consumer.send("good", "bad", "better")
    consumer.connect(FunctionResponseTypes=["ReportBatchItemFailures"])

    until(lambda: consumer.left() == (0, 1))

    assert sorted(consumer.bodies) == ["bad", "bad", "better", "good"]


def test_all_of_a_batch_is_received_again_when_the_function_fails(consumer: Consumer) -> None:
    """An error counts for the whole batch: Lambda does not know which message it was about."""
    consumer.create(receive_at_most=1)
    consumer.send("good", "raise")
    consumer.connect(FunctionResponseTypes=["ReportBatchItemFailures"])

    until(lambda: consumer.left() == (0, 2))

    assert sorted(consumer.bodies) == ["good", "raise"]


def test_a_report_that_was_not_asked_for_means_nothing(consumer: Consumer) -> None:
    """Without ReportBatchItemFailures an answer is success, whatever it says."""
    consumer.create()
    consumer.send("bad")
    consumer.connect()

    until(lambda: consumer.bodies == ["bad"] and consumer.left() == (0, 0))


def test_a_large_batch_gathers_for_its_window(consumer: Consumer) -> None:
    """More than the ten messages of one ReceiveMessage come in one event."""
    consumer.create(visibility_seconds=40, handler="keep")
    consumer.send(*(str(number) for number in range(15)))
    consumer.connect(BatchSize=15, MaximumBatchingWindowInSeconds=10)

    (event,) = until(lambda: consumer.notes)

    assert sorted(int(record["body"]) for record in event["Records"]) == list(range(15))


def test_a_disabled_mapping_leaves_messages_and_an_enabled_one_takes_them(consumer: Consumer) -> None:
    """State says so; what is updated is the mapping, the rest stays."""
    functions = consumer.aws.functions
    consumer.create()
    uuid = consumer.connect(Enabled=False, BatchSize=3)
    consumer.send("one")

    before = functions.get_event_source_mapping(UUID=uuid)
    enabling = functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    until(lambda: consumer.bodies == ["one"])
    disabling = functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    after = until(lambda: (found := functions.get_event_source_mapping(UUID=uuid))["State"] == "Disabled" and found)

    assert (before["State"], before["BatchSize"], after["BatchSize"]) == ("Disabled", 3, 3)
    assert (enabling["State"], disabling["State"]) == ("Enabling", "Disabling")


def test_mappings_are_listed_by_queue_and_by_function(consumer: Consumer) -> None:
    """A deleted one is listed no more, and not found."""
    functions = consumer.aws.functions
    consumer.create()
    uuid = consumer.connect(Enabled=False)

    by_queue = functions.list_event_source_mappings(EventSourceArn=arn(consumer.name))["EventSourceMappings"]
    by_function = functions.list_event_source_mappings(FunctionName=consumer.name)["EventSourceMappings"]
    by_other = functions.list_event_source_mappings(EventSourceArn=arn("another"))["EventSourceMappings"]
    functions.delete_event_source_mapping(UUID=uuid)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        functions.get_event_source_mapping(UUID=uuid)

    assert [[found["UUID"] for found in listed] for listed in (by_queue, by_function, by_other)] == [[uuid], [uuid], []]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0"),
        ({"BatchSize": 10_001}, "less than or equal to 10000"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "has no FilterCriteria"),
        ({"ScalingConfig": {"MaximumConcurrency": 2}}, "has no ScalingConfig"),
        ({"EventSourceArn": arn("nowhere")}, "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue"),
        ({"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, "polls queues of SQS"),
        ({"EventSourceArn": "arn:aws:sns:us-east-1:123456789012:t"}, "Unsupported source arn : arn:aws:sns:us-east-1"),
        ({"EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:q"}, "must be in one region"),
        ({"FunctionName": "nobody"}, "Function does not exist"),
    ],
)
def test_what_cannot_be_mapped_is_refused(
    embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory, settings: dict[str, Any], problem: str
) -> None:
    """Nothing is left out silently: what the embedded Lambda does not do is said, with what there is instead."""
    consumer = Consumer(embedded_aws, tmp_path_factory.mktemp("refused"), "refused")
    if not [
        found for found in embedded_aws.functions.list_functions()["Functions"] if found["FunctionName"] == "refused"
    ]:
        consumer.create()

    with pytest.raises(ClientError, match=problem):
        embedded_aws.functions.create_event_source_mapping(
            **{"EventSourceArn": arn("refused"), "FunctionName": "refused", **settings}
        )


def test_a_queue_that_shows_messages_again_too_early_is_refused(consumer: Consumer) -> None:
    """Its visibility timeout must be the function's timeout at least, as on AWS."""
    consumer.create_queues(visibility_seconds=5, receive_at_most=2)
    consumer.create_function("note", timeout_seconds=6)

    with pytest.raises(
        ClientError, match="Queue visibility timeout: 5 seconds is less than Function timeout: 6 seconds"
    ):
        consumer.connect()


def test_a_mapping_that_is_changed_must_not_show_messages_again_too_early_either(consumer: Consumer) -> None:
    """
    A message waits for its batch before it is worked on. One that is disabled may be anything: it is checked when it
    is enabled, though the request says nothing of the function.
    """
    consumer.create_queues(visibility_seconds=5, receive_at_most=2)
    consumer.create_function("note", timeout_seconds=4)
    uuid = consumer.connect()
    update = consumer.aws.functions.update_event_source_mapping

    with pytest.raises(
        ClientError,
        match=r"timeout: 5 seconds is less than Function timeout: 4 seconds and MaximumBatchingW.*: 2 seconds",
    ):
        update(UUID=uuid, MaximumBatchingWindowInSeconds=2)
    fits = update(UUID=uuid, MaximumBatchingWindowInSeconds=1)
    update(UUID=uuid, Enabled=False, MaximumBatchingWindowInSeconds=2)
    with pytest.raises(ClientError, match="Queue visibility timeout"):
        update(UUID=uuid, Enabled=True)

    assert fits["MaximumBatchingWindowInSeconds"] == 1


def test_a_second_mapping_of_the_same_two_is_refused(consumer: Consumer) -> None:
    """The error names the first one's UUID."""
    consumer.create()
    uuid = consumer.connect(Enabled=False)

    with pytest.raises(ClientError, match=f"ResourceConflictException.*{uuid}"):
        consumer.connect()


def test_a_mapping_goes_on_after_a_restart(tmp_path: Path) -> None:
    """It is kept with the functions: what was sent while nobody listened is given to the function then."""
    with session(tmp_path / "data") as first:
        before = Consumer(first.aws, tmp_path)
        before.create()
        uuid = before.connect(Enabled=False)
        before.send("one")
        first.aws.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
        until(lambda: before.bodies == ["one"])
        began = time.monotonic()
        first.end(signal.SIGINT)
        took = time.monotonic() - began

    with session(tmp_path / "data") as second:
        after = Consumer(second.aws, tmp_path)
        after.send("two")
        until(lambda: after.bodies == ["one", "two"])
        until(lambda: after.left() == (0, 0))

    assert took < PROMPTLY_SECONDS  # a long poll was under way


@pytest.mark.skipif(sys.platform != "linux", reason="where the parent's end ends workers and moto")
def test_no_message_is_lost_when_all_is_killed(tmp_path: Path) -> None:
    """
    What was with a function at the kill is given to one again when its visibility timeout is over, with a higher receive
    count (on a busy machine the timeout may be over once before the kill). What was deleted does not come back.
    """
    gate = tmp_path / "gate"
    with session(tmp_path / "data") as first:
        before = Consumer(first.aws, tmp_path)
        before.create(visibility_seconds=3, receive_at_most=5)
        before.connect(BatchSize=1)
        before.send("done")
        until(lambda: before.bodies == ["done"] and before.left() == (0, 0))
        before.send(f"gate:{gate}", "other")
        until(lambda: len(before.notes) == 3)
        first.end(signal.SIGKILL)

    gate.touch()
    with session(tmp_path / "data") as second:
        after = Consumer(second.aws, tmp_path)
        until(lambda: after.left() == (0, 0))

    counts = {body: [int(note["count"]) for note in after.notes if note["body"] == body] for body in after.bodies}
    assert counts["done"] == [1]
    assert max(counts[f"gate:{gate}"]) > 1


def test_a_queue_that_is_away_is_one_line_in_the_log(tmp_path: Path) -> None:
    """It is asked again, later and later; Ctrl-C does not wait for that."""
    with session(tmp_path / "data") as up:
        consumer = Consumer(up.aws, tmp_path)
        consumer.create()
        consumer.connect()
        consumer.sqs.delete_queue(QueueUrl=consumer.url)
        log = tmp_path / "data" / "stderr.txt"
        until(lambda: "cannot be asked for messages" in log.read_text())
        time.sleep(1.5)  # the next two tries
        said = log.read_text().count("cannot be asked for messages")
        began = time.monotonic()
        up.end(signal.SIGINT)
        took = time.monotonic() - began

    assert (said, took < PROMPTLY_SECONDS) == (1, True)
