"""What the functions of a stage have in common: where it is, what it stores, how long it keeps logs."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_logs as logs

from infra.config import LOG_RETENTION_DAYS, Stage
from infra.storage import Storage

_RETENTION = dict(zip(LOG_RETENTION_DAYS, logs.RetentionDays, strict=False))
"""CDK's names for what CloudWatch Logs offers, in the same order; its last one is INFINITE."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A stage and its storage."""

    stage: Stage
    storage: Storage

    @property
    def machine_prefix(self) -> str:
        """What the names of the stage's state machines start with."""
        return self.stage.machine_prefix

    @property
    def has_key(self) -> bool:
        """Whether buckets and the start queue are encrypted with a KMS key of the stage's own."""
        return self.stage.kms_key_arn is not None

    @property
    def log_retention(self) -> logs.RetentionDays:
        """How long log groups keep what they have."""
        return _RETENTION[self.stage.log_retention_days]

    def place(self) -> dict[str, str]:
        """The account and region, which CloudFormation knows."""
        return {"Partition": Aws.PARTITION, "Region": Aws.REGION, "Account": Aws.ACCOUNT_ID}

    def values(self) -> dict[str, str]:
        """What stands for the placeholders of permissions that are the same for every role of the stage."""
        return {
            **self.place(),
            "MachinePrefix": self.machine_prefix,
            "DataBucket": self.storage.data_bucket.bucket_name,
            "RunsBucket": self.storage.runs_bucket.bucket_name,
            "RunsTable": self.storage.runs_table.table_name,
            **{f"Table.{name}": table.table_name for name, table in self.storage.tables.items()},
            **({"Key": self.stage.kms_key_arn} if self.stage.kms_key_arn else {}),
        }

    def environment(self, *, service: str) -> dict[str, str]:
        """What every function finds in its environment."""
        return {
            "MAPFOLD_RUNS_BUCKET": self.storage.runs_bucket.bucket_name,
            "MAPFOLD_RUNS_TABLE": self.storage.runs_table.table_name,
            "MAPFOLD_DATA_BUCKET": self.storage.data_bucket.bucket_name,
            "POWERTOOLS_SERVICE_NAME": service,
            "POWERTOOLS_METRICS_NAMESPACE": self.stage.metrics_namespace,
        }
