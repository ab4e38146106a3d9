"""The end of a stage: the stack goes, data stays, unless it was asked for, on moto's CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.errors import ToolError
from infra.removal import TABLE, Removal, Stored

REGION: Final = "eu-west-1"
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

    removal.delete_all(standing.stored)

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


def tag(session: boto3.Session, bucket: str, stack: str) -> None:
    """A bucket that the stack, or one of the same name, had once."""
    s3 = session.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "mapfold:stack", "Value": stack}]})


def test_what_the_stack_no_longer_knows_is_found_by_its_tag(session: boto3.Session, removal: Removal) -> None:
    """A table leaves the stack with its job, and stays; another stage's data is not touched."""
    tag(session, "of-a-former-job", STACK)
    tag(session, "of-another-stage", "mapfold-prod")

    standing = removal.standing(STACK)

    assert [each.name for each in standing.stored if each.is_leftover] == ["of-a-former-job"]
    assert "of-another-stage" not in [each.name for each in standing.stored]


def test_after_the_stacks_end_tags_find_what_cloudformation_forgot(session: boto3.Session, removal: Removal) -> None:
    """It remembers a deleted stack for 90 days."""
    tag(session, "old", "mapfold-forgotten")

    standing = removal.standing("mapfold-forgotten")

    assert (standing.is_there, [each.name for each in standing.stored]) == (False, ["old"])


class SlowTable:
    """A DynamoDB in which every update takes `looks` looks, and which deletes no table meanwhile, as AWS does."""

    def __init__(self, *, looks: int, is_protected: bool) -> None:
        self.calls: list[str] = []
        self._looks, self._left, self._is_protected = looks, 0, is_protected

    def describe_table(self, **_: Any) -> dict[str, Any]:
        status = "UPDATING" if self._left else "ACTIVE"
        self._left = max(0, self._left - 1)
        return {"Table": {"TableStatus": status, "DeletionProtectionEnabled": self._is_protected}}

    def update_table(self, **_: Any) -> None:
        self.calls.append("update")
        self._left, self._is_protected = self._looks, False

    def delete_table(self, **_: Any) -> None:
        if self._left:
            raise ClientError({"Error": {"Code": "ResourceInUseException", "Message": "in use"}}, "DeleteTable")
        self.calls.append("delete")


class OneClient:
    """A session whose clients are all the same."""

    def __init__(self, client: object) -> None:
        self._client = client

    def client(self, *_: Any, **__: Any) -> Any:
        return self._client


def removal_from(client: object) -> Removal:
    return Removal(cast(boto3.Session, OneClient(client)), REGION, say=lambda _: None, sleep=lambda _: None)


def test_a_protected_table_is_deleted_once_its_update_is_done() -> None:
    """UpdateTable only begins it."""
    table = SlowTable(looks=3, is_protected=True)

    removal_from(table).delete_all([Stored(TABLE, "runs")])

    assert table.calls == ["update", "delete"]


def test_a_table_that_is_not_protected_is_not_updated() -> None:
    """An update of nothing is refused by DynamoDB."""
    table = SlowTable(looks=3, is_protected=False)

    removal_from(table).delete_all([Stored(TABLE, "runs")])

    assert table.calls == ["delete"]


def test_a_table_whose_update_does_not_end_is_not_waited_for_for_ever() -> None:
    """Ten minutes; then it is said, with all that is left."""
    table = SlowTable(looks=1_000, is_protected=True)
    told = r"the table runs is UPDATING for more than 600 seconds\. Left: table runs, bucket data\. Mend that"

    with pytest.raises(ToolError, match=told):
        removal_from(table).delete_all([Stored(TABLE, "runs"), Stored("AWS::S3::Bucket", "data")])


def test_what_aws_refuses_is_said_with_what_is_left(session: boto3.Session, removal: Removal) -> None:
    """No traceback: the first bucket is not there, and the second was not touched."""
    gone, data = Stored("AWS::S3::Bucket", "nowhere"), Stored("AWS::S3::Bucket", "data")

    with pytest.raises(ToolError, match=r"does not delete the bucket nowhere: .*Left: bucket nowhere, bucket data\."):
        removal.delete_all([gone, data])

    assert "data" in buckets(session)
