"""Find runs again: list them, look one up by its name or ARN, stop it."""

from __future__ import annotations

import difflib
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import count, dropwhile, groupby, islice
from typing import Protocol

from mapfold.client.arns import execution_arn, is_execution_arn, run_id_of
from mapfold.client.errors import NotDeployed, RunEnded, UnknownRun
from mapfold.client.pages import BadToken, Entry, entries_of
from mapfold.client.target import Target
from mapfold.client.values import (
    Execution,
    ExecutionSummary,
    Json,
    Lineage,
    MapRun,
    MapRunSummary,
    Page,
    StateMachine,
    Status,
)
from mapfold.errors import ServiceError, UsageError

MAX_CALLS = 50
"""Of ListExecutions for one page over several jobs. An account has 100 at once and 2 to 10 more a second."""

MOST_RUNNING = 10_000
"""Runs of a job that are looked at for the oldest: ten calls. An account may have a million open executions."""

_LARGEST_PAGE = 1000
_NAMES_TO_COMPARE = 300


STOPPED = "Mapfold.Stopped"
"""The error of a run that somebody stopped."""


NO_LINEAGE = Lineage()


class ListsRuns(Protocol):
    """What finding runs takes of `AwsClient`."""

    target: Target

    def state_machines(self) -> Iterator[StateMachine]: ...
    def executions(self, machine_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]: ...
    def execution_page(
        self, arn: str, *, status: Status | None = None, size: int = 1000, token: str | None = None
    ) -> Page[ExecutionSummary]: ...
    def find_execution(self, arn: str) -> Execution | None: ...
    def map_runs(self, execution_arn: str) -> list[MapRunSummary]: ...
    def map_run(self, arn: str) -> MapRun: ...
    def lineages(self, run_ids: Sequence[str]) -> dict[str, Lineage]: ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of the list of runs. `lineage` only where `add_lineages` has looked for it."""

    run_id: str
    job: str
    status: Status
    started: float
    stopped: float | None
    execution_arn: str
    redrive_count: int = 0
    lineage: Lineage = NO_LINEAGE


@dataclass(frozen=True, slots=True)
class RunView:
    """One run with its map runs, oldest first, and the runs that it stands on."""

    job: str
    execution: Execution
    map_runs: tuple[MapRun, ...]
    lineage: Lineage = NO_LINEAGE


def runs(aws: ListsRuns, *, job: str | None = None) -> Iterator[RunSummary]:
    """The runs of all jobs, or of one, newest first; executions are paged as the caller takes them."""
    machines = [machine for machine in aws.state_machines() if job is None or machine.job == job]
    return heapq.merge(*(_runs_of(aws, machine) for machine in machines), key=lambda run: run.started, reverse=True)


def add_lineages(aws: ListsRuns, found: Sequence[RunSummary]) -> list[RunSummary]:
    """The same runs with what their records say of their lineage: a call for each hundred of them."""
    lineages = aws.lineages([run.run_id for run in found])
    return [replace(run, lineage=lineages.get(run.run_id, run.lineage)) for run in found]


def run_entries(
    aws: ListsRuns, machines: Sequence[StateMachine], *, status: Status | None = None, size: int, position: Json = None
) -> Iterator[Entry[RunSummary]]:
    """The runs of these state machines, newest first, from a position on (pages.py).

    Of one state machine, the position is Step Functions' own. Of several, it is the start of the last run: then every
    list is gone through from its beginning, a thousand runs a call, with at most `MAX_CALLS` beside the first of each.
    """
    if len(machines) == 1:
        return entries_of(partial(_run_page, aws, machines[0], status), size=size, position=position)
    behind = (-math.inf, "") if position is None else _start_position(position)
    calls = count(1 - len(machines))
    page_size = size + 1 if position is None else _LARGEST_PAGE
    lists = [_by_start(aws, machine, status, page_size, calls) for machine in machines]
    merged = heapq.merge(*lists, key=_place_in_time)
    later = dropwhile(lambda run: _place_in_time(run) <= behind, merged)
    return ((run, [run.started, run.execution_arn]) for run in later)


def _by_start(
    aws: ListsRuns, machine: StateMachine, status: Status | None, size: int, calls: Iterator[int]
) -> Iterator[RunSummary]:
    """The runs of a state machine, newest first; those that started at the same moment by their ARN."""

    def fetch(size: int, token: str | None) -> Page[RunSummary]:
        if next(calls) > MAX_CALLS:
            raise UsageError(
                "there are too many newer runs to list this far back over several jobs. Name one with `job`: its runs "
                "are paged without a bound."
            )
        return _run_page(aws, machine, status, size, token)

    found = (run for run, _ in entries_of(fetch, size=size))
    for _, at_once in groupby(found, key=lambda run: run.started):
        yield from sorted(at_once, key=_place_in_time)


def _run_page(
    aws: ListsRuns, machine: StateMachine, status: Status | None, size: int, token: str | None
) -> Page[RunSummary]:
    page = aws.execution_page(machine.arn, status=status, size=size, token=token)
    return Page(tuple(_run(machine, line) for line in page.items), page.next)


def _run(machine: StateMachine, line: ExecutionSummary) -> RunSummary:
    return RunSummary(line.name, machine.job, line.status, line.started, line.stopped, line.arn, line.redrive_count)


def _place_in_time(run: RunSummary) -> tuple[float, str]:
    return -run.started, run.execution_arn


def _start_position(position: Json) -> tuple[float, str]:
    match position:
        case [float() | int() as started, str() as arn]:
            return -started, arn
        case _:
            raise BadToken


def oldest_running(aws: ListsRuns, machine: StateMachine) -> tuple[float | None, bool]:
    """When the oldest running run of a job started, None if none runs; and whether all of them were looked at.

    The list is newest first and cannot be had from its end; `MOST_RUNNING` are gone through at most.
    """
    started, looked_at = None, 0
    for run in islice(aws.executions(machine.arn, Status.RUNNING), MOST_RUNNING):
        started, looked_at = run.started, looked_at + 1
    return started, looked_at < MOST_RUNNING


def find_machine(aws: ListsRuns, job: str) -> StateMachine:
    """The state machine of a job; `NotDeployed`, with the jobs that there are, if it has none here."""
    machines = {machine.job: machine for machine in aws.state_machines()}
    if job not in machines:
        raise NotDeployed(job, aws.target.stack or "this account and region", deployed=tuple(sorted(machines)))
    return machines[job]


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
    return view(aws, find_run(aws, name))


def view(aws: ListsRuns, execution: Execution) -> RunView:
    """A run that was found, with the counts of its map runs."""
    map_runs = tuple(aws.map_run(summary.arn) for summary in aws.map_runs(execution.arn))
    lineage = aws.lineages((execution.name,)).get(execution.name, Lineage())
    return RunView(aws.target.job_of(execution.state_machine_arn), execution, map_runs, lineage)


class StopsRuns(Protocol):
    """What stopping a run takes of `AwsClient`."""

    def stop_execution(self, arn: str, *, error: str, cause: str) -> datetime: ...
    def abort_record(self, execution_arn: str, *, stopped: datetime, error: str, cause: str) -> bool: ...


def check_running(execution: Execution) -> None:
    """Raise `RunEnded` if there is nothing to stop any more."""
    if execution.status.is_terminal:
        raise RunEnded(execution.name, str(execution.status))


def stop(aws: StopsRuns, execution_arn: str, *, cause: str) -> None:
    """Abort a run and, with it, its map runs' STANDARD children; close its record."""
    stopped = aws.stop_execution(execution_arn, error=STOPPED, cause=cause)
    aws.abort_record(execution_arn, stopped=stopped, error=STOPPED, cause=cause)


def _runs_of(aws: ListsRuns, machine: StateMachine) -> Iterator[RunSummary]:
    return (_run(machine, line) for line in aws.executions(machine.arn))


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
