"""What the handlers take from the environment. All that is missing is named together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mapfold.errors import UsageError
from mapfold.storage import DATA_BUCKET

_REQUIRED = ("MAPFOLD_JOB", "MAPFOLD_RUNS_BUCKET", "MAPFOLD_RUNS_TABLE")


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of a job's functions.

    job (MAPFOLD_JOB), jobs_folder (MAPFOLD_JOBS, default `jobs`), runs_bucket (MAPFOLD_RUNS_BUCKET), runs_table
    (MAPFOLD_RUNS_TABLE), data_bucket (MAPFOLD_DATA_BUCKET, default mapfold-data), table_names (MAPFOLD_TABLES, a JSON
    object from declared to real names), secret_ids (MAPFOLD_SECRETS, the same for secrets: to names or ARNs),
    most_at_once (MAPFOLD_CONCURRENCY: more batches than this cannot run at once), run_days (MAPFOLD_RUN_DAYS: a run's
    folder is deleted after so many; unset: never).
    """

    job: str
    runs_bucket: str
    runs_table: str
    jobs_folder: str = "jobs"
    data_bucket: str = DATA_BUCKET
    table_names: Mapping[str, str] = field(default_factory=dict)
    secret_ids: Mapping[str, str] = field(default_factory=dict)
    most_at_once: int | None = None
    run_days: int | None = None

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> Settings:
        """UsageError names every variable that is missing."""
        if missing := [name for name in _REQUIRED if not environment.get(name)]:
            raise UsageError(f"the function's environment has no {', '.join(missing)}. Deploy the job again.")
        at_once, run_days = environment.get("MAPFOLD_CONCURRENCY"), environment.get("MAPFOLD_RUN_DAYS")
        return Settings(
            job=environment["MAPFOLD_JOB"],
            runs_bucket=environment["MAPFOLD_RUNS_BUCKET"],
            runs_table=environment["MAPFOLD_RUNS_TABLE"],
            jobs_folder=environment.get("MAPFOLD_JOBS") or "jobs",
            data_bucket=environment.get("MAPFOLD_DATA_BUCKET") or DATA_BUCKET,
            table_names=json.loads(environment.get("MAPFOLD_TABLES") or "{}"),
            secret_ids=json.loads(environment.get("MAPFOLD_SECRETS") or "{}"),
            most_at_once=int(at_once) if at_once else None,
            run_days=int(run_days) if run_days else None,
        )
