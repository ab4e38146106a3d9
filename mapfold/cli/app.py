"""The commands and their options. Each is thin: it gathers options, calls one function, and gives its exit code.

What a command needs is imported when it is called, so that `--help` answers at once.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from mapfold.cli.factory import DEFAULT_DATA, Factory, Place, command_name
from mapfold.cli.output import Output, Streams
from mapfold.errors import UsageError

Command = Callable[..., int]

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else.")
_jobs = click.option(
    "--jobs",
    "jobs_folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("jobs"),
    envvar="MAPFOLD_JOBS",
    show_default=True,
    help="The folder of jobs.",
)
_where = click.option(
    "--where", multiple=True, metavar="FIELD=VALUE", help="Only the failed items that are so. Repeat it. See `retry`."
)
_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    envvar="MAPFOLD_DATA",
    show_default=True,
    help="The directory where the embedded AWS keeps its state.",
)


def _place(command: Command) -> Command:
    """Add the options that say where a command acts; it gets them as `place`."""

    @click.option("--on", type=click.Choice(["local", "aws"]), default="local", show_default=True, help="Where.")
    @click.option("--profile", help="The AWS profile, with --on aws.")
    @click.option("--region", help="The AWS region, with --on aws.")
    @click.option(
        "--stack", help="The stack that has the jobs, with --on aws. [default: MAPFOLD_STACK, or mapfold-dev]"
    )
    @_data
    @functools.wraps(command)
    def placed(
        *, on: str, profile: str | None, region: str | None, stack: str | None, data: Path, **options: Any
    ) -> int:
        return command(place=Place(on=on, data=data, profile=profile, region=region, stack=stack), **options)

    return placed


def _version() -> str:
    try:
        return version("mapfold")
    except PackageNotFoundError:  # run from a folder, not installed
        return "unknown"


@click.group(context_settings=_HELP, no_args_is_help=True)
@click.version_option(_version(), prog_name="mapfold")
@click.option("--debug", is_flag=True, envvar="MAPFOLD_DEBUG", help="Show the traceback of an error.")
@click.pass_context
def mapfold(context: click.Context, debug: bool) -> None:
    """Run a Python function over everything an S3 manifest names, and fold the results into one answer.

    \b
    mapfold jobs                         the jobs in ./jobs
    mapfold run flight-delays            run a job on its own example, on the embedded AWS
    mapfold run JOB s3://bucket/key      run it on your input
    mapfold runs                         what has been run
    mapfold show RUN                     one run: counts, result, error
    mapfold history RUN --failed         its states and map runs, with the children that failed
    mapfold failures RUN                 the items that failed, with reasons
    mapfold audit RUN                    check that it did each item of its source once
    mapfold check JOB                    whether its fold may be called in any order, on real partials
    mapfold stop RUN                     end a run that is running
    mapfold redrive RUN                  let a run that was stopped or timed out go on
    mapfold retry RUN                    try the items that failed again, with today's code, into one result
    mapfold definition JOB               a job's state machine in the Amazon States Language
    mapfold policy JOB                   what a job's functions may do on AWS, and why
    mapfold deploy                       bring the jobs to the embedded AWS, to be started by API, upload or queue
    mapfold local                        keep the embedded AWS running, for boto3 or the AWS CLI

    \b
    Exit codes: 0 succeeded, 1 the run failed, 2 the command line or the job is wrong, 130 interrupted.
    """
    context.obj = context.obj or (Factory(command=command_name(sys.argv[0])), Streams())


def _handed(command: Command) -> Command:
    """Give a command its `factory` and `output`: those of click's context."""

    @functools.wraps(command)
    def handed(**options: Any) -> int:
        factory, output = click.get_current_context().obj
        return command(factory=factory, output=output, **options)

    return handed


@mapfold.command()
@_jobs
@_json
@_handed
def jobs(factory: Factory, output: Output, jobs_folder: Path, as_json: bool) -> int:
    """List the jobs of a folder."""
    from mapfold.cli import look

    return look.jobs(jobs_folder, factory, output, as_json=as_json)


