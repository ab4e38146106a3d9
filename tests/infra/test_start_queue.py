"""The start queue and its dead letters."""

from __future__ import annotations

import pytest
from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from infra.start_queue import StartQueue
from tests.infra.building import Properties, empty_stack, function, only, resources, statements, template_of


@pytest.fixture(scope="module")
def template() -> Template:
    stack = empty_stack()
    StartQueue(stack, "StartQueue", function_timeout=Duration.seconds(30), key=None).feed(function(stack, "Start"))
    return template_of(stack)


def queues(template: Template) -> tuple[Properties, Properties]:
    """The start queue and its dead-letter queue, told apart by the redrive policy."""
    found = resources(template, "AWS::SQS::Queue").values()
    (start,) = (queue for queue in found if "RedrivePolicy" in queue)
    (dead,) = (queue for queue in found if "RedrivePolicy" not in queue)
    return start, dead


def test_a_message_that_fails_five_times_is_kept_for_two_weeks(template: Template) -> None:
    """What cannot be started goes to the dead-letter queue, which keeps it for 14 days, the longest that SQS offers."""
    start, dead = queues(template)

    assert start["RedrivePolicy"]["maxReceiveCount"] == 5
    assert dead["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_a_message_is_hidden_for_six_timeouts_of_the_function(template: Template) -> None:
    """Lambda's guide asks for six: a batch that waits for a throttled function is not handed out a second time."""
    start, _ = queues(template)

    assert start["VisibilityTimeout"] == 6 * 30


def test_only_the_messages_that_failed_come_again(template: Template) -> None:
    """The mapping reports batch item failures, and bounds how many invocations serve the queue at once."""
    mapping = only(template, "AWS::Lambda::EventSourceMapping")

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_both_queues_are_encrypted_by_sqs(template: Template) -> None:
    """Without a key of the stage, SQS encrypts with its own."""
    assert [queue["SqsManagedSseEnabled"] for queue in queues(template)] == [True, True]


def test_both_queues_refuse_what_does_not_come_by_tls(template: Template) -> None:
    """Their policies deny every action without TLS, and allow nobody anything."""
    policies = resources(template, "AWS::SQS::QueuePolicy").values()

    said = [(each["Effect"], each["Condition"]) for policy in policies for each in statements(policy)]

    assert said == 2 * [("Deny", {"Bool": {"aws:SecureTransport": "false"}})]


def test_nothing_is_granted_to_the_function(template: Template) -> None:
    """What `start` may do is in its role, from workflows.permissions: the construct adds no policy."""
    assert resources(template, "AWS::IAM::Policy") == {}


def test_a_stage_with_a_key_encrypts_both_queues_with_it() -> None:
    """The stage's KMS key takes the place of SQS's own."""
    stack = empty_stack()
    key = kms.Key.from_key_arn(
        stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    )

    StartQueue(stack, "StartQueue", function_timeout=Duration.seconds(30), key=key)

    assert [queue["KmsMasterKeyId"] for queue in queues(template_of(stack))] == 2 * [key.key_arn]
