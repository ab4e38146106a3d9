"""A recorded embedded AWS: what each role asked of IAM while jobs ran, and what its policy says to that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mapfold.job import load_job
from tests.e2e.embedded import EmbeddedAws, mapfold
from tests.e2e.permissions.calls import ACCOUNT, REGION, Recording
from tests.e2e.permissions.iam import Document, Request, as_list, is_allowed, like
from tests.e2e.permissions.machine import requests_of
from workflows.permissions import Statement, job_permissions, resolve, secret_arn, shared_permissions

JOBS = Path(__file__).with_name("jobs")
ROOT = Path(__file__).parents[3]
FUNCTIONS = ("plan", "work", "isolate", "fold", "finish", "close")

SHARED = "shared"
"""The owner of the roles api, start and watch. Other roles are owned by the job of this name."""
SHARED_ROLES = ("api", "start", "watch")
SHARED_FUNCTION = "replayed-"
"""What the names of the shared functions begin with here."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a role, and where it was seen. owner: a job, or SHARED."""

    owner: str
    role: str
    request: Request
    seen: str


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One action that a statement of a role allows on one resource; a job's name in it is JOB."""

    role: str
    sid: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Replay:
    """All that was asked for. It outlives the embedded AWS on which it was."""

    asked: tuple[Asked, ...]

    def owners(self) -> list[str]:
        """The jobs that ran, and SHARED if the shared functions were called."""
        return sorted({asked.owner for asked in self.asked})

    def requests(self, owner: str, role: str) -> set[Request]:
        """All that a role asked for."""
        return {asked.request for asked in self.asked if (asked.owner, asked.role) == (owner, role)}

    def refused(self, policies: Mapping[str, Mapping[str, Sequence[Document]]]) -> list[str]:
        """What the policies do not allow, a line each. policies: statements with real names, by owner and role."""
        lines = {
            f"{asked.owner} {asked.role} may not {asked.request}: {asked.seen[:300]}"
            for asked in self.asked
            if not is_allowed(policies[asked.owner][asked.role], asked.request)
        }
        return sorted(lines)

    def as_text(self) -> str:
        """For `from_text`."""
        return json.dumps([asdict(asked) for asked in self.asked])

    @staticmethod
    def from_text(text: str) -> Replay:
        """What `as_text` gave."""
        return Replay(tuple(map(_asked, json.loads(text))))


def _asked(document: dict[str, Any]) -> Asked:
    request = document.pop("request")
    context = tuple((key, value) for key, value in request["context"])
    return Asked(**document, request=Request(request["action"], request["resource"], context))


@dataclass(slots=True)
class Stage:
    """Runs are one after the other here, so what the engine does belongs to the job that runs."""

    aws: EmbeddedAws
    recording: Recording
    secrets: Mapping[str, str]
    asked: list[Asked] = field(default_factory=list)

    def run(self, job: str, source: str, *, jobs: Path = JOBS) -> dict[str, Any]:
        """Run a job to its end, and note what it asked for. Gives the run's document."""
        name = f"{job}-{len(self.asked)}"
        options = ("--name", name, "--jobs", str(jobs), "--json")
        ended = mapfold("run", job, source, *options, environment=self.aws.environment)
        assert ended.code in (0, 1), ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        self.note(job, document["execution_arn"])
        return document

    def note(self, job: str, execution_arn: str) -> None:
        """Note what was asked for since the last time, while an execution of `job` ran."""
        for call in self.recording.news():
            owner, role = _role_of(call.function, job)
            self.asked += (Asked(owner, role, request, str(call)) for request in call.requests(self.secrets))
        seen = f"the history of {execution_arn}"
        requests = requests_of(self.aws.stepfunctions, execution_arn)
        self.asked += (Asked(job, "state-machine", request, seen) for request in requests)


def _role_of(function: str, job: str) -> tuple[str, str]:
    """The owner of a Lambda function and its role; the engine, "", works for the state machine of `job`."""
    if not function:
        return job, "state-machine"
    for prefix in (SHARED_FUNCTION, "mapfold-"):
        if function.removeprefix(prefix) in SHARED_ROLES:
            return SHARED, function.removeprefix(prefix)
    return job, function.removeprefix(f"mapfold-{job}-")


def permissions_of(owner: str, *, with_key: bool = False) -> Mapping[str, tuple[Statement, ...]]:
    """The statements of the owner's roles."""
    if owner == SHARED:
        return shared_permissions(with_key=with_key)
    return job_permissions(_load(owner), with_key=with_key)


def policies_of(owner: str, *, with_key: bool = False) -> dict[str, list[dict[str, Any]]]:
    """The statements of each role as a policy has them, with the names of the embedded AWS."""
    return {
        role: [resolve(statement, embedded_values(owner, role)).as_document() for statement in statements]
        for role, statements in permissions_of(owner, with_key=with_key).items()
    }


def embedded_values(owner: str, role: str) -> dict[str, str]:
    """What stands for the placeholders of a role's statements on the embedded AWS."""
    values = {
        "Partition": "aws",
        "Region": REGION,
        "Account": ACCOUNT,
        "MachinePrefix": "mapfold-",
        "DataBucket": "mapfold-data",
        "RunsBucket": "mapfold-runs",
        "RunsTable": "mapfold-runs",
        "LogGroup": f"/aws/lambda/mapfold-{owner}-{role}",
        "StartQueue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:start",
        "Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/of-the-stage",
    }
    return values if owner == SHARED else values | _values_of_job(owner)


def _values_of_job(name: str) -> dict[str, str]:
    job = _load(name)
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:mapfold-{name}"
    place = {"partition": "aws", "region": REGION, "account": ACCOUNT}
    return {
        **{f"{role.capitalize()}Function": f"{function}-{role}" for role in FUNCTIONS},
        **{f"Table.{table}": table for table in job.tables},
        **{f"Secret.{secret}": secret_arn(secret, **place) for secret in job.secrets},
    }


def unused_grants(replay: Replay, policies: Mapping[str, Mapping[str, Sequence[Document]]]) -> list[Grant]:
    """What nobody asked for, of all that the policies allow. Jobs are alike: one that asked for it is enough.

    policies: statements with real names, by owner and role. What has no Sid is known as "".
    """
    jobs = [owner for owner in policies if owner != SHARED]
    granted, used = set[Grant](), set[Grant]()
    for owner, roles in policies.items():
        for role, statements in roles.items():
            requests = replay.requests(owner, role)
            for grant, pattern in _grants(role, statements, jobs if owner == SHARED else [owner]):
                granted.add(grant)
                if any(like(grant.action, each.action) and like(pattern, each.resource) for each in requests):
                    used.add(grant)
    return sorted(granted - used)


def _grants(role: str, statements: Sequence[Document], jobs: Sequence[str]) -> Iterator[tuple[Grant, str]]:
    """Each action on each resource, and the resource itself, which names a job."""
    names = re.compile("|".join(map(re.escape, sorted(jobs, key=len, reverse=True))))
    for statement in statements:
        for resource in as_list(statement["Resource"]):
            for action in as_list(statement["Action"]):
                yield Grant(role, statement.get("Sid", ""), action, names.sub("JOB", resource)), resource


def _load(job: str) -> Any:
    """A job of this folder, or of the project."""
    folder = JOBS if (JOBS / f"{job.replace('-', '_')}.py").exists() else ROOT / "jobs"
    return load_job(folder, job)
