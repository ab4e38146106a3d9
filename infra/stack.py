"""The stack of a stage: it wires the constructs together, and says what the command line reads."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import LOG_RETENTION_DAYS, Stage
from infra.job import JobDeployment
from infra.layer import powertools_layer
from infra.package import Packages
from infra.policies import PolicyOf
from infra.requirements import Requirements
from infra.storage import Storage
from mapfold.job import Job

RETENTION = dict(zip(LOG_RETENTION_DAYS, logs.RetentionDays, strict=False))
"""CDK's names for what CloudWatch Logs offers; its last one is INFINITE."""


class MapfoldStack(Stack):
    """Everything of one stage. storage, jobs (by name), layer: what other constructs are wired to."""

    def __init__(
        self,
        scope: Construct,
        *,
        stage: Stage,
        jobs: Mapping[str, Job],
        tables: Mapping[str, tuple[str, ...]],
        packages: Packages,
        requirements: Requirements,
        environment: Environment | None,
    ) -> None:
        super().__init__(
            scope, stage.stack_name, env=environment, description=f"Mapfold, stage {stage.name}: jobs on Step Functions"
        )
        self.stage = stage
        self.log_retention = RETENTION[stage.log_retention_days]
        self.storage = Storage(
            self,
            "Storage",
            tables=tables,
            expiry={table: name for each in stage.jobs.values() for table, name in each.expiry.items()},
            run_days=stage.run_days,
            noncurrent_days=stage.noncurrent_days,
            deletion_protection=stage.deletion_protection,
            key=kms.Key.from_key_arn(self, "Key", stage.kms_key_arn) if stage.kms_key_arn else None,
        )
        self.layer = powertools_layer(self, stage.powertools_layer, requirements)
        self.jobs: Mapping[str, JobDeployment] = {
            name: JobDeployment(
                self,
                f"Job-{name}",
                job=job,
                stage=stage,
                storage=self.storage,
                packages=packages,
                layer=self.layer,
                policies=_no_policy,
                log_retention=self.log_retention,
            )
            for name, job in jobs.items()
        }
        self._say("MachinePrefix", stage.machine_prefix)
        self._say("Jobs", ",".join(self.jobs))
        self._say("DataBucket", self.storage.data_bucket.bucket_name)
        self._say("RunsBucket", self.storage.runs_bucket.bucket_name)
        self._say("RunsTable", self.storage.runs_table.table_name)
        for number, (name, table) in enumerate(self.storage.tables.items()):
            self._say(f"Table{number}", f"{name}={table.table_name}")

    def _say(self, key: str, value: str) -> None:
        CfnOutput(self, key, value=value)


def _no_policy(role: str, values: Mapping[str, str]) -> PolicyOf:
    return lambda own: iam.PolicyDocument()
