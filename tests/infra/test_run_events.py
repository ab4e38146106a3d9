"""A run's end, told to people: the topic, its key, who is subscribed, and the message."""

from __future__ import annotations

import json

import pytest
from aws_cdk.assertions import Template

from infra.notices import EVENTBRIDGE, NoticesKey, NoticeTopic
from infra.run_events import RunEvents
from tests.infra.building import empty_stack, only, statements, template_of

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:mapfold-dev-flight-delays"


@pytest.fixture(scope="module")
def template() -> Template:
    stack = empty_stack()
    key = NoticesKey(stack, "NoticesKey").key
    notices = NoticeTopic(
        stack, "RunEventsTopic", key=key, publisher=EVENTBRIDGE, parameter="RunEventsEmail", about="the ends of runs"
    )
    RunEvents(stack, "RunEvents", machines=[MACHINE], topic=notices.topic, stack_name="mapfold-dev")
    return template_of(stack)


def test_every_end_of_a_run_of_the_stage_is_told(template: Template) -> None:
    """Step Functions' own event, with the four statuses of an end and the stage's machines. Children have other ARNs."""
    assert only(template, "AWS::Events::Rule")["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": [MACHINE]},
    }


def test_the_message_is_made_of_facts_that_hold_no_quotes(template: Template) -> None:
    """
    EventBridge puts values into a text as they are. A cause may be JSON, and its quotes would break the message, so
    that the notice of a failure is just what would not arrive: the message says where to look instead.
    """
    (target,) = only(template, "AWS::Events::Rule")["Targets"]

    assert target["InputTransformer"]["InputPathsMap"] == {
        "run": "$.detail.name",
        "status": "$.detail.status",
        "execution": "$.detail.executionArn",
        "error": "$.detail.error",
        "time": "$.time",
    }


def test_each_line_of_the_message_is_a_json_text(template: Template) -> None:
    """EventBridge takes several lines as one text each."""
    (target,) = only(template, "AWS::Events::Rule")["Targets"]
    parts = target["InputTransformer"]["InputTemplate"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else part["Ref"] for part in parts)

    lines = [json.loads(line) for line in text.splitlines()]

    assert lines[0] == "The run <run> has ended: <status>, at <time>."
    assert lines[-1] == "Or: mapfold show <run> --on aws --stack mapfold-dev"


def test_the_topic_is_encrypted_and_only_eventbridge_publishes_without_a_role(template: Template) -> None:
    """Its policy denies what comes without TLS, and allows EventBridge one action: without a condition, which EventBridge's
    guide says that topic policies cannot have for it."""
    denied, allowed = statements(only(template, "AWS::SNS::TopicPolicy"))

    assert "KmsMasterKeyId" in only(template, "AWS::SNS::Topic")
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert (allowed["Action"], allowed["Principal"]) == ("sns:Publish", {"Service": "events.amazonaws.com"})
    assert "Condition" not in allowed


def test_the_services_may_encrypt_with_the_key_of_the_topics(template: Template) -> None:
    """EventBridge without a condition, because it sends no source to KMS; CloudWatch for alarms of this account alone."""
    key = only(template, "AWS::KMS::Key")
    services = [each for each in key["KeyPolicy"]["Statement"] if "Service" in each["Principal"]]

    assert [(each["Principal"]["Service"], each.get("Condition")) for each in services] == [
        ("events.amazonaws.com", None),
        ("cloudwatch.amazonaws.com", {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}),
    ]
    assert {tuple(each["Action"]) for each in services} == {("kms:Decrypt", "kms:GenerateDataKey")}
    assert key["EnableKeyRotation"] is True


def test_nobody_is_subscribed_until_the_parameter_names_somebody(template: Template) -> None:
    """RunEventsEmail is empty by default, and then there is no subscription."""
    parameter = template.to_json()["Parameters"]["RunEventsEmail"]
    (subscription,) = template.find_resources("AWS::SNS::Subscription").values()

    assert parameter["Default"] == ""
    assert subscription["Condition"] == "RunEventsEmailGiven"
    assert template.to_json()["Conditions"]["RunEventsEmailGiven"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "RunEventsEmail"}, ""]}]
    }
