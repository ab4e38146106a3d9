"""Upload rules: from an object's key to a message in the start queue."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aws_cdk import Duration
from aws_cdk.assertions import Template

from infra.start_queue import StartQueue
from infra.uploads import UploadRules
from tests.infra.building import empty_stack, function, only, resources, statements, template_of


def synthesized(jobs: Sequence[str]) -> Template:
    stack = empty_stack()
    queue = StartQueue(stack, "StartQueue", function_timeout=Duration.seconds(30), key=None)
    queue.feed(function(stack, "Start"))
    UploadRules(stack, "Uploads", jobs=jobs, data_bucket="flights", start_queue=queue)
    return template_of(stack)


@pytest.fixture(scope="module")
def template() -> Template:
    return synthesized(["flight-delays", "line-counts"])


def test_each_job_has_a_rule_for_its_own_folder_of_the_data_bucket(template: Template) -> None:
    """S3's event "Object Created", of the data bucket, with a key under manifests/JOB/, and nothing else."""
    patterns = [rule["EventPattern"] for rule in resources(template, "AWS::Events::Rule").values()]

    assert patterns == [
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": ["flights"]}, "object": {"key": [{"prefix": f"manifests/{job}/"}]}},
        }
        for job in ("flight-delays", "line-counts")
    ]


def test_a_rule_sends_the_event_as_it_is(template: Template) -> None:
    """One target, the start queue, without a transformer and without a role: the queue's policy lets it in."""
    for rule in resources(template, "AWS::Events::Rule").values():
        (target,) = rule["Targets"]

        assert target.keys() == {"Id", "Arn", "DeadLetterConfig"}


def test_exactly_the_upload_rules_may_send(template: Template) -> None:
    """Both queues allow one action, for EventBridge, if it comes from one of these rules."""
    rules = [{"Fn::GetAtt": [id_, "Arn"]} for id_ in resources(template, "AWS::Events::Rule")]
    policies = resources(template, "AWS::SQS::QueuePolicy").values()

    allowed = [each for policy in policies for each in statements(policy) if each["Effect"] == "Allow"]

    assert len(allowed) == 2
    for statement in allowed:
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}


def test_a_stage_whose_jobs_list_objects_has_no_rule_and_lets_nobody_send() -> None:
    """Without rules there is no statement either: an empty list of ARNs would be a policy that SQS refuses."""
    template = synthesized([])

    policies = resources(template, "AWS::SQS::QueuePolicy").values()

    assert resources(template, "AWS::Events::Rule") == {}
    assert {each["Effect"] for policy in policies for each in statements(policy)} == {"Deny"}


def test_an_event_that_cannot_be_delivered_is_kept(template: Template) -> None:
    """EventBridge puts it to the dead letters of the start queue, where an alarm tells of it."""
    (dead,) = (id_ for id_, queue in resources(template, "AWS::SQS::Queue").items() if "RedrivePolicy" not in queue)

    for rule in resources(template, "AWS::Events::Rule").values():
        assert rule["Targets"][0]["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [dead, "Arn"]}}


def test_the_event_source_mapping_is_the_queues(template: Template) -> None:
    """The rules' target is the queue that the function `start` reads."""
    mapping = only(template, "AWS::Lambda::EventSourceMapping")

    targets = [rule["Targets"][0]["Arn"] for rule in resources(template, "AWS::Events::Rule").values()]

    assert targets == 2 * [mapping["EventSourceArn"]]
