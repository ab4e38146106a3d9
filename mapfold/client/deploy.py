"""Deploy a job to the embedded AWS: first a plan as data, then carried out, as often as one likes.

1. `plan_deployment` says what the job needs: buckets, tables, six Lambda functions that run the source folder in
   place, the state machine. What all jobs share, and what starts them, is in `shared.py`.
2. `carry_out` makes what is missing and changes what differs, all at once, and leaves the rest alone. A function
   carries a digest of the source in its environment: after an edit it is updated, so that no warm worker goes on with
   the old code. It is never away: calls that run end with the code that they began with, those that wait get the new.

On AWS the same resources come from `infra/`.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from mapfold.client.arns import function_arn, function_name, machine_arn, machine_name
from mapfold.client.target import DATA_BUCKET, RUNS_TABLE
from mapfold.client.values import FunctionFacts, Json
from mapfold.errors import BuiltDefinitionError, MapfoldError, ServiceError

SOURCE_DIGEST = "MAPFOLD_SOURCE_DIGEST"
_ROLES = ("plan", "work", "isolate", "fold", "finish", "close")
_OTHERS_SECONDS = 900
_OTHERS_MEMORY_MB = 512
_AT_ONCE = 8
_TRIES = 10
"""Of a function that others make or change at the same time: each time that we come too late, one of them is done."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 0.2
"""Before we try again, at most, and growing: a second or two in all."""


