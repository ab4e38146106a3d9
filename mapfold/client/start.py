"""Start a run: name it, and start one execution of the job's state machine."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

from mapfold.client.errors import NotDeployed
from mapfold.client.target import Target
from mapfold.client.values import Json
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


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was started."""

    run_id: str
    execution_arn: str


def start(aws: StartsExecutions, job: str, *, source: Mapping[str, Json], params: Mapping[str, Json], name: str) -> Run:
    """Start a run of a deployed job.

    `source` is what the job's source made of a URI, `name` the run's id (`new_run_id`). Raises `NotDeployed` if the
    job has no state machine there, `RunNameTaken` if the name was used before.
    """
    text = json.dumps({"run_id": name, "job": job, "source": source, "params": params}, ensure_ascii=False)
    arn = aws.target.machine_arn(job, region=aws.region, account=aws.account)
    try:
        return Run(name, aws.start_execution(arn, name=name, input=text))
    except ServiceError as error:
        if error.code == "StateMachineDoesNotExist":
            raise NotDeployed(job, f"account {aws.account}, {aws.region}") from error
        raise


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
