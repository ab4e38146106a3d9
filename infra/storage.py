"""What a stage keeps: the data bucket, the run bucket, the table of runs, and the tables of its jobs.

Nothing of it goes with the stack: buckets and tables are retained when the stack, or a job, is deleted. Only what a
deployment made that was then rolled back goes again, for it is empty. A tag says whose they are (`infra.removal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack, Tags
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import STACK_TAG
from mapfold.runs.records import EXPIRES_AT

RUNS_TABLE_KEYS = ("run_id",)
_UNFINISHED_UPLOAD_DAYS = 7
_ACCESS_LOG_DAYS = 90


class Storage(Construct):
    """Buckets and tables of one stage.

    data_bucket: what jobs read; its object events go to EventBridge. runs_bucket: a folder a run, deleted after
    `run_days`. runs_table: one item a run, deleted two weeks
    after its folder. tables: by the name that a job declares. key: the buckets' own KMS key;
    tables have DynamoDB's.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        tables: Mapping[str, tuple[str, ...]],
        expiry: Mapping[str, str],
        run_days: int,
        noncurrent_days: int,
        deletion_protection: bool,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, id_)
        self._key = key
        self._deletion_protection = deletion_protection
        Tags.of(self).add(STACK_TAG, Stack.of(self).stack_name)
        self._access_logs = self._access_log_bucket()
        self.data_bucket = self._bucket(
            "Data",
            versioned=True,
            rules=[s3.LifecycleRule(id="overwritten", noncurrent_version_expiration=Duration.days(noncurrent_days))],
        )
        _send_events_to_event_bridge(self.data_bucket)
        self.runs_bucket = self._bucket(
            "Runs",
            versioned=False,
            rules=[s3.LifecycleRule(id="runs", prefix="runs/", expiration=Duration.days(run_days))],
        )
        for bucket in (self._access_logs, self.data_bucket, self.runs_bucket):
            _keep_policy(bucket)
        self.runs_table = self._table("RunsTable", RUNS_TABLE_KEYS, expires_at=EXPIRES_AT)
        self.tables: Mapping[str, dynamodb.Table] = {
            name: self._table(f"Table-{name}", keys, expires_at=expiry.get(name)) for name, keys in tables.items()
        }

    def _bucket(self, id_: str, *, versioned: bool, rules: list[s3.LifecycleRule]) -> s3.Bucket:
        return s3.Bucket(
            self,
            id_,
            encryption=s3.BucketEncryption.KMS if self._key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=self._key,
            bucket_key_enabled=True if self._key else None,  # one KMS call for many objects
            versioned=versioned,
            lifecycle_rules=[*rules, _unfinished_uploads()],
            server_access_logs_bucket=self._access_logs,
            server_access_logs_prefix=f"{id_.lower()}/",
            **_CLOSED,
        )

    def _access_log_bucket(self) -> s3.Bucket:
        """S3 delivers access logs only into buckets with S3's own keys."""
        rule = s3.LifecycleRule(id="access-logs", expiration=Duration.days(_ACCESS_LOG_DAYS))
        return s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            lifecycle_rules=[rule, _unfinished_uploads()],
            **_CLOSED,
        )

    def _table(self, id_: str, keys: tuple[str, ...], *, expires_at: str | None) -> dynamodb.Table:
        partition, *sort = (dynamodb.Attribute(name=key, type=dynamodb.AttributeType.STRING) for key in keys)
        return dynamodb.Table(
            self,
            id_,
            partition_key=partition,
            sort_key=sort[0] if sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=expires_at,
            deletion_protection=self._deletion_protection,
            # A protected table refuses to go, and a rollback would not come to its end.
            removal_policy=RemovalPolicy.RETAIN if self._deletion_protection else _KEEP,
        )


_KEEP = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE

_CLOSED: Mapping[str, Any] = {
    "enforce_ssl": True,
    "minimum_tls_version": 1.2,
    "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
    "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    "removal_policy": _KEEP,
}


def _unfinished_uploads() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="unfinished-uploads", abort_incomplete_multipart_upload_after=Duration.days(_UNFINISHED_UPLOAD_DAYS)
    )


def _send_events_to_event_bridge(bucket: s3.Bucket) -> None:
    """The bucket's own property: CDK's `event_bridge_enabled` would add a Lambda function to set it."""
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)
    resource.add_property_override(
        "NotificationConfiguration", {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    )


def _keep_policy(bucket: s3.Bucket) -> None:
    """A bucket that outlives its stack is still closed to who comes without TLS."""
    if bucket.policy is not None:
        bucket.policy.apply_removal_policy(_KEEP)