class Deploys(Protocol):
    """What a deployment takes of `AwsClient`."""

    @property
    def region(self) -> str: ...
    @property
    def account(self) -> str: ...
    def ensure_bucket(self, name: str) -> bool: ...
    def ensure_table(self, name: str, keys: Sequence[str]) -> bool: ...
    def find_function(self, name: str) -> FunctionFacts | None: ...
    def create_folder_function(
        self,
        name: str,
        *,
        folder: str,
        handler: str,
        runtime: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str],
    ) -> bool: ...
    def update_folder_function(
        self,
        name: str,
        *,
        folder: str,
        handler: str,
        runtime: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str],
    ) -> bool: ...
    def find_definition(self, machine_arn: str) -> str | None: ...
    def create_state_machine(self, name: str, definition: str) -> None: ...
    def update_state_machine(self, machine_arn: str, definition: str) -> None: ...


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """A Lambda function as it should be."""

    name: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]

    def is_met_by(self, facts: FunctionFacts) -> bool:
        """Whether a function that exists is this one."""
        return (
            facts.handler == self.handler
            and facts.timeout_seconds == self.timeout_seconds
            and facts.memory_mb == self.memory_mb
            and dict(facts.environment) == dict(self.environment)
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a job needs to run. `tables` by name: the key attributes, hash first. `folder`: the functions' code."""

    job: str
    buckets: tuple[str, ...]
    tables: Mapping[str, tuple[str, ...]]
    functions: tuple[FunctionPlan, ...]
    folder: Path
    machine: str
    definition: str


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a deployment did: `created` or `replaced` a resource, of a kind, by name."""

    action: str
    kind: str
    name: str


def substitutions(job: str, *, region: str, account: str, runs_bucket: str) -> dict[str, str]:
    """What stands for the `${…}` of a job's definition in this account and region."""
    arns = {f"{role.capitalize()}Function": function_arn(job, role, region=region, account=account) for role in _ROLES}
    return {**arns, "RunsBucket": runs_bucket}


def plan_deployment(
    job: str,
    *,
    definition: Mapping[str, Json],
    jobs_folder: Path,
    timeout_seconds: int,
    memory_mb: int,
    tables: Mapping[str, Sequence[str]],
    runs_bucket: str,
    digest: str,
    data_bucket: str = DATA_BUCKET,
    environment: Mapping[str, str] | None = None,
) -> Deployment:
    """What the job `job` needs. `definition` has its substitutions made; `digest` is `source_digest` of its code.

    timeout_seconds and memory_mb are the work function's. Code runs in the folder that holds `jobs_folder`.
    `environment`: variables of its functions beside those that every job has.
    """
    folder = jobs_folder.resolve().parent
    variables = {
        **(environment or {}),
        "MAPFOLD_JOB": job,
        "MAPFOLD_JOBS": jobs_folder.name,
        "MAPFOLD_RUNS_BUCKET": runs_bucket,
        "MAPFOLD_RUNS_TABLE": RUNS_TABLE,
        "MAPFOLD_DATA_BUCKET": data_bucket,
        "MAPFOLD_TABLES": json.dumps({name: name for name in tables}, separators=(",", ":")),
        **local_variables(job, folder=folder, digest=digest),
    }
    return Deployment(
        job=job,
        buckets=(data_bucket, runs_bucket),
        tables={RUNS_TABLE: ("run_id",), **{name: tuple(keys) for name, keys in tables.items()}},
        functions=tuple(
            FunctionPlan(
                name=function_name(job, role),
                handler=f"tasks.{role}.handler",
                timeout_seconds=timeout_seconds if role == "work" else _OTHERS_SECONDS,
                memory_mb=memory_mb if role == "work" else _OTHERS_MEMORY_MB,
                environment=variables,
            )
            for role in _ROLES
        ),
        folder=folder,
        machine=machine_name(job),
        definition=json.dumps(definition, ensure_ascii=False),
    )


def local_variables(service: str, *, folder: Path, digest: str) -> dict[str, str]:
    """Variables of a function that runs `folder` in place, whose code has this digest."""
    return {
        "POWERTOOLS_SERVICE_NAME": service,
        "POWERTOOLS_METRICS_NAMESPACE": "Mapfold",
        "POWERTOOLS_TRACE_DISABLED": "true",  # there is no X-Ray daemon beside a local worker
        SOURCE_DIGEST: hashlib.sha256(f"{folder} {digest}".encode()).hexdigest()[:16],
    }


def carry_out(deployment: Deployment, aws: Deploys) -> list[Change]:
    """Make AWS what the plan says; gives what had to be changed. Harmless to repeat."""
    done = all_at_once(steps(deployment, aws))
    if done.errors:
        raise done.errors[0]
    return done.changes


Step = Callable[[], Change | None]
"""Makes one thing as it should be; None where it was so. Harmless to repeat."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of some steps. `left`: how many found everything as it should be."""

    changes: list[Change]
    left: int
    errors: list[MapfoldError]


def steps(deployment: Deployment, aws: Deploys, *, later: Container[str] = ()) -> list[Step]:
    """What to do for a job, in any order; but for the buckets `later`, which have a time of their own."""
    return [
        *(partial(_bucket, aws, name) for name in deployment.buckets if name not in later),
        *(partial(_table, aws, name, keys) for name, keys in deployment.tables.items()),
        *functions(deployment.functions, deployment.folder, aws),
        partial(_machine, aws, deployment),
    ]


def functions(plans: Iterable[FunctionPlan], folder: Path, aws: Deploys) -> list[Step]:
    """What to do for functions that run `folder` in place."""
    return [partial(_function, aws, plan, folder) for plan in plans]


def all_at_once(todo: Sequence[Step]) -> Done:
    """Take all steps, several at a time. One that fails keeps no other from being taken."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deploy") as pool:
        outcomes = list(pool.map(_taken, todo))
    errors = [outcome for outcome in outcomes if isinstance(outcome, MapfoldError)]
    changes = [outcome for outcome in outcomes if isinstance(outcome, Change)]
    return Done(changes, outcomes.count(None), errors)


def _taken(step: Step) -> Change | MapfoldError | None:
    try:
        return step()
    except MapfoldError as error:
        return error


def source_digest(folders: Iterable[Path]) -> str:
    """A digest of the Python files under these folders: their paths within them, and their contents."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def runtime() -> str:
    """The Lambda runtime's name of this interpreter, which is the one that runs a local folder."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _bucket(aws: Deploys, name: str) -> Change | None:
    return Change("created", "bucket", name) if aws.ensure_bucket(name) else None


def _table(aws: Deploys, name: str, keys: Sequence[str]) -> Change | None:
    return Change("created", "table", name) if aws.ensure_table(name, keys) else None


def _function(aws: Deploys, plan: FunctionPlan, folder: Path) -> Change | None:
    """Created, or updated in place. Who comes too late, for another command was faster, looks again."""
    for attempt in range(_TRIES):
        if attempt:  # two that try again at once would be in each other's way for ever
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)))
        facts = aws.find_function(plan.name)
        if facts is not None and plan.is_met_by(facts):
            return None
        make = aws.create_folder_function if facts is None else aws.update_folder_function
        done = make(
            plan.name,
            folder=str(folder),
            handler=plan.handler,
            runtime=runtime(),
            timeout_seconds=plan.timeout_seconds,
            memory_mb=plan.memory_mb,
            environment=plan.environment,
        )
        if done:
            return Change("created" if facts is None else "replaced", "function", plan.name)
    raise ServiceError(
        f"function {plan.name} was changed by others each of the {_TRIES} times that it was to be brought up to date. "
        "Deploy again when they are done."
    )


def _machine(aws: Deploys, deployment: Deployment) -> Change | None:
    arn = machine_arn(deployment.job, region=aws.region, account=aws.account)
    existing = aws.find_definition(arn)
    if existing == deployment.definition:
        return None
    try:
        if existing is None:
            aws.create_state_machine(deployment.machine, deployment.definition)
        else:
            aws.update_state_machine(arn, deployment.definition)
    except ServiceError as error:
        if error.code != "InvalidDefinition":
            raise
        raise BuiltDefinitionError(str(error).removesuffix("."), job=deployment.job) from error
    return Change("created" if existing is None else "replaced", "state machine", deployment.machine)
