"""`mapfold redrive`: let a run that ended without success go on from where it stood, follow it, tell how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.ending import PUT_INPUT, follow_to_the_end
from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import counted
from mapfold.cli.run import deploy
from mapfold.client import Run, check_redrivable, find_run, redrive
from mapfold.client.outcome import split_uri
from mapfold.client.values import Execution, decode
from mapfold.errors import UsageError

if TYPE_CHECKING:
    from mapfold.job import Job


def redrive_run(place: Place, name: str, jobs_folder: Path, factory: Factory, output: Output, *, as_json: bool) -> int:
    """Redrive a run. 0 if it then succeeded, 1 if not, 130 if interrupted (then it is stopped first).

    On the embedded AWS its job is deployed first, so that its functions are those of the folder as it is now.
    """
    with factory.connect(place, output.note) as connection:
        execution = find_run(connection.aws, name)
        if connection.is_own and not execution.status.is_terminal:
            output.note(factory.goes_on(place))
        check_redrivable(connection.aws, execution)
        if connection.is_local:
            _make_ready(execution, jobs_folder, factory, connection, output)
        output.note(f"run {execution.name}")
        output.note(f"  on        {connection.where}")
        output.note(f"  redrive   after {counted(execution.redrive_count, 'redrive')}: it ended {execution.status}")
        redrive(connection.aws, execution)
        run = Run(execution.name, execution.arn)
        return follow_to_the_end(run, connection, place, factory, output, as_json=as_json)


def _make_ready(
    execution: Execution, jobs_folder: Path, factory: Factory, connection: Connection, output: Output
) -> None:
    """Put the job's functions, tables and example into the embedded AWS as they are now."""
    job = _job(connection.aws.target.job_of(execution.state_machine_arn), jobs_folder, factory, output)
    if job is not None:
        deploy(job, jobs_folder, factory, connection, output)
    if not connection.is_own:
        return
    if job is not None and job.example_function is not None:
        factory.example(job, connection)
    _check_source(execution, connection)


def _job(name: str, jobs_folder: Path, factory: Factory, output: Output) -> Job | None:
    try:
        return factory.job(jobs_folder, name)
    except UsageError:
        output.note(f"there is no job {name!r} in {jobs_folder}: its functions are those that were deployed last")
        return None


def _check_source(execution: Execution, connection: Connection) -> None:
    """Refuse a run whose input ended with an earlier embedded AWS: it would fail, and then could not go on again."""
    given = decode(execution.input)
    source = given.get("source") if isinstance(given, dict) else None
    uri = source.get("uri") if isinstance(source, dict) else None
    if not isinstance(uri, str):
        return
    if next(iter(connection.aws.object_keys(*split_uri(uri))), None) is None:
        raise UsageError(f"run {execution.name} was not redriven: its source {uri} is not there any more.\n{PUT_INPUT}")