@mapfold.command()
@click.argument("job")
@click.option("--json", is_flag=True, expose_value=False, help="No change: the States Language is JSON.")
@_jobs
@_handed
def definition(factory: Factory, output: Output, job: str, jobs_folder: Path) -> int:
    """Print the state machine of JOB in the Amazon States Language."""
    from mapfold.cli import look

    return look.definition(jobs_folder, job, factory, output)


@mapfold.command()
@click.argument("job", required=False)
@click.option("--shared", is_flag=True, help="The roles that all jobs of a stage share: api, start, watch.")
@click.option("--role", help="Only this role.")
@click.option("--with-key", is_flag=True, help="Of a stage that has a KMS key of its own.")
@_jobs
@_json
@_place
@_handed
def policy(
    factory: Factory,
    output: Output,
    place: Place,
    job: str | None,
    shared: bool,
    role: str | None,
    with_key: bool,
    jobs_folder: Path,
    as_json: bool,
) -> int:
    """Print what the functions and the state machine of JOB may do on AWS, each statement with its reason.

    The statements follow from what the definition and the job declare, and nothing else is granted. `${…}` stands for
    what a deployment names; with --on aws, names are those of the deployed stack as far as it tells them.

    \b
    mapfold policy flight-delays
    mapfold policy flight-delays --role work
    mapfold policy --shared
    mapfold policy flight-delays --json | jq .roles.work.policy
    """
    from mapfold.cli.policy import PolicyOptions
    from mapfold.cli.policy import policy as print_policy

    options = PolicyOptions(
        job=job,
        shared=shared,
        role=role,
        with_key=with_key,
        place=place,
        jobs_folder=jobs_folder,
        as_json=as_json,
    )
    return print_policy(options, factory, output)


@mapfold.command()
@click.argument("job")
@click.argument("source", required=False)
@click.option("--param", "params", multiple=True, metavar="K=V", help="A parameter for the job's functions. Repeat it.")
@click.option("--name", help="The run's name. Without it: JOB-DATE-TIME-xxxx.")
@_jobs
@_json
@_place
@_handed
def run(
    factory: Factory,
    output: Output,
    place: Place,
    job: str,
    source: str | None,
    params: tuple[str, ...],
    name: str | None,
    jobs_folder: Path,
    as_json: bool,
) -> int:
    """Run JOB over what SOURCE names, follow it, and print its result.

    SOURCE is an S3 URI, such as s3://mapfold-data/manifests/flights-2013.csv. Without it, a job that brings an example
    runs on that (on the embedded AWS only).

    \b
    mapfold run flight-delays
    mapfold run flight-delays s3://my-bucket/manifest.csv --param year=2013 --name first
    mapfold run flight-delays s3://my-bucket/manifest.csv --on aws --profile work
    mapfold run flight-delays --json | jq .result

    Where no `mapfold local` is running, the embedded AWS is started for this run and stopped after it. Ctrl-C stops
    the run; a second one leaves at once.
    """
    from mapfold.cli.run import RunOptions
    from mapfold.cli.run import run as run_job

    options = RunOptions(
        job=job,
        place=place,
        jobs_folder=jobs_folder,
        source=source,
        params=dict(_param(text) for text in params),
        name=name,
        as_json=as_json,
    )
    return run_job(options, factory, output)


