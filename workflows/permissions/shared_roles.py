"""The roles of a stage's shared functions: api, start and watch. They see the deployed jobs and no other machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.permissions.resources import RUNS_BUCKET, RUNS_TABLE, STATES, key_use, listing, logs, run_objects, traces
from workflows.permissions.statement import Statement


def shared_permissions(jobs: Sequence[str], *, with_key: bool = False) -> dict[str, tuple[Statement, ...]]:
    """Every statement of the shared roles, by role; `jobs` are the names of the deployed ones.

    with_key: buckets and the start queue are encrypted with the stage's own KMS key.
    """
    queue_key = "The start queue is encrypted with the stage's key, which SQS uses in the function's name."
    object_key = "Objects are encrypted with the stage's key, which S3 uses in the function's name to read them."
    keys = {
        "api": [key_use("kms:Decrypt", service="s3", because=object_key)],
        "start": [key_use("kms:Decrypt", service="sqs", because=queue_key)],
        "watch": [],
    }
    roles = {"api": _api(jobs), "start": _start(jobs), "watch": _watch(jobs)}
    return {
        role: (*statements, *(keys[role] if with_key else ()), logs(), traces()) for role, statements in roles.items()
    }


def _api(jobs: Sequence[str]) -> Iterator[Statement]:
    yield _start_runs(jobs, "The API starts runs of the deployed jobs.")
    yield Statement(
        "LookAtRuns",
        ("states:DescribeExecution", "states:GetExecutionHistory", "states:ListMapRuns"),
        _executions(jobs),
        "The API shows runs and their history.",
    )
    yield Statement(
        "LookAtChildren",
        ("states:DescribeExecution",),
        _children(jobs),
        "The API shows why child executions of these runs failed.",
    )
    yield Statement(
        "LookAtMapRuns", ("states:DescribeMapRun",), _map_runs(jobs), "The API shows how far the map runs of a run are."
    )
    yield Statement(
        "ListRuns",
        ("states:ListExecutions",),
        (*_machines(jobs), *_map_runs(jobs)),
        "The API lists the runs of the deployed jobs, and the children of their map runs.",
    )
    yield Statement(
        "StopAndRedriveRuns",
        ("states:StopExecution", "states:RedriveExecution"),
        _executions(jobs),
        "The API stops runs, and lets those go on that did not succeed.",
    )
    yield Statement(
        "KeepRecord",
        ("dynamodb:UpdateItem",),
        (RUNS_TABLE,),
        "The API closes the record of a run that it stops, and opens it again when the run goes on.",
    )
    yield Statement(
        "ReadResults",
        ("s3:GetObject",),
        run_objects("result.json", "failures.jsonl", "failed/*"),
        "The API gives a run's result, or a link to it, and its failed items.",
    )
    yield listing(
        "FindResults",
        RUNS_BUCKET,
        ("runs/*/result.json", "runs/*/failures.jsonl", "runs/*/failed/*"),
        "The API looks for the failed items of a run that did not come to its end; S3 says that an object is not there "
        "only to who may list it.",
    )


def _start(jobs: Sequence[str]) -> Iterator[Statement]:
    yield Statement(
        "TakeRequests",
        ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        ("${StartQueue}",),
        "Lambda polls the start queue in the function's name.",
    )
    yield _start_runs(jobs, "Messages of the queue start runs of the deployed jobs.")
    yield Statement(
        "LookForRuns",
        ("states:DescribeExecution",),
        _executions(jobs),
        "A message that comes again finds the run that it started.",
    )


def _watch(jobs: Sequence[str]) -> Iterator[Statement]:
    yield Statement(
        "ListRuns",
        ("states:ListExecutions",),
        _machines(jobs),
        "Watch looks for the oldest running run of each deployed job, to measure its age.",
    )


def _start_runs(jobs: Sequence[str], because: str) -> Statement:
    return Statement("StartRuns", ("states:StartExecution",), _machines(jobs), because)


def _machines(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:stateMachine:${{MachinePrefix}}{job}" for job in jobs)


def _executions(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:execution:${{MachinePrefix}}{job}:*" for job in jobs)


def _children(jobs: Sequence[str]) -> tuple[str, ...]:
    """An EXPRESS child's ARN has a type of its own (Service Authorization Reference: labelled express)."""
    return tuple(f"{STATES}:{kind}:${{MachinePrefix}}{job}/*" for job in jobs for kind in ("execution", "express"))


def _map_runs(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:mapRun:${{MachinePrefix}}{job}/*" for job in jobs)
