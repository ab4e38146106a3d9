"""The end of a stage: the stack goes, data stays, unless it was asked for, on moto's CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.removal import Removal, Stored

REGION = "eu-west-1"
STACK = "mapfold-dev"


def retained(type_: str, **properties: Any) -> dict[str, Any]:
    return {"Type": type_, "Properties": properties, "DeletionPolicy": "Retain"}


TEMPLATE = {
    "Resources": {
        "StorageData": retained("AWS::S3::Bucket", BucketName="data", VersioningConfiguration={"Status": "Enabled"}),
        "StorageAccessLogs": retained("AWS::S3::Bucket", BucketName="a-mapfold-dev-storageaccesslogs"),
        "Runs": retained(
            "AWS::DynamoDB::Table",
            TableName="runs",
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=True,
            KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
        ),
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "runs"}},
    }
}


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    """An account with the stack, and two versions of an object in its data bucket."""
    with mock_aws():
        session = boto3.Session("key", "secret", region_name=REGION)
        session.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        s3 = session.client("s3")
        for body in (b"one", b"two"):
            s3.put_object(Bucket="data", Key="a", Body=body)
        s3.delete_object(Bucket="data", Key="gone")
        yield session


@pytest.fixture
def removal(session: boto3.Session, said: list[str]) -> Removal:
    """It waits for nothing."""
    return Removal(session, REGION, say=said.append, sleep=lambda seconds: None)


@pytest.fixture
def said() -> list[str]:
    """What the command told."""
    return []


def buckets(session: boto3.Session) -> set[str]:
    return {each["Name"] for each in session.client("s3").list_buckets()["Buckets"]}


def test_what_is_stored_is_known_before_anything_is_deleted(removal: Removal) -> None:
    """Tables first, then buckets; the one that the others' access logs go to comes last."""
    standing = removal.standing(STACK)

    assert standing.is_there
    assert [str(stored) for stored in standing.stored] == [
        "table runs",
        "bucket data",
        "bucket a-mapfold-dev-storageaccesslogs",
    ]


def test_a_stack_is_deleted_and_its_data_kept(session: boto3.Session, removal: Removal) -> None:
    """The topic is gone; buckets with their objects and tables are there."""
    removal.delete_stack(STACK)

    assert session.client("sns").list_topics()["Topics"] == []  # moto makes it anew when asked for a gone stack's parts
    assert session.client("s3").get_object(Bucket="data", Key="a")["Body"].read() == b"two"
    assert session.client("dynamodb").list_tables()["TableNames"] == ["runs"]
    assert not removal.standing(STACK).is_there


def test_data_is_deleted_with_every_version(session: boto3.Session, removal: Removal, said: list[str]) -> None:
    """Also a table that was protected, and a bucket with delete markers."""
    standing = removal.standing(STACK)
    removal.delete_stack(STACK)

    for stored in standing.stored:
        removal.delete(stored)

    assert buckets(session) == set()
    assert session.client("dynamodb").list_tables()["TableNames"] == []
    assert said[1:] == [
        "deleting the table runs",
        "deleting the bucket data",
        "deleting the bucket a-mapfold-dev-storageaccesslogs",
    ]


def test_data_that_was_kept_is_found_by_a_later_command(session: boto3.Session, removal: Removal) -> None:
    """CloudFormation remembers a deleted stack's resources for 90 days."""
    before = removal.standing(STACK).stored
    removal.delete_stack(STACK)

    assert removal.standing(STACK).stored == before


def test_of_what_is_left_only_what_is_still_there_counts(session: boto3.Session, removal: Removal) -> None:
    """A bucket that somebody deleted by hand is no longer spoken of."""
    removal.delete_stack(STACK)
    session.client("s3").delete_bucket(Bucket="a-mapfold-dev-storageaccesslogs")

    assert Stored("AWS::S3::Bucket", "a-mapfold-dev-storageaccesslogs") not in removal.standing(STACK).stored


def test_a_stack_that_never_was_leaves_nothing(removal: Removal) -> None:
    """A mistyped stage deletes nothing."""
    standing = removal.standing("mapfold-none")

    assert (standing.is_there, standing.stored) == (False, ())
