"""What policies of queues, topics, keys, buckets and functions allow to others: the list of docs/permissions.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.package import ROOT
from tests.infra.deployed import Deployed

DOCUMENTS = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
}
ALLOWED = {
    ("AWS::S3::BucketPolicy", "logging.s3.amazonaws.com", "s3:PutObject", "aws:SourceAccount aws:SourceArn"),
    ("AWS::SQS::QueuePolicy", "events.amazonaws.com", "sqs:SendMessage", "aws:SourceArn"),
    ("AWS::SNS::TopicPolicy", "events.amazonaws.com", "sns:Publish", ""),
    ("AWS::SNS::TopicPolicy", "cloudwatch.amazonaws.com", "sns:Publish", "aws:SourceAccount"),
    ("AWS::KMS::Key", "events.amazonaws.com", "kms:Decrypt", ""),
    ("AWS::KMS::Key", "events.amazonaws.com", "kms:GenerateDataKey", ""),
    ("AWS::KMS::Key", "cloudwatch.amazonaws.com", "kms:Decrypt", "aws:SourceAccount"),
    ("AWS::KMS::Key", "cloudwatch.amazonaws.com", "kms:GenerateDataKey", "aws:SourceAccount"),
    ("AWS::KMS::Key", "this account", "kms:*", ""),
    ("AWS::Lambda::Permission", "apigateway.amazonaws.com", "lambda:InvokeFunction", "aws:SourceArn"),
    ("AWS::Lambda::Permission", "events.amazonaws.com", "lambda:InvokeFunction", "aws:SourceArn"),
}
"""Kind of resource, who, what, and the keys of the conditions."""


def allowed(stage: Deployed) -> Iterator[tuple[str, str, str, str]]:
    """Every action that a resource's policy allows."""
    for kind, document in DOCUMENTS.items():
        for each in stage.resources(kind).values():
            for statement in each["Properties"][document]["Statement"]:
                if statement["Effect"] == "Allow":
                    actions = statement["Action"]
                    for action in [actions] if isinstance(actions, str) else actions:
                        yield kind, who(statement["Principal"]), action, keys(statement.get("Condition", {}))
    for each in stage.resources("AWS::Lambda::Permission").values():
        permission = each["Properties"]
        condition = "aws:SourceArn" if "SourceArn" in permission else ""
        yield "AWS::Lambda::Permission", permission["Principal"], permission["Action"], condition


def who(principal: dict[str, Any]) -> str:
    """A service, or the account that the stack is in."""
    if "Service" in principal:
        return str(principal["Service"])
    parts = principal["AWS"]["Fn::Join"][1]
    assert parts[-2:] == [{"Ref": "AWS::AccountId"}, ":root"]
    return "this account"


def keys(condition: dict[str, dict[str, Any]]) -> str:
    return " ".join(sorted(key for operator in condition.values() for key in operator))


def test_resources_let_in_who_is_listed_and_nobody_else(stage: Deployed) -> None:
    """Without a condition only EventBridge, to topics and their key: its guide says that SNS takes none from it there."""
    assert set(allowed(stage)) == ALLOWED


def test_who_is_let_in_is_in_the_documentation() -> None:
    """With the action, in one line of the table."""
    page = (ROOT / "docs" / "permissions.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]

    missing = [
        (principal, action)
        for _, principal, action, _ in ALLOWED
        if not any(principal in row and f"`{action}`" in row for row in rows)
    ]

    assert missing == []


def test_rules_send_without_a_role(stage: Deployed) -> None:
    """A target with a RoleArn may not be delivered to where the queue or the topic is encrypted."""
    rules = stage.resources("AWS::Events::Rule").values()

    assert [target for rule in rules for target in rule["Properties"]["Targets"] if "RoleArn" in target] == []
