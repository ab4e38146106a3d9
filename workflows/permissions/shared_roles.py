"""The roles of a stage's shared functions: api, start and watch. They see the stage's machines and no other's.

Which are the stage's is told by their names, which begin with its prefix: one ARN a job and action would be more than IAM
takes of a role (10,240 characters) at a dozen jobs. No stage's prefix begins with another's (`infra.config`).
"""

from __future__ import annotations

from collections.abc import Iterator

from workflows.permissions.resources import RUNS_BUCKET, RUNS_TABLE, STATES, key_use, listing, logs, run_objects, traces
from workflows.permissions.statement import Statement

_MACHINES = (f"{STATES}:stateMachine:${{MachinePrefix}}*",)
_EXECUTIONS = (f"{STATES}:execution:${{MachinePrefix}}*:*",)
_CHILDREN = tuple(f"{STATES}:{kind}:${{MachinePrefix}}*/*" for kind in ("execution", "express"))
"""An EXPRESS child's ARN has a type of its own (Service Authorization Reference: labelled express)."""
_MAP_RUNS = (f"{STATES}:mapRun:${{MachinePrefix}}*/*",)

_BY_PREFIX = "A job of the stage is told by its machine's name."


def shared_permissions(*, with_key: bool = False) -> dict[str, tuple[Statement, ...]]:
    """Every statement of the shared roles, by role: the same, however many jobs are deployed.

    with_key: buckets and the start queue are encrypted with the stage's own KMS key.
    """
    queue_key = "The start queue is encrypted with the stage's key, which SQS uses in the function's name."
    object_key = "Objects are encrypted with the stage's key, which S3 uses in the function's name to read them."
    keys = {
        "api": [key_use("kms:Decrypt", service="s3", because=object_key)],
        "start": [key_use("kms:Decrypt", service="sqs", because=queue_key)],
        "watch": [],
    }
    roles = {"api": _api(), "start": _start(), "watch": _watch()}
    return {
        role: (*statements, *(keys[role] if with_key else ()), logs(), traces()) for role, statements in roles.items()
    }


def _api() -> Iterator[Statement]:
    yield _start_runs("The API starts runs of the stage's jobs.")
    yield Statement(
        "LookAtRuns",
        ("states:DescribeExecution", "states:GetExecutionHistory", "states:ListMapRuns"),
        _EXECUTIONS,
        "The API shows runs and their history.",
    )
    yield Statement(
        "LookAtChildren",
        ("states:DescribeExecution",),
        _CHILDREN,
        "The API shows why child executions of these runs failed.",
    )
    yield Statement(
        "LookAtMapRuns", ("states:DescribeMapRun",), _MAP_RUNS, "The API shows how far the map runs of a run are."
    )
    yield Statement(
        "ListRuns",
        ("states:ListExecutions",),
        (*_MACHINES, *_MAP_RUNS),
        "The API lists the runs of the stage's jobs, and the children of their map runs.",
    )
    yield Statement(
        "StopAndRedriveRuns",
        ("states:StopExecution", "states:RedriveExecution"),
        _EXECUTIONS,
        "The API stops runs, and lets those go on that did not succeed.",
    )
    yield Statement(
        "KeepRecord",
        ("dynamodb:UpdateItem",),
        (RUNS_TABLE,),
        "The API closes the record of a run that it stops, and opens it again when the run goes on.",
    )
    yield Statement(
        "ReadRecords",
        ("dynamodb:BatchGetItem",),
        (RUNS_TABLE,),
        "The API tells which runs a run stands on, and whether it was retried.",
    )
    yield Statement(
        "ReadResults",
        ("s3:GetObject",),
        run_objects("result.json", "failures.jsonl", "failed/*", "last.json"),
        "The API gives a run's result, or a link to it, and its failed items, and looks whether they can be tried again.",
    )
    yield listing(
        "FindResults",
        RUNS_BUCKET,
        ("runs/*/result.json", "runs/*/failures.jsonl", "runs/*/failed/*", "runs/*/last.json", "runs/*/"),
        "The API looks for the failed items of a run that did not come to its end; S3 says that an object is not there "
        "only to who may list it.",
    )


def _start() -> Iterator[Statement]:
    yield Statement(
        "TakeRequests",
        ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        ("${StartQueue}",),
        "Lambda polls the start queue in the function's name.",
    )
    yield _start_runs("Messages of the queue start runs of the stage's jobs.")
    yield Statement(
        "LookForRuns",
        ("states:DescribeExecution",),
        _EXECUTIONS,
        "A message that comes again finds the run that it started.",
    )


def _watch() -> Iterator[Statement]:
    yield Statement(
        "ListRuns",
        ("states:ListExecutions",),
        _MACHINES,
        "Watch looks for the oldest running run of each of the stage's jobs, to measure its age.",
    )


def _start_runs(because: str) -> Statement:
    return Statement("StartRuns", ("states:StartExecution",), _MACHINES, f"{because} {_BY_PREFIX}")
