"""The end of a stage: its stack is deleted, and what it stored is kept, or deleted too when that was asked for.

Buckets and tables are retained by the stack itself. Which ones it had is in CloudFormation, also for 90 days after its end,
so that data which was kept at first can still be found and deleted by the same command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from infra.errors import ToolError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

BUCKET, TABLE = "AWS::S3::Bucket", "AWS::DynamoDB::Table"
_TRIES = 5
"""For a bucket to which S3 still delivers access logs while it is being emptied."""
_BETWEEN_TRIES_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A bucket or a table of the stack: it outlives it."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{'bucket' if self.type == BUCKET else 'table'} {self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A stack as CloudFormation knows it. is_there: False once it was deleted. stored: what outlives it."""

    name: str
    is_there: bool
    stored: tuple[Stored, ...]


class Removal:
    """Deletes a stack, and what it stored. `say` hears every step; `sleep` waits between tries."""

    def __init__(
        self,
        session: boto3.Session,
        region: str,
        *,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cloudformation = session.client("cloudformation", region_name=region)
        self._s3 = session.client("s3", region_name=region)
        self._dynamodb = session.client("dynamodb", region_name=region)
        self._say, self._sleep = say, sleep

    def standing(self, stack: str) -> Standing:
        """What there is of the stack: itself, or what it left."""
        try:
            found = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationError":  # there is no such stack
                raise
            found = []
        if found and found[0]["StackStatus"] != "DELETE_COMPLETE":
            return Standing(stack, True, self._existing(self._stored(found[0]["StackId"])))
        left = {stored for identifier in self._deleted(stack) for stored in self._stored(identifier)}
        return Standing(stack, False, self._existing(sorted(left, key=str)))

    def delete_stack(self, stack: str) -> None:
        """Delete it and wait for its end. ToolError says what CloudFormation could not delete."""
        self._say(f"deleting the stack {stack}; this takes some minutes")
        self._cloudformation.delete_stack(StackName=stack)
        try:
            self._cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)
        except WaiterError as error:
            raise ToolError(f"CloudFormation could not delete {stack}: {self._failures(stack) or error}") from error

    def delete(self, stored: Stored) -> None:
        """Delete a bucket with all versions of all its objects, or a table."""
        self._say(f"deleting the {stored}")
        if stored.type == TABLE:
            self._dynamodb.update_table(TableName=stored.name, DeletionProtectionEnabled=False)
            self._dynamodb.delete_table(TableName=stored.name)
            return
        for _ in range(_TRIES):
            _empty(self._s3, stored.name)
            try:
                self._s3.delete_bucket(Bucket=stored.name)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "BucketNotEmpty":
                    raise
                self._sleep(_BETWEEN_TRIES_SECONDS)
            else:
                return
        raise ToolError(f"the {stored} does not stay empty: something still writes to it. Stop that, and try again.")

    def _deleted(self, stack: str) -> Iterator[str]:
        """Identifiers of stacks of this name that were deleted."""
        pages = self._cloudformation.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
        for page in pages:
            yield from (each["StackId"] for each in page["StackSummaries"] if each["StackName"] == stack)

    def _stored(self, identifier: str) -> list[Stored]:
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=identifier)
        return [
            Stored(resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] in (BUCKET, TABLE) and resource.get("PhysicalResourceId")
        ]

    def _existing(self, stored: list[Stored]) -> tuple[Stored, ...]:
        """Those that are there. Of the buckets, the one that the others' access logs go to comes last."""
        there = [each for each in stored if self._is_there(each)]
        return tuple(sorted(there, key=lambda each: (each.type != TABLE, "accesslogs" in each.name.lower())))

    def _is_there(self, stored: Stored) -> bool:
        try:
            if stored.type == TABLE:
                self._dynamodb.describe_table(TableName=stored.name)
            else:
                self._s3.head_bucket(Bucket=stored.name)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchBucket", "ResourceNotFoundException"):
                return False
            raise
        return True

    def _failures(self, stack: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in events if event.get("ResourceStatus") == "DELETE_FAILED"]
        return "; ".join(f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}" for each in failed)


def _empty(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        members = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects: list[Any] = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in members]
        if objects:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                raise ToolError(f"S3 does not delete {bucket}/{errors[0].get('Key')}: {errors[0].get('Message')}")
