"""`mapfold run`: deploy to the embedded AWS, start, follow, and tell how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import counted, duration, result_lines
from mapfold.client import (
    AWS_PACE,
    LOCAL_PACE,
    Outcome,
    Run,
    carry_out,
    check_run_name,
    failures,
    follow,
    new_run_id,
    outcome,
    plan_deployment,
    start,
    stop,
    substitutions,
)
from mapfold.client.values import Execution, explain_cause
from mapfold.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from mapfold.job import Job

INTERRUPTED = 130
_REASONS = 5
_STOP_SECONDS = 3.0
_SOURCE_ERROR = "SourceError"
_PUT_INPUT = """\
  The embedded AWS was started for this run alone; its S3 has what was put into it earlier, with the same data directory.
  To run on input of yours: start `mapfold local` in another terminal, put the input into its S3, and run again."""

Typed = Callable[[str, str], str]
"""A verb and a run to the command line that can be pasted."""


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
            _deploy(job, options, factory, connection, output)
        uri = options.source or _example(job, factory, connection, output)
        _introduce(job, run_id, uri, connection, output)
        started = start(connection.aws, job.name, source=job.source.parse_uri(uri), params=options.params, name=run_id)
        execution = _follow(started, connection, options.place, factory, output)
        if execution is None:
            return INTERRUPTED
        ended = outcome(connection.aws, execution)
        if options.as_json:
            output.document(ended.as_document())
        else:
            output.facts(_outcome_lines(ended, connection, execution, partial(factory.typed, place=options.place)))
        if ended.is_result_too_large:
            output.note(f"the result is too large to be shown: read it at {ended.result_uri}")
        if not ended.succeeded:
            output.note(f"mapfold: run {run_id} ended {ended.status}: {_why(ended)}")
        if ended.error == _SOURCE_ERROR and connection.is_own:
            output.note(_PUT_INPUT)
        return 0 if ended.succeeded else 1


def _deploy(job: Job, options: RunOptions, factory: Factory, connection: Connection, output: Output) -> None:
    aws = connection.aws
    bucket = aws.target.runs_bucket
    arns = substitutions(job.name, region=aws.region, account=aws.account, runs_bucket=bucket)
    deployment = plan_deployment(
        job.name,
        definition=factory.deployed_definition(job, arns),
        jobs_folder=options.jobs_folder,
        timeout_seconds=job.timeout_seconds,
        memory_mb=job.memory_mb,
        tables=job.tables,
        runs_bucket=bucket,
        digest=factory.source_digest(options.jobs_folder),
    )
    if any(change.action == "replaced" for change in carry_out(deployment, aws)):
        output.note("the source has changed since the last run: deployed again")


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


def _follow(started: Run, connection: Connection, place: Place, factory: Factory, output: Output) -> Execution | None:
    """The execution as it ended, or None if Ctrl-C came first."""
    try:
        with output.watching() as watcher:
            pace = LOCAL_PACE if connection.is_local else AWS_PACE
            return follow(connection.aws, started.execution_arn, watcher, pace=pace)
    except KeyboardInterrupt:
        output.note(f"interrupted: stopping run {started.run_id} (Ctrl-C again leaves at once)")
        _stop(started, connection)
        output.note(f"look      {factory.typed('show', started.run_id, place)}")
        return None


def _stop(started: Run, connection: Connection) -> None:
    """Ask for the run's end, and wait a little: who pressed Ctrl-C wants to leave.

    In a thread, for the call itself has no bound that is short enough.
    """

    def ask() -> None:
        with suppress(ServiceError):  # the server may have been ended by the same hand
            stop(connection.aws, started.execution_arn, cause="interrupted at the command line")

    asking = threading.Thread(target=ask, name="stop-run", daemon=True)
    asking.start()
    asking.join(_STOP_SECONDS)


def _outcome_lines(ended: Outcome, connection: Connection, execution: Execution, typed: Typed) -> list[str]:
    items = ended.items
    lines = [f"{ended.run_id} {ended.status.lower().replace('_', ' ')} in {duration(ended.seconds)}"]
    if items.total or ended.succeeded:
        lines.append(f"{counted(items.total, 'item')}: {items.succeeded:,} succeeded, {items.failed:,} failed")
    if items.failed:
        lines += _reasons(ended, connection, execution, typed)
    if ended.result is not None:
        lines += ["", *result_lines(ended.result)]
    lines.append("")
    if ended.result_uri:
        lines.append(f"result    {ended.result_uri}")
    if ended.failures_uri:
        lines.append(f"failures  {ended.failures_uri}")
    return [*lines, f"look      {typed('show', ended.run_id)}", f"          {typed('history', ended.run_id)}"]


def _reasons(ended: Outcome, connection: Connection, execution: Execution, typed: Typed) -> list[str]:
    """The first few failed items; how they can all be seen."""
    first = list(islice(failures(connection.aws, execution), _REASONS))
    lines = [f"  item {failure.index}: {failure.error}: {_one_line(failure.message)}" for failure in first]
    left = ended.items.failed - len(first)
    more = f"… {left:,} more" if left > 0 else "with tracebacks"
    command = typed("failures", ended.run_id) + ("" if left > 0 else " --traceback")
    return [*lines, f"  {more}: {command}"]


def _why(ended: Outcome) -> str:
    said = [text for text in (ended.error, explain_cause(ended.cause)[0]) if text]
    return ": ".join(said) or "no reason was given"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
