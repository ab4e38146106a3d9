"""All that a stage has of one job: five functions, and the state machine that calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Stage
from infra.functions import HandlerFunction, Shape
from infra.machine import JobMachine
from infra.package import Packages
from infra.policies import PolicyOf
from infra.storage import Storage
from mapfold.job import Job
from mapfold.limits import LAMBDA_TIMEOUT_LIMIT_SECONDS
from workflows import build_definition

HANDLERS = ("plan", "work", "fold", "finish", "close")


class Policies(Protocol):
    """Makes the policy of a role, by the role's name in `workflows.permissions`."""

    def __call__(self, role: str, values: Mapping[str, str]) -> PolicyOf: ...


class JobDeployment(Construct):
    """One job on one stage. functions: by handler. machine: what starts a run."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        job: Job,
        stage: Stage,
        storage: Storage,
        packages: Packages,
        layer: lambda_.ILayerVersion,
        policies: Policies,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, id_)
        self.job = job
        self._stage, self._storage, self._packages = stage, storage, packages
        environment = self._environment()
        self.functions: Mapping[str, HandlerFunction] = {
            handler: HandlerFunction(
                self,
                handler.capitalize(),
                handler=handler,
                code=lambda_.Code.from_asset(str(packages.of_job(job, handler))),
                layer=layer,
                shape=self._shape(handler, environment),
                policy_of=policies(handler, {}),
                log_retention=log_retention,
                description=f"Mapfold job {job.name}, {handler}",
            )
            for handler in HANDLERS
        }
        arns = {f"{name.capitalize()}Function": each.function.function_arn for name, each in self.functions.items()}
        self.machine = JobMachine(
            self,
            "Machine",
            name=f"{stage.machine_prefix}{job.name}",
            definition=build_definition(job),
            substitutions={**arns, "RunsBucket": storage.runs_bucket.bucket_name},
            policy_of=policies("state-machine", arns),
            log_retention=log_retention,
        )

    def _shape(self, handler: str, environment: Mapping[str, str]) -> Shape:
        overrides = self._stage.of_job(self.job.name)
        if handler != "work":
            return Shape(overrides.others_memory_mb, LAMBDA_TIMEOUT_LIMIT_SECONDS, environment=environment)
        return Shape(
            memory_mb=overrides.memory_mb or self.job.memory_mb,
            timeout_seconds=overrides.timeout_seconds or self.job.timeout_seconds,
            environment=environment,
        )

    def _environment(self) -> dict[str, str]:
        tables = {name: self._storage.tables[name].table_name for name in self.job.tables}
        return {
            "MAPFOLD_JOB": self.job.name,
            "MAPFOLD_JOBS": self._packages.jobs_name,
            "MAPFOLD_RUNS_BUCKET": self._storage.runs_bucket.bucket_name,
            "MAPFOLD_RUNS_TABLE": self._storage.runs_table.table_name,
            "MAPFOLD_DATA_BUCKET": self._storage.data_bucket.bucket_name,
            "MAPFOLD_TABLES": Stack.of(self).to_json_string(tables),
            "POWERTOOLS_SERVICE_NAME": self.job.name,
            "POWERTOOLS_METRICS_NAMESPACE": self._stage.metrics_namespace,
        }