@mapfold.command()
@click.option("--job", help="Only the runs of this job.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="How many; 0 is all.")
@_json
@_place
@_handed
def runs(factory: Factory, output: Output, place: Place, job: str | None, limit: int, as_json: bool) -> int:
    """List the runs, newest first."""
    from mapfold.cli import look

    return look.runs(place, factory, output, job=job, limit=limit, as_json=as_json)


@mapfold.command()
@click.argument("run_", metavar="RUN")
@_json
@_place
@_handed
def show(factory: Factory, output: Output, place: Place, run_: str, as_json: bool) -> int:
    """Show one RUN: its status, counts and result, or its error."""
    from mapfold.cli import look

    return look.show(place, run_, factory, output, as_json=as_json)


@mapfold.command()
@click.argument("run_", metavar="RUN")
@click.option("--failed", is_flag=True, help="Of the children, only those that failed.")
@click.option("--events", is_flag=True, help="All events of the run and its children, not the tree.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="Children to show of a map run; 0 is all. [default: 1000, with --json all]",
)
@_json
@_place
@_handed
def history(
    factory: Factory,
    output: Output,
    place: Place,
    run_: str,
    failed: bool,
    events: bool,
    limit: int | None,
    as_json: bool,
) -> int:
    """Show the history of RUN: its execution, states, map runs and child executions.

    RUN may also be an execution's ARN, such as a child's.
    """
    from mapfold.cli import tree

    return tree.history(place, run_, factory, output, failed=failed, events=events, limit=limit, as_json=as_json)


@mapfold.command()
@click.argument("run_", metavar="RUN")
@click.option("--traceback", is_flag=True, help="With the traceback of each.")
@click.option("--by-signature", is_flag=True, help="Count them by why they failed, with an example of each reason.")
@_where
@_json
@_place
@_handed
def failures(
    factory: Factory,
    output: Output,
    place: Place,
    run_: str,
    traceback: bool,
    by_signature: bool,
    where: tuple[str, ...],
    as_json: bool,
) -> int:
    """List the items of RUN that failed, with their reasons.

    Of a run that is a retry: all that have failed in it and in the runs that it stands on, and have not succeeded since.

    \b
    mapfold failures RUN --by-signature                what went wrong, most frequent first
    mapfold failures RUN --where signature=3f2a91c0    the items of one reason (as `mapfold retry` takes --where)
    mapfold failures RUN --where 'key=logs/2013-*' --traceback
    """
    from mapfold.cli import look

    return look.failures(
        place,
        run_,
        factory,
        output,
        traceback=traceback,
        as_json=as_json,
        where=where,
        by_signature=by_signature,
    )


@mapfold.command()
@click.argument("job")
@click.argument("run_", metavar="[RUN]", required=False)
@click.option(
    "--pairs", type=click.IntRange(min=1), default=200, show_default=True, help="Pairs to try, and as many triples."
)
@_jobs
@_json
@_place
@_handed
def check(
    factory: Factory,
    output: Output,
    place: Place,
    job: str,
    run_: str | None,
    pairs: int,
    jobs_folder: Path,
    as_json: bool,
) -> int:
    """Try whether the fold of JOB may be called in any order, on partials that a run has made.

    Partials are merged in the order in which batches end, in groups that are merged again. So fold(a, b) must be
    fold(b, a), fold(fold(a, b), c) must be fold(a, fold(b, c)), what it gives must come back from JSON as it was, and b
    must stay as it is. A sample of the partials of RUN, or of the job's latest run, is read from S3, and today's code of
    the fold is called with pairs and triples of them. The smallest counterexample is shown.

    \b
    mapfold check flight-delays
    mapfold check flight-delays RUN --pairs 1000 --json | jq .counterexamples

    \b
    Exit codes: 0 no counterexample was found, 1 there is one, 2 there is nothing to try it on.
    """
    from mapfold.cli.check import CheckOptions
    from mapfold.cli.check import check as check_fold

    options = CheckOptions(job=job, run=run_, place=place, jobs_folder=jobs_folder, pairs=pairs, as_json=as_json)
    return check_fold(options, factory, output)


@mapfold.command()
@click.argument("run_", metavar="RUN")
@_jobs
@_json
@_place
@_handed
def audit(factory: Factory, output: Output, place: Place, run_: str, jobs_folder: Path, as_json: bool) -> int:
    """Check that RUN did each item of its source once: that nothing was skipped, and nothing done twice.

    The source is read again, as it was when the run was planned, and held against what the run's batches say they had:
    items of the manifest = succeeded + failed + not reached. What does not hold is listed with its place and item:

    \b
    missing     in the manifest, and no batch had it
    twice       more than one batch had it
    unknown     a batch had it, or failed at it, and it is not in the manifest
    altered     a batch had something else at this place
    failures    failures.jsonl lists more or fewer failed items than the batches say
    counts      the run's record has other numbers than were counted

    A retry is audited with all runs that it stands on. Memory does not grow with the items; what is sorted lies in the
    folder for temporary files, some 60 bytes a batch and the failed items.

    \b
    mapfold audit flight-delays-20260131-120000-abcd
    mapfold audit RUN --json | jq .findings[].item

    Exit codes: 0 all holds, 1 something does not, 2 it cannot be audited (the run has not ended, its folder was deleted, its
    source was overwritten).
    """
    from mapfold.cli.audit import audit as audit_run

    return audit_run(place, run_, jobs_folder, factory, output, as_json=as_json)


@mapfold.command()
@click.argument("run_", metavar="RUN")
@_json
@_place
@_handed
def stop(factory: Factory, output: Output, place: Place, run_: str, as_json: bool) -> int:
    """Stop a RUN that is running."""
    from mapfold.cli import look

    return look.stop(place, run_, factory, output, as_json=as_json)


@mapfold.command()
@click.argument("run_", metavar="RUN")
@_jobs
@_json
@_place
@_handed
def redrive(factory: Factory, output: Output, place: Place, run_: str, jobs_folder: Path, as_json: bool) -> int:
    """Let a RUN that ended without success go on from where it stood, follow it, and print its result.

    What has succeeded is kept: states that were left, and child executions that ended well, are not run again. What
    failed, was stopped or never started runs, with the functions as they are now.

    \b
    It helps a run
      that was stopped: by `mapfold stop`, by Ctrl-C, or by StopExecution;
      that timed out, or failed with an error that its state machine does not catch.
    It does not help a run
      that is running, or succeeded: the items that failed in it were tolerated;
      that failed by its own account. A job's state machine catches errors and too many failed items,
      closes the run's record, and ends in a Fail state. Only states that were not left run again:
      that one. Mend what failed, and try the failed items again with `mapfold retry`; or start a new run.

    A run can be redriven for 14 days after its end. Its definition stays the one that it was started with.

    \b
    mapfold redrive flight-delays-20260131-120000-abcd
    mapfold redrive RUN --on aws --profile work
    """
    from mapfold.cli.redrive import redrive_run

    return redrive_run(place, run_, jobs_folder, factory, output, as_json=as_json)


@mapfold.command()
@click.argument("what", metavar="RUN")
@_where
@click.option(
    "--canary",
    type=click.IntRange(min=1),
    metavar="N",
    help="First N items of each signature; the rest if all succeed.",
)
@click.option("--name", help="The new run's name. Without it: JOB-DATE-TIME-xxxx.")
@click.option("--again", is_flag=True, help="Also if RUN was retried before.")
@click.option("--job", help="The job, where RUN is a list of failed items (s3://…) from outside.")
@click.option("--param", "params", multiple=True, metavar="K=V", help="Where RUN is a list from outside. Repeat it.")
@_jobs
@_json
@_place
@_handed
def retry(
    factory: Factory,
    output: Output,
    place: Place,
    what: str,
    where: tuple[str, ...],
    canary: int | None,
    name: str | None,
    again: bool,
    job: str | None,
    params: tuple[str, ...],
    jobs_folder: Path,
    as_json: bool,
) -> int:
    """Try the items of RUN that failed again, with today's code, and fold what they give into RUN's result.

    RUN has ended: it failed, or it succeeded and its failed items were tolerated. A new run of the same job is started over
    those items alone, with the source and params of the first one. The new run's result, counts and failures are those of
    all items: what had succeeded is in it once, and is not run again. Its failed items can be retried in turn.

    \b
    What is tried again is all that failed, or what --where selects:
      error=ValueError            the error's class
      signature=3f2a91c0          why it failed, as `mapfold failures RUN --by-signature` shows it
      message=*timed out*         the error's message
      key=logs/2013-*             the item's key in S3
      item.carrier=A?             any field of the item
      index=12  index=10-20       the item's place in the source
    Several --where of one field are alternatives; those of different fields must all hold.

    With --canary N, a first run tries N items of each signature. Only if all of them succeed, a second one tries the rest;
    otherwise the command ends with 1 and says what still fails.

    \b
    RUN may also be a list of failed items from elsewhere, with --job:
      a folder of a Distributed Map's ResultWriter, or its manifest.json
      a completion report of S3 Batch Operations: its manifest.json, or one of its CSV files
      a failures.jsonl
    Then there is no earlier result: the run is one over these items.

    \b
    mapfold failures RUN --by-signature
    mapfold retry RUN
    mapfold retry RUN --where error=ValueError --where 'key=logs/2013-*' --canary 2
    mapfold retry RUN --where index=17
    mapfold retry s3://my-bucket/results/ --job flight-delays --on aws

    A run that was stopped or crashed did not come to its end: `mapfold redrive` lets it go on.
    """
    from mapfold.cli.retry import RetryOptions
    from mapfold.cli.retry import retry as retry_failed

    options = RetryOptions(
        what=what,
        place=place,
        jobs_folder=jobs_folder,
        where=where,
        canary=canary,
        name=name,
        again=again,
        job=job,
        params=dict(_param(text) for text in params),
        as_json=as_json,
    )
    return retry_failed(options, factory, output)


@mapfold.command()
@click.argument("names", metavar="[JOB]...", nargs=-1)
@_jobs
@_json
@_place
@_handed
def deploy(
    factory: Factory, output: Output, place: Place, names: tuple[str, ...], jobs_folder: Path, as_json: bool
) -> int:
    """Bring JOBs, or all of the folder, to the embedded AWS, with what starts runs of them.

    What is there as it should be is left alone: after an edit only what differs is changed. `mapfold local` does this
    by itself when it starts. Then a run of JOB is started by an upload, a message, or a request:

    \b
    aws s3 cp manifest.csv s3://mapfold-data/manifests/JOB/manifest.csv
    aws sqs send-message --queue-url http://127.0.0.1:8084/123456789012/mapfold-start \
        --message-body '{"job": "JOB", "source": "s3://mapfold-data/manifest.csv"}'
    curl http://127.0.0.1:8083/api/runs -H 'Content-Type: application/json' \\
        -d '{"job": "JOB", "source": "s3://mapfold-data/manifest.csv"}'

    The same object version, and the same message, start one run, however often they are delivered. Messages that cannot
    be carried out are in the queue mapfold-start-dead after five tries. To AWS, `make deploy` deploys.
    """
    from mapfold.cli.deploy import DeployOptions
    from mapfold.cli.deploy import deploy as deploy_jobs

    options = DeployOptions(place=place, jobs_folder=jobs_folder, jobs=names, as_json=as_json)
    return deploy_jobs(options, factory, output)


@mapfold.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8083, show_default=True, help="Step Functions, Lambda.")
@click.option("--aws-port", type=click.IntRange(0, 65535), default=8084, show_default=True, help="S3, DynamoDB, …")
@_data
@_jobs
@click.option("--no-deploy", is_flag=True, help="Without deploying the folder's jobs.")
@click.option("--no-console", is_flag=True, hidden=True, help="Without the web console, which is not there yet.")
@click.option("--until-eof", is_flag=True, hidden=True, help="Stop when stdin ends.")
def local(
    port: int, aws_port: int, data: Path, jobs_folder: Path, no_deploy: bool, no_console: bool, until_eof: bool
) -> int:
    """Serve the embedded AWS until Ctrl-C.

    It prints `ready http://127.0.0.1:PORT` when it answers, and then deploys the jobs of the folder, where there is one
    (see `mapfold deploy --help` for how an upload, a message or a request starts a run). Any SDK works against it:

    \b
    export AWS_ENDPOINT_URL=http://127.0.0.1:8084
    export AWS_ENDPOINT_URL_SFN=http://127.0.0.1:8083 AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:8083
    export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1
    export AWS_DISABLE_HOST_PREFIX_INJECTION=true
    aws stepfunctions list-state-machines

    A script takes these, with the ports as they are, from DATA/local.env. `mapfold run` and the other commands
    find it by its data directory. `mapfold deploy` brings the jobs that were added or edited meanwhile.
    `mapfold run` brings the one that it runs, but not what starts it: uploads and messages for a new job start
    nothing until it is deployed.
    """
    from mapfold.cli.serve import serve_local

    return serve_local(
        port=port,
        aws_port=aws_port,
        data=data,
        jobs_folder=None if no_deploy or until_eof else jobs_folder,
        console=not no_console,
        until_eof=until_eof,
    )


def _param(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"--param {text!r}: write K=V, such as --param year=2013")
    return key, value
