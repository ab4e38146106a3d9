"""What a warm worker keeps between invocations: its settings, its job, its clients, what the job's setup returned."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from mapfold.context import Context
from mapfold.job import Job, load_job
from mapfold.runs.folder import RunFolder
from mapfold.runs.partials import Partials
from mapfold.runs.records import Records
from mapfold.runs.secrets import DeclaredSecrets
from mapfold.runs.settings import Settings
from mapfold.storage import Storage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=32)


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of one of a job's functions."""

    settings: Settings
    job: Job
    s3: S3Client
    dynamodb: DynamoDBClient
    secrets: DeclaredSecrets

    def folder(self, run_id: str) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.settings.runs_bucket, run_id)

    def partials(self, run_id: str) -> Partials:
        """The run's partials."""
        return Partials(self.job, self.s3, self.folder(run_id))

    def context(
        self, run_id: str, params: Mapping[str, Any], lambda_context: Any, *, logger: Any, setup: Any = None
    ) -> Context:
        """What the job's functions are handed. `lambda_context` tells the time left."""
        remaining = getattr(lambda_context, "get_remaining_time_in_millis", None)
        return Context(
            job=self.job.name,
            run_id=run_id,
            params=params,
            storage=Storage(self.s3, data_bucket=self.settings.data_bucket),
            dynamodb=self.dynamodb,
            tables=self.job.tables,
            table_names=self.settings.table_names,
            secrets=self.secrets,
            logger=logger,
            setup=setup,
            seconds_left=(lambda: remaining() / 1000) if remaining else (lambda: math.inf),
            item_id=None,
        )


@cache
def worker() -> Worker:
    """This process's worker. Made at the first invocation, not at import: a job that is broken is then an error."""
    job = load_job(settings().jobs_folder, settings().job)
    secrets = DeclaredSecrets({name: settings().secret_ids.get(name, name) for name in job.secrets}, _CLIENT)
    return Worker(settings(), job, s3(), _dynamodb(), secrets)


@cache
def records() -> Records:
    """The runs table. Apart from `worker`, for a run of a job that cannot be loaded has a record too."""
    return Records(_dynamodb(), settings().runs_table, time.time, settings().run_days)


@cache
def settings() -> Settings:
    """The function's environment."""
    return Settings.from_environment(os.environ)


@cache
def s3() -> S3Client:
    """S3. Apart from `worker`, for what does not load the job."""
    return boto3.client("s3", config=_CLIENT)


@cache
def _dynamodb() -> DynamoDBClient:
    return boto3.client("dynamodb", config=_CLIENT)


def forget() -> None:
    """Make this process a cold worker again: for tests, which change the environment."""
    for cached in (worker, records, settings, s3, _dynamodb):
        cached.cache_clear()
