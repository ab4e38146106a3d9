"""`mapfold run`: deploy to the embedded AWS, start, follow, and tell how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.deploy import job_plan
from mapfold.cli.ending import follow_to_the_end
from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.client import carry_out, check_run_name, new_run_id, start
from mapfold.errors import UsageError

if TYPE_CHECKING:
    from mapfold.job import Job


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says about a run."""

    job: str
    place: Place
    jobs_folder: Path
    source: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    as_json: bool = False


def run(options: RunOptions, factory: Factory, output: Output) -> int:
    """Run a job to its end. 0 if it succeeded, 1 if not, 130 if interrupted (then the run is stopped first)."""
    job = factory.job(options.jobs_folder, options.job)
    run_id = check_run_name(options.name) if options.name else new_run_id(job.name)
    if options.source is not None:
        job.source.parse_uri(options.source)  # a wrong one is said before anything is started
    elif options.place.on == "aws":
        raise UsageError(f"name a SOURCE: mapfold run {job.name} s3://BUCKET/KEY --on aws. Examples are local only.")
    elif job.example_function is None:
        raise UsageError(f"job {job.name!r} brings no example. Name a SOURCE: mapfold run {job.name} s3://BUCKET/KEY")
    with factory.connect(options.place, output.note) as connection:
        if connection.is_local:
            deploy(job, options.jobs_folder, factory, connection, output)
        uri = options.source or _example(job, factory, connection, output)
        _introduce(job, run_id, uri, connection, output)
        started = start(connection.aws, job.name, source=job.source.parse_uri(uri), params=options.params, name=run_id)
        return follow_to_the_end(started, connection, options.place, factory, output, as_json=options.as_json)


def deploy(job: Job, jobs_folder: Path, factory: Factory, connection: Connection, output: Output) -> None:
    """Bring a job to the embedded AWS as it is now: machine, functions, tables, bucket."""
    deployment = job_plan(job, jobs_folder, factory, connection)
    replaced = {change.kind for change in carry_out(deployment, connection.aws) if change.action == "replaced"}
    changed = [f"the code in {jobs_folder}"] if "function" in replaced else []
    changed += [f"the state machine of {job.name}"] if "state machine" in replaced else []
    if changed:
        have, they = ("have", "they were") if len(changed) > 1 else ("has", "it was")
        output.note(f"{' and '.join(changed)} {have} changed since {they} deployed: deployed again")


def _example(job: Job, factory: Factory, connection: Connection, output: Output) -> str:
    output.note(f"no SOURCE given: putting the example of {job.name} into the embedded AWS")
    uri = factory.example(job, connection)
    if uri is None:
        raise UsageError(f"job {job.name!r} brings no example. Name a SOURCE: mapfold run {job.name} s3://BUCKET/KEY")
    return uri


def _introduce(job: Job, run_id: str, uri: str, connection: Connection, output: Output) -> None:
    children, why = job.child_type()
    output.note(f"run {run_id}")
    output.note(f"  source    {uri}")
    output.note(f"  on        {connection.where}")
    output.note(f"  children  {children}: {why}")
