"""Find runs again: list them, look one up by its name or ARN, stop it."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Protocol

from mapfold.client.arns import execution_arn, is_execution_arn, run_id_of
from mapfold.client.errors import UnknownRun
from mapfold.client.target import Target
from mapfold.client.values import Execution, ExecutionSummary, MapRun, MapRunSummary, StateMachine, Status
from mapfold.errors import ServiceError

_NAMES_TO_COMPARE = 300


STOPPED = "Mapfold.Stopped"
"""The error of a run that somebody stopped."""


class ListsRuns(Protocol):
    """What finding runs takes of `AwsClient`."""

    target: Target

    def state_machines(self) -> Iterator[StateMachine]: ...
    def executions(self, machine_arn: str) -> Iterator[ExecutionSummary]: ...
    def find_execution(self, arn: str) -> Execution | None: ...
    def map_runs(self, execution_arn: str) -> list[MapRunSummary]: ...
    def map_run(self, arn: str) -> MapRun: ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of the list of runs."""

    run_id: str
    job: str
    status: Status
    started: float
    stopped: float | None
    execution_arn: str
    redrive_count: int = 0


@dataclass(frozen=True, slots=True)
class RunView:
    """One run with its map runs, oldest first."""

    job: str
    execution: Execution
    map_runs: tuple[MapRun, ...]


def runs(aws: ListsRuns, *, job: str | None = None) -> Iterator[RunSummary]:
    """The runs of all jobs, or of one, newest first; executions are paged as the caller takes them."""
    machines = [machine for machine in aws.state_machines() if job is None or machine.job == job]
    return heapq.merge(*(_runs_of(aws, machine) for machine in machines), key=lambda run: run.started, reverse=True)


def find_run(aws: ListsRuns, name: str) -> Execution:
    """The execution that `name` (a run's id, or any execution's ARN) means; else `UnknownRun` with close matches."""
    if is_execution_arn(name):
        found = _find_by_arn(aws, name)
    else:
        # The job's own name opens the ids that we make, so its machine is asked first.
        machines = sorted(aws.state_machines(), key=lambda machine: not name.startswith(machine.job))
        candidates = (aws.find_execution(execution_arn(machine.arn, name)) for machine in machines)
        found = next((execution for execution in candidates if execution is not None), None)
    if found is None:
        raise UnknownRun(name, _similar(aws, run_id_of(name)))
    return found


def show(aws: ListsRuns, name: str) -> RunView:
    """One run, with the counts of its map runs."""
    execution = find_run(aws, name)
    map_runs = tuple(aws.map_run(summary.arn) for summary in aws.map_runs(execution.arn))
    return RunView(aws.target.job_of(execution.state_machine_arn), execution, map_runs)


class StopsRuns(Protocol):
    """What stopping a run takes of `AwsClient`."""

    def stop_execution(self, arn: str, *, error: str, cause: str) -> datetime: ...
    def abort_record(self, execution_arn: str, *, stopped: datetime, error: str, cause: str) -> bool: ...


def stop(aws: StopsRuns, execution_arn: str, *, cause: str) -> None:
    """Abort a run and, with it, its map runs' STANDARD children; close its record."""
    stopped = aws.stop_execution(execution_arn, error=STOPPED, cause=cause)
    aws.abort_record(execution_arn, stopped=stopped, error=STOPPED, cause=cause)


def _runs_of(aws: ListsRuns, machine: StateMachine) -> Iterator[RunSummary]:
    for line in aws.executions(machine.arn):
        yield RunSummary(line.name, machine.job, line.status, line.started, line.stopped, line.arn, line.redrive_count)


def _find_by_arn(aws: ListsRuns, arn: str) -> Execution | None:
    try:
        return aws.find_execution(arn)
    except ServiceError as error:
        if error.code == "InvalidArn":
            return None
        raise


def _similar(aws: ListsRuns, name: str) -> list[str]:
    known = [run.run_id for run in islice(runs(aws), _NAMES_TO_COMPARE)]
    return difflib.get_close_matches(name, known, n=3, cutoff=0.6)
