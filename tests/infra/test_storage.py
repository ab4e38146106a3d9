"""What a stage keeps: closed to the world, cleaned up where that is safe, and never deleted by surprise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aws_cdk import aws_kms as kms

from infra.storage import Storage
from tests.infra.building import empty_stack, resources, template_of
from tests.infra.deployed import Deployed

BUCKETS = ("DataBucket", "RunsBucket")


def bucket(stage: Deployed, output: str) -> Mapping[str, Any]:
    """The bucket that an output names."""
    return stage.named("AWS::S3::Bucket", stage.outputs[output]["Ref"])


def test_every_bucket_is_encrypted_and_closed(stage: Deployed) -> None:
    """Also the one of the access logs. ACLs do not count, and nothing can be made public by mistake."""
    for each in stage.resources("AWS::S3::Bucket").values():
        properties = each["Properties"]

        assert properties["BucketEncryption"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_every_bucket_refuses_who_comes_without_tls(stage: Deployed) -> None:
    """By a policy that stays with the bucket when the stack goes."""
    policies = stage.resources("AWS::S3::BucketPolicy").values()
    closed = {
        each["Properties"]["Bucket"]["Ref"]
        for each in policies
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Action"] == "s3:*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }

    assert closed == stage.resources("AWS::S3::Bucket").keys()
    assert {each["DeletionPolicy"] for each in policies} == {"RetainExceptOnCreate"}


def test_data_outlives_the_stack(stage: Deployed) -> None:
    """A bucket or a table is retained when its stack is deleted, and when another takes its place.

    Not when the deployment that made it is rolled back: it is empty, and nobody would look for it.
    """
    for type_ in ("AWS::S3::Bucket", "AWS::DynamoDB::Table"):
        for each in stage.resources(type_).values():
            assert (each["DeletionPolicy"], each["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_data_is_found_by_the_name_of_its_stack(stage: Deployed) -> None:
    """Also once a job, and with it its table, has left the stack: each bucket and table has a tag."""
    for type_ in ("AWS::S3::Bucket", "AWS::DynamoDB::Table"):
        for each in stage.resources(type_).values():
            assert {"Key": "mapfold:stack", "Value": "mapfold-dev"} in each["Properties"]["Tags"]


def test_what_is_overwritten_in_the_data_bucket_can_be_had_back_for_some_days(stage: Deployed) -> None:
    """It is versioned; versions go after the stage's noncurrent_days, current objects never."""
    properties = bucket(stage, "DataBucket")

    rules = properties["LifecycleConfiguration"]["Rules"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule] == [
        {"NoncurrentDays": 5}
    ]
    assert [rule for rule in rules if "ExpirationInDays" in rule] == []


def test_run_folders_go_after_the_days_that_the_stage_says(stage: Deployed) -> None:
    """Only what lies under runs/."""
    rules = bucket(stage, "RunsBucket")["LifecycleConfiguration"]["Rules"]

    assert [(rule["Prefix"], rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule] == [
        ("runs/", 20)
    ]


@pytest.mark.parametrize("output", BUCKETS)
def test_parts_of_uploads_that_nobody_finished_go(stage: Deployed, output: str) -> None:
    """They cost as much as objects, and no listing shows them."""
    rules = bucket(stage, output)["LifecycleConfiguration"]["Rules"]

    assert {"DaysAfterInitiation": 7} in [rule.get("AbortIncompleteMultipartUpload") for rule in rules]


def test_the_data_buckets_events_go_to_event_bridge_without_a_function_of_cdks(stage: Deployed) -> None:
    """The bucket's own property says so; CDK's way is a custom resource with a Lambda function and a wide role."""
    assert bucket(stage, "DataBucket")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    stage.assertions.resource_count_is("Custom::S3BucketNotifications", 0)


def test_tables_are_paid_by_use_and_can_be_had_back_at_any_second(stage: Deployed) -> None:
    """The runs table and every table of a job."""
    for each in stage.resources("AWS::DynamoDB::Table").values():
        assert each["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert each["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_a_table_has_the_key_that_its_job_declares(stage: Deployed) -> None:
    """Partition key, then sort key, both strings; the outputs tell which table is which."""
    keys = {
        declared: [key["AttributeName"] for key in stage.named("AWS::DynamoDB::Table", reference)["KeySchema"]]
        for declared, reference in stage.tables.items()
    }

    assert keys == {name: list(key) for job in stage.jobs.values() for name, key in job.tables.items()}
    assert (
        keys.items()
        >= {
            "flight-delays-daily": ["carrier", "day"],
            "fragile": ["id"],
            "object-catalog": ["uri"],
            "orders-seen": ["customer", "order"],
            "words-seen": ["key"],
        }.items()
    )


def test_items_expire_only_where_the_stage_says_by_which_attribute(stage: Deployed) -> None:
    """DynamoDB deletes items by an attribute's time: of no table that did not ask for it."""
    expiring = {
        declared: properties["TimeToLiveSpecification"]["AttributeName"]
        for declared, reference in stage.tables.items()
        if "TimeToLiveSpecification" in (properties := stage.named("AWS::DynamoDB::Table", reference))
    }

    assert expiring == {"words-seen": "expires_at"}


def test_a_stage_with_a_key_encrypts_its_buckets_with_it() -> None:
    """With a bucket key, so that KMS is not asked for each object. Access logs cannot have it: S3 would not deliver."""
    stack = empty_stack()
    arn = "arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    Storage(
        stack,
        "Storage",
        tables={},
        expiry={},
        run_days=1,
        noncurrent_days=1,
        deletion_protection=True,
        key=kms.Key.from_key_arn(stack, "Key", arn),
    )

    template = template_of(stack)

    found = [
        each["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        for each in resources(template, "AWS::S3::Bucket").values()
    ]
    by_key = {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {"KMSMasterKeyID": arn, "SSEAlgorithm": "aws:kms"},
    }
    assert found.count(by_key) == 2
    assert found.count({"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}) == 1
    (table,) = template.find_resources("AWS::DynamoDB::Table").values()
    assert table["DeletionPolicy"] == "Retain"  # a rollback could not delete it
    assert [each["DeletionProtectionEnabled"] for each in resources(template, "AWS::DynamoDB::Table").values()] == [
        True
    ]
