"""`mapfold deploy`: bring jobs to the embedded AWS, with what starts them. `mapfold run` brings its job alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import columns
from mapfold.client import Deployment, plan_deployment, substitutions
from mapfold.client.deploy import Done, Step, all_at_once, steps
from mapfold.client.shared import first_steps, last_steps, next_steps, plan_shared, upload_prefix
from mapfold.errors import MapfoldError, UsageError

if TYPE_CHECKING:
    from mapfold.job import Job


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What the command line says about a deployment. No `jobs`: all of the folder."""

    place: Place
    jobs_folder: Path
    jobs: tuple[str, ...] = ()
    as_json: bool = False


def deploy(options: DeployOptions, factory: Factory, output: Output) -> int:
    """Deploy jobs, and what they share. 0, or 2 if a job is broken; that is said, and the others are deployed."""
    if options.place.on == "aws":
        raise UsageError("mapfold deploy is for the embedded AWS. To AWS, infra/ deploys all jobs: make deploy")
    jobs, errors = _jobs(options, factory)
    with factory.connect(options.place, output.note) as connection:
        deployments, unplanned = _plans(jobs, options.jobs_folder, factory, connection)
        done = _carry_out(deployments, [jobs[one.job] for one in deployments], options.jobs_folder, factory, connection)
    errors = [*errors, *unplanned, *done.errors]
    names = [one.job for one in deployments]
    started = [name for name in names if jobs[name].source.starts_by_upload]
    _say(names, started, done, errors, connection, output, as_json=options.as_json)
    return max((error.exit_code for error in errors), default=0)


def job_plan(job: Job, jobs_folder: Path, factory: Factory, connection: Connection) -> Deployment:
    """What a job needs there."""
    aws = connection.aws
    bucket = aws.target.runs_bucket
    arns = substitutions(job.name, region=aws.region, account=aws.account, runs_bucket=bucket)
    return plan_deployment(
        job.name,
        definition=factory.deployed_definition(job, arns),
        jobs_folder=jobs_folder,
        timeout_seconds=job.timeout_seconds,
        memory_mb=job.memory_mb,
        tables=job.tables,
        runs_bucket=bucket,
        data_bucket=aws.target.data_bucket,
        digest=factory.source_digest(jobs_folder),
        environment=_own_variables(job),
    )


def _own_variables(job: Job) -> dict[str, str]:
    """Of the job's functions: what it declares. A bound that this machine's cores are below is none here."""
    variables = dict(job.environment)
    if job.secrets:
        variables["MAPFOLD_SECRETS"] = json.dumps({name: name for name in job.secrets}, separators=(",", ":"))
    if job.most_at_once is not None and job.most_at_once < 2 * (os.cpu_count() or 1):
        variables["MAPFOLD_CONCURRENCY"] = str(job.most_at_once)
    return variables


def _jobs(options: DeployOptions, factory: Factory) -> tuple[Mapping[str, Job], list[MapfoldError]]:
    if options.jobs:
        return {name: factory.job(options.jobs_folder, name) for name in options.jobs}, []
    loaded = factory.jobs(options.jobs_folder)
    return loaded, list(loaded.errors)


def _plans(
    jobs: Mapping[str, Job], jobs_folder: Path, factory: Factory, connection: Connection
) -> tuple[list[Deployment], list[MapfoldError]]:
    plans: list[Deployment] = []
    errors: dict[str, MapfoldError] = {}  # by what they say: a typo in the definition is the same for all jobs
    for job in jobs.values():
        try:
            plans.append(job_plan(job, jobs_folder, factory, connection))
        except MapfoldError as error:
            errors.setdefault(str(error), error)
    return plans, list(errors.values())


def _carry_out(
    deployments: Sequence[Deployment], jobs: Sequence[Job], jobs_folder: Path, factory: Factory, connection: Connection
) -> Done:
    aws, triggers = connection.aws, factory.triggers(connection)
    shared = plan_shared(
        jobs_folder=jobs_folder,
        upload_jobs=[job.name for job in jobs if job.source.starts_by_upload],
        runs_bucket=aws.target.runs_bucket,
        data_bucket=aws.target.data_bucket,
        digest=factory.shared_digest(jobs_folder),
    )
    later = {shared.data_bucket}
    todo: list[Step] = [step for deployment in deployments for step in steps(deployment, aws, later=later)]
    done = [
        all_at_once([*todo, *first_steps(shared, aws, triggers)]),
        all_at_once(next_steps(shared, aws, triggers)),
        all_at_once(last_steps(shared, aws, triggers)),
    ]
    return Done(
        [change for one in done for change in one.changes],
        sum(one.left for one in done),
        [error for one in done for error in one.errors],
    )


def _say(
    names: Sequence[str],
    started: Sequence[str],
    done: Done,
    errors: Sequence[MapfoldError],
    connection: Connection,
    output: Output,
    *,
    as_json: bool,
) -> None:
    if as_json:
        output.document(
            {
                "jobs": list(names),
                "changes": [{"action": one.action, "kind": one.kind, "name": one.name} for one in done.changes],
                "left": done.left,
                "errors": [str(error) for error in errors],
            }
        )
    else:
        output.facts(_lines(names, started, done, connection))
    for error in errors:
        output.note(f"mapfold: {error}")


def _lines(names: Sequence[str], started: Sequence[str], done: Done, connection: Connection) -> Iterator[str]:
    """`started`: those of the names that a manifest starts."""
    changes = done.changes
    yield from columns(("", "kind", "name"), [(one.action, one.kind, one.name) for one in changes]) if changes else ()
    jobs = ", ".join(names) or "no job"
    counts = f"{len(changes)} changed, {done.left} left as they were"
    if done.errors:  # they are said one by one on stderr
        yield f"not all of {jobs} is on {connection.where}: {counts}, {len(done.errors)} failed"
        return
    yield f"{jobs} on {connection.where}: {counts}"
    bucket = connection.aws.target.data_bucket
    yield from (f"a manifest put under s3://{bucket}/{upload_prefix(name)} starts {name}" for name in started[:1])
