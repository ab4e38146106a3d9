"""Start a run: name it, and start one execution of the job's state machine."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

from mapfold.client.arns import execution_arn
from mapfold.client.errors import NotDeployed, OtherRunExists, RunNameTaken
from mapfold.client.target import Target
from mapfold.client.values import Execution, Json, StateMachine, decode
from mapfold.errors import ServiceError, UsageError

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class StartsExecutions(Protocol):
    """What starting takes of `AwsClient`."""

    target: Target

    @property
    def region(self) -> str: ...
    @property
    def account(self) -> str: ...
    def start_execution(self, machine_arn: str, *, name: str, input: str) -> str: ...


class StartsOnce(StartsExecutions, Protocol):
    """What starting once takes of `AwsClient`."""

    def state_machines(self) -> Iterator[StateMachine]: ...
    def find_execution(self, arn: str) -> Execution | None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was started."""

    run_id: str
    execution_arn: str


def start(
    aws: StartsExecutions,
    job: str,
    *,
    source: Mapping[str, Json],
    params: Mapping[str, Json],
    name: str,
    retry: Mapping[str, Json] | None = None,
) -> Run:
    """Start a run of a deployed job.

    `source` is what the job's source made of a URI, `name` the run's id (`new_run_id`). `retry`: which failed items it is
    to try again (`mapfold.runs.retry`), instead of all that the source has. Raises `NotDeployed` if the
    job has no state machine there, `RunNameTaken` if the name was used before.
    """
    if aws.target.jobs is not None and job not in aws.target.jobs:
        raise NotDeployed(job, _where(aws), deployed=aws.target.jobs)
    given = {"run_id": name, "job": job, "source": source, "params": params, **({"retry": retry} if retry else {})}
    text = json.dumps(given, ensure_ascii=False)
    arn = aws.target.machine_arn(job, region=aws.region, account=aws.account)
    try:
        return Run(name, aws.start_execution(arn, name=name, input=text))
    except ServiceError as error:
        if error.code == "StateMachineDoesNotExist":
            raise NotDeployed(job, _where(aws)) from error
        raise


def _where(aws: StartsExecutions) -> str:
    stack = f"stack {aws.target.stack}, " if aws.target.stack else ""
    return f"{stack}account {aws.account}, {aws.region}"


def start_once(
    aws: StartsOnce,
    job: str,
    *,
    source: Mapping[str, Json],
    params: Mapping[str, Json],
    name: str,
    is_chosen: bool = False,
    retry: Mapping[str, Json] | None = None,
) -> tuple[Run, bool]:
    """Start a run unless it is there already; the run, and whether it was started now.

    The same name with the same job, source, params and retry is the same run, whether it runs or has ended; with others it is
    `OtherRunExists`. is_chosen: somebody chose the name, so that another job may have a run of it: all are asked.
    """
    arn = execution_arn(aws.target.machine_arn(job, region=aws.region, account=aws.account), name)
    wanted = {"job": job, "source": _uri(source), "params": dict(params), "retry": dict(retry or {})}
    if _is_there(aws, arn, wanted):
        return Run(name, arn), False
    if is_chosen:
        _check_others(aws, job, name)
    try:
        return start(aws, job, source=source, params=params, name=name, retry=retry), True
    except RunNameTaken:
        if _is_there(aws, arn, wanted):  # somebody else started it since we looked
            return Run(name, arn), False
        raise


def _is_there(aws: StartsOnce, arn: str, wanted: Mapping[str, Json]) -> bool:
    existing = aws.find_execution(arn)
    if existing is None:
        return False
    given = decode(existing.input)
    given = given if isinstance(given, Mapping) else {}
    before = {
        "job": given.get("job", wanted["job"]),
        "source": _uri(given.get("source")),
        "params": given.get("params") or {},
        "retry": given.get("retry") or {},
    }
    if differs := [field for field, value in wanted.items() if before[field] != value]:
        raise OtherRunExists(existing.name, differs)
    return True


def _check_others(aws: StartsOnce, job: str, name: str) -> None:
    """A run's name is its folder's and its record's too: no two jobs may use it."""
    for machine in aws.state_machines():
        if machine.job != job and aws.find_execution(execution_arn(machine.arn, name)) is not None:
            raise OtherRunExists(name, ("job",))


def _uri(source: Json) -> Json:
    """A source as an input may give it: {"uri": …} or the URI alone."""
    return source.get("uri") if isinstance(source, Mapping) else source


def new_run_id(job: str, *, now: float | None = None, choose: Callable[[str], str] | None = None) -> str:
    """A name for a run: `<job>-YYYYMMDD-HHMMSS-xxxx`, in UTC. `choose` picks one of the letters given to it."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() if now is None else now))
    choose = choose or SystemRandom().choice
    return f"{job}-{moment}-{''.join(choose(_LETTERS) for _ in range(4))}"


def check_run_name(name: str) -> str:
    """`name` if a run may be called so: it becomes an execution's name and a folder in S3."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} can't be the name of a run: 1 to 80 letters, digits, '.', '_' and '-', "
            "and the first one a letter or digit."
        )
    return name
