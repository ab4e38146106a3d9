"""The roles of a stage's shared functions: api, start and watch. They see the deployed jobs and no other machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.permissions.resources import RUNS_TABLE, STATES, key_use, logs, run_objects, traces
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
        (*_executions(jobs), *_children(jobs)),
        "The API shows runs, their history, and their child executions.",
    )
    yield Statement(
        "ListRuns",
        ("states:ListExecutions",),
        (*_machines(jobs), *_map_runs(jobs)),
        "The API lists the runs of the deployed jobs, and the children of their map runs.",
    )
    yield Statement(
        "LookAtMapRuns",
        ("states:DescribeMapRun",),
        _map_runs(jobs),
        "The API shows how far a run is.",
    )
    yield Statement(
        "StopAndRedriveRuns",
        ("states:StopExecution", "states:RedriveExecution"),
        _executions(jobs),
        "The API stops runs, and lets those go on that did not succeed.",
    )
    yield Statement(
        "ReadRecords",
        ("dynamodb:GetItem", "dynamodb:Scan"),
        (RUNS_TABLE,),
        "The API finds runs that Step Functions has forgotten in the runs table.",
    )
    yield Statement(
        "ReadResults",
        ("s3:GetObject",),
        run_objects("result.json", "failures.jsonl"),
        "The API gives a run's result, or a link to it, and its failed items.",
    )


def _start(jobs: Sequence[str]) -> Iterator[Statement]:
    yield Statement(
        "TakeRequests",
        ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        ("${StartQueue}",),
        "Lambda polls the start queue in the function's name.",
    )
    yield _start_runs(jobs, "Messages of the queue start runs of the deployed jobs.")


def _watch(jobs: Sequence[str]) -> Iterator[Statement]:
    yield Statement(
        "ListRuns",
        ("states:ListExecutions",),
        _machines(jobs),
        "The oldest running run of each deployed job is looked for, to measure its age.",
    )


def _start_runs(jobs: Sequence[str], because: str) -> Statement:
    return Statement("StartRuns", ("states:StartExecution",), _machines(jobs), because)


def _machines(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:stateMachine:${{MachinePrefix}}{job}" for job in jobs)


def _executions(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:execution:${{MachinePrefix}}{job}:*" for job in jobs)


def _children(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:execution:${{MachinePrefix}}{job}/*" for job in jobs)


def _map_runs(jobs: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{STATES}:mapRun:${{MachinePrefix}}{job}/*" for job in jobs)
