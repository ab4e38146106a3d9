"""The end of a stage: its stack is deleted, and what it stored is kept, or deleted too when that was asked for.

Buckets and tables are retained by the stack itself. Which ones it had is in CloudFormation, also for 90 days after its end.
Each has a tag with the stack's name, too: by it those are found that left the stack earlier, with their job, or with a
former stack of the same name. So data which was kept at first can still be found and deleted by the same command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra.config import STACK_TAG
from infra.errors import ToolError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

BUCKET, TABLE = "AWS::S3::Bucket", "AWS::DynamoDB::Table"
_TRIES = 5
"""For a bucket to which S3 still delivers access logs while it is being emptied."""
_BETWEEN_TRIES_SECONDS = 5.0
_LOOKS = 120
"""For a table that is being changed: an update takes seconds, sometimes minutes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A bucket or a table of the stack: it outlives it. is_leftover: the stack stands, and has it no more."""

    type: str
    name: str
    is_leftover: bool = field(default=False, compare=False)

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
        self._tagging = session.client("resourcegroupstaggingapi", region_name=region)
        self._say, self._sleep = say, sleep

    def standing(self, stack: str) -> Standing:
        """What there is of the stack: itself, and what it or an earlier one left. ToolError if AWS does not tell."""
        with _told(f"AWS does not say what there is of {stack}"):
            found = self._found(stack)
            if found is not None:
                own = self._stored(found)
                tagged = [each for each in self._tagged(stack, is_leftover=True) if each not in own]
                return Standing(stack, True, self._existing([*own, *tagged]))
            left = {stored for identifier in self._deleted(stack) for stored in self._stored(identifier)}
            left.update(self._tagged(stack, is_leftover=False))
            return Standing(stack, False, self._existing(sorted(left, key=str)))

    def delete_stack(self, stack: str) -> None:
        """Delete it and wait for its end. ToolError says what CloudFormation could not delete."""
        self._say(f"deleting the stack {stack}; this takes some minutes")
        with _told(f"AWS does not delete {stack}. What it stores is there as before"):
            self._cloudformation.delete_stack(StackName=stack)
            try:
                self._cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)
            except WaiterError as error:
                raise ToolError(f"CloudFormation could not delete {stack}: {self._failures(stack) or error}") from error

    def delete_all(self, stored: Sequence[Stored]) -> None:
        """Delete one after the other. ToolError at the first that cannot be deleted, with all that is left."""
        for number, each in enumerate(stored):
            try:
                with _told(f"AWS does not delete the {each}"):
                    self._delete(each)
            except ToolError as error:
                left = ", ".join(map(str, stored[number:]))
                raise ToolError(f"{error} Left: {left}. Mend that, and type the same command again.") from error

    def _delete(self, stored: Stored) -> None:
        """Delete a bucket with all versions of all its objects, or a table."""
        self._say(f"deleting the {stored}")
        if stored.type == TABLE:
            self._delete_table(stored)
            return
        for _ in range(_TRIES):
            _empty(self._s3, stored.name)
            try:
                self._s3.delete_bucket(Bucket=stored.name)
            except ClientError as error:
                if _code(error) != "BucketNotEmpty":
                    raise
                self._sleep(_BETWEEN_TRIES_SECONDS)
            else:
                return
        raise ToolError(f"the {stored} does not stay empty: something still writes to it. Stop that, and try again.")

    def _delete_table(self, stored: Stored) -> None:
        """UpdateTable only begins an update, and DeleteTable refuses a table that is being updated."""
        if self._is_protected_once_active(stored):
            self._dynamodb.update_table(TableName=stored.name, DeletionProtectionEnabled=False)
            self._is_protected_once_active(stored)
        self._dynamodb.delete_table(TableName=stored.name)

    def _is_protected_once_active(self, stored: Stored) -> bool:
        """Wait until the table is ACTIVE; says whether it refuses to be deleted."""
        for _ in range(_LOOKS):
            table = self._dynamodb.describe_table(TableName=stored.name)["Table"]
            if table["TableStatus"] == "ACTIVE":
                return table.get("DeletionProtectionEnabled", False)
            self._sleep(_BETWEEN_TRIES_SECONDS)
        seconds = _LOOKS * _BETWEEN_TRIES_SECONDS
        raise ToolError(f"the {stored} is {table['TableStatus']} for more than {seconds:g} seconds.")

    def _found(self, stack: str) -> str | None:
        """The identifier of the stack that stands."""
        try:
            (found,) = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if _code(error) != "ValidationError":  # there is no such stack
                raise
            return None
        return found["StackId"] if found["StackStatus"] != "DELETE_COMPLETE" else None

    def _tagged(self, stack: str, *, is_leftover: bool) -> list[Stored]:
        """Buckets and tables with the stack's tag. Who may not ask for tags is told so, and goes on without."""
        pages = self._tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": STACK_TAG, "Values": [stack]}], ResourceTypeFilters=["s3:bucket", "dynamodb:table"]
        )
        try:
            arns = [each["ResourceARN"] for page in pages for each in page["ResourceTagMappingList"]]
        except ClientError as error:
            if _code(error) not in ("AccessDenied", "AccessDeniedException"):
                raise
            self._say("what earlier deployments left is not looked for: these credentials lack tag:GetResources")
            return []
        return [
            Stored(TABLE, arn.rpartition("/")[2], is_leftover)
            if ":dynamodb:" in arn
            else Stored(BUCKET, arn.rpartition(":")[2], is_leftover)
            for arn in arns
        ]

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
            if _code(error) in ("404", "NoSuchBucket", "ResourceNotFoundException"):
                return False
            raise
        return True

    def _failures(self, stack: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in events if event.get("ResourceStatus") == "DELETE_FAILED"]
        return "; ".join(f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}" for each in failed)


@contextmanager
def _told(problem: str) -> Iterator[None]:
    """What AWS refuses in the block, as a ToolError."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ToolError(f"{problem}: {' '.join(str(error).split()).rstrip('.')}.") from error


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _empty(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        members = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects: list[Any] = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in members]
        if objects:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                raise ToolError(f"S3 does not delete {bucket}/{errors[0].get('Key')}: {errors[0].get('Message')}")
