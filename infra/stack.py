"""The stack of a stage: it wires the constructs together, and says what the command line reads."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import Stage
from infra.job import JobDeployment
from infra.layer import powertools_layer
from infra.package import Packages
from infra.requirements import Requirements
from infra.storage import Storage
from infra.surroundings import Surroundings
from mapfold.job import Job


class MapfoldStack(Stack):
    """Everything of one stage."""

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
        key = kms.Key.from_key_arn(self, "Key", stage.kms_key_arn) if stage.kms_key_arn else None
        storage = Storage(
            self,
            "Storage",
            tables=tables,
            expiry={table: name for each in stage.jobs.values() for table, name in each.expiry.items()},
            run_days=stage.run_days,
            noncurrent_days=stage.noncurrent_days,
            deletion_protection=stage.deletion_protection,
            key=key,
        )
        surroundings = Surroundings(stage, storage)
        layer = powertools_layer(self, stage.powertools_layer, requirements)
        deployed = {
            name: JobDeployment(
                self,
                f"Job-{name}",
                job=job,
                overrides=stage.of_job(name),
                surroundings=surroundings,
                packages=packages,
                layer=layer,
            )
            for name, job in jobs.items()
        }
        self._say("MachinePrefix", stage.machine_prefix)
        self._say("Jobs", ",".join(deployed))
        self._say("DataBucket", storage.data_bucket.bucket_name)
        self._say("RunsBucket", storage.runs_bucket.bucket_name)
        self._say("RunsTable", storage.runs_table.table_name)
        for number, (name, table) in enumerate(storage.tables.items()):
            self._say(f"Table{number}", f"{name}={table.table_name}")

    def _say(self, key: str, value: str) -> None:
        CfnOutput(self, key, value=value)
