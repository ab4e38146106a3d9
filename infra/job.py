"""All that a stage has of one job: six functions, and the state machine that calls them."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import JobOverrides
from infra.functions import Attachment, HandlerFunction, Shape
from infra.machine import JobMachine
from infra.package import Packages
from infra.policies import policy_of
from infra.surroundings import Surroundings
from mapfold.job import Job
from mapfold.limits import LAMBDA_TIMEOUT_LIMIT_SECONDS
from workflows import build_definition
from workflows.permissions import job_permissions, roles_with_context, secret_arn

HANDLERS = ("plan", "work", "isolate", "fold", "finish", "close")


class JobDeployment(Construct):
    """One job on one stage. functions: by handler. machine: its executions are the job's runs."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        job: Job,
        overrides: JobOverrides,
        surroundings: Surroundings,
        packages: Packages,
        layer: lambda_.ILayerVersion,
    ) -> None:
        super().__init__(scope, id_)
        self.job = job
        self._overrides, self._surroundings = overrides, surroundings
        permissions = job_permissions(job, with_key=surroundings.has_key)
        values = {**surroundings.values(), **self._secrets("Secret.")}
        environment = self._environment(packages.jobs_name)
        self.functions: Mapping[str, HandlerFunction] = {
            handler: HandlerFunction(
                self,
                handler.capitalize(),
                handler=handler,
                code=lambda_.Code.from_asset(str(packages.of_job(job, handler))),
                layer=layer,
                shape=self._shape(handler, environment),
                policy=policy_of(permissions[handler], values),
                log_retention=surroundings.log_retention,
                description=f"Mapfold job {job.name}: {handler}",
            )
            for handler in HANDLERS
        }
        arns = {f"{name.capitalize()}Function": each.function.function_arn for name, each in self.functions.items()}
        self.machine = JobMachine(
            self,
            "Machine",
            name=f"{surroundings.machine_prefix}{job.name}",
            definition=build_definition(job),
            substitutions={**arns, "RunsBucket": surroundings.storage.runs_bucket.bucket_name},
            policy=policy_of(permissions["state-machine"], {**values, **arns}),
            log_retention=surroundings.log_retention,
        )

    def _shape(self, handler: str, environment: Mapping[str, str]) -> Shape:
        network = self.job.network if handler in roles_with_context(self.job) else None
        attachment = Attachment(network.subnets, network.security_groups) if network else None
        if handler != "work":
            return Shape(
                memory_mb=self._overrides.others_memory_mb,
                timeout_seconds=LAMBDA_TIMEOUT_LIMIT_SECONDS,
                reserved_concurrency=1 if handler == "finish" and self.job.finish_takes_connections else None,
                environment=environment,
                attachment=attachment,
            )
        return Shape(
            memory_mb=self._overrides.memory_mb or self.job.memory_mb,
            timeout_seconds=self._overrides.timeout_seconds or self.job.timeout_seconds,
            ephemeral_storage_mb=self._overrides.ephemeral_storage_mb or self.job.ephemeral_storage_mb,
            reserved_concurrency=self._most_at_once(),
            environment=environment,
            attachment=attachment,
        )

    def _most_at_once(self) -> int | None:
        """Batches of all runs together: what the job reserves and its database bears, or less if the stage says so."""
        reserved = self._overrides.reserved_concurrency or self.job.reserved_concurrency
        bounds = (reserved, self.job.most_workers)
        return min((bound for bound in bounds if bound is not None), default=None)

    def _environment(self, jobs_name: str) -> dict[str, str]:
        storage, as_json = self._surroundings.storage, Stack.of(self).to_json_string
        at_once = [each for each in (self._most_at_once(), self._overrides.concurrency) if each is not None]
        return {
            **self.job.environment,
            **self._overrides.environment,
            **self._surroundings.environment(service=self.job.name),
            "MAPFOLD_JOB": self.job.name,
            "MAPFOLD_JOBS": jobs_name,
            "MAPFOLD_RUN_DAYS": str(self._surroundings.stage.run_days),
            "MAPFOLD_TABLES": as_json({name: storage.tables[name].table_name for name in self.job.tables}),
            **({"MAPFOLD_CONCURRENCY": str(min(at_once))} if at_once else {}),
            **({"MAPFOLD_SECRETS": as_json({name: name for name in self.job.secrets})} if self.job.secrets else {}),
        }

    def _secrets(self, prefix: str) -> dict[str, str]:
        where = self._surroundings.place()
        return {
            f"{prefix}{secret}": secret_arn(
                secret, partition=where["Partition"], region=where["Region"], account=where["Account"]
            )
            for secret in self.job.secrets
        }
