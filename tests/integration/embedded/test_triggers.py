"""What starts runs, made so at each start of `mapfold local` (rules: `mapfold/client/triggers.py`)."""

from __future__ import annotations

import json
from pathlib import Path

from mapfold.client import AwsClient, local_target
from mapfold.client.triggers import Triggers
from tests.e2e.embedded import EmbeddedAws
from tests.integration.embedded.queues import Consumer, arn


def triggers(aws: EmbeddedAws) -> Triggers:
    return Triggers(
        AwsClient(
            local_target(
                service_url=f"http://127.0.0.1:{aws.port}", aws_url=f"http://127.0.0.1:{aws.aws_port}", environment={}
            )
        )
    )


def test_what_a_user_has_set_at_a_queue_stays_unless_it_would_do_harm(embedded_aws: EmbeddedAws) -> None:
    """Too short a visibility has messages worked on twice; without a dead-letter queue a bad one comes for ever."""
    ours, sqs = triggers(embedded_aws), embedded_aws.sqs
    dead = sqs.create_queue(QueueName="user-dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn("user-dead"), "maxReceiveCount": 5})
    wanted = {"VisibilityTimeout": "180", "RedrivePolicy": policy}

    def ensure() -> str | None:
        return ours.ensure_queue("user", wanted, visible_after=30)

    def visibility() -> str:
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"][
            "VisibilityTimeout"
        ]

    created = ensure()
    url = sqs.get_queue_url(QueueName="user")["QueueUrl"]
    others = json.dumps({"deadLetterTargetArn": arn("user-dead"), "maxReceiveCount": 9})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "60", "RedrivePolicy": others})
    left, as_set = ensure(), visibility()
    policy_as_set = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "29"})
    mended, as_wanted = ensure(), visibility()

    assert dead
    assert (created, left, mended) == ("created", None, "replaced")
    assert (as_set, as_wanted) == ("60", "180")
    assert json.loads(policy_as_set["RedrivePolicy"])["maxReceiveCount"] == 9


def test_a_mapping_that_a_user_has_disabled_stays_so(embedded_aws: EmbeddedAws, tmp_path: Path) -> None:
    """But one that would delete the messages that failed is mended, and still disabled then."""
    consumer, ours = Consumer(embedded_aws, tmp_path, "disabled"), triggers(embedded_aws)
    consumer.create()
    created = ours.ensure_mapping(arn("disabled"), "disabled")
    functions = embedded_aws.functions
    (mapping,) = functions.list_event_source_mappings(FunctionName="disabled")["EventSourceMappings"]

    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    left = ours.ensure_mapping(arn("disabled"), "disabled")
    functions.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=[])
    mended = ours.ensure_mapping(arn("disabled"), "disabled")
    found = functions.get_event_source_mapping(UUID=mapping["UUID"])

    assert (created, left, mended) == ("created", None, "replaced")
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["State"] in ("Disabling", "Disabled")
