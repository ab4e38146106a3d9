"""Jobs that run on the embedded AWS, and what each role asked of IAM meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mapfold.job import Job, load_job
from tests.e2e.embedded import EmbeddedAws, Ended, mapfold
from tests.e2e.permissions.calls import ACCOUNT, REGION, Recording
from tests.e2e.permissions.iam import Request, like
from tests.e2e.permissions.machine import requests_of
from workflows.permissions import Statement, job_permissions, resolve, secret_arn

JOBS = Path(__file__).with_name("jobs")
ROOT = Path(__file__).parents[3]
FUNCTIONS = ("plan", "work", "fold", "finish", "close")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a role, and where it was seen."""

    job: str
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


@dataclass(slots=True)
class Stage:
    """A recorded embedded AWS. Runs are one after the other, so what the engine does belongs to the run that is on."""

    aws: EmbeddedAws
    recording: Recording
    secrets: Mapping[str, str]
    asked: list[Asked] = field(default_factory=list)

    def run(self, job: str, source: str, *, jobs: Path = JOBS) -> dict[str, Any]:
        """Run a job to its end, and note what it asked for. Gives the run's document."""
        name = f"{job}-{len(self.asked)}"
        options = ("--name", name, "--jobs", str(jobs), "--json")
        ended: Ended = mapfold("run", job, source, *options, environment=self.aws.environment)
        assert ended.code in (0, 1), ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        self.note(job, document["execution_arn"])
        return document

    def note(self, job: str, execution_arn: str) -> None:
        """Note what was asked for since the last run, by the roles of `job`."""
        for call in self.recording.news():
            role = call.function.removeprefix(f"mapfold-{job}-") if call.function else "state-machine"
            self.asked += (Asked(job, role, request, str(call)) for request in call.requests(self.secrets))
        seen = f"the history of {execution_arn}"
        requests = requests_of(self.aws.stepfunctions, execution_arn)
        self.asked += (Asked(job, "state-machine", request, seen) for request in requests)

    def jobs(self) -> list[str]:
        """The jobs that have run."""
        return sorted({asked.job for asked in self.asked})


def load(job: str) -> Job:
    """A job of this folder, or of the project."""
    folder = JOBS if (JOBS / f"{job.replace('-', '_')}.py").exists() else ROOT / "jobs"
    return load_job(folder, job)


def embedded_values(job: Job, role: str) -> dict[str, str]:
    """What stands for the placeholders of a job's statements on the embedded AWS."""
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:mapfold-{job.name}"
    return {
        "Partition": "aws",
        "Region": REGION,
        "Account": ACCOUNT,
        "MachinePrefix": "mapfold-",
        "DataBucket": "mapfold-data",
        "RunsBucket": "mapfold-runs",
        "RunsTable": "mapfold-runs",
        "LogGroup": f"/aws/lambda/mapfold-{job.name}-{role}",
        **{f"{name.capitalize()}Function": f"{function}-{name}" for name in FUNCTIONS},
        **{f"Table.{table}": table for table in job.tables},
        **{
            f"Secret.{secret}": secret_arn(secret, partition="aws", region=REGION, account=ACCOUNT)
            for secret in job.secrets
        },
    }


def embedded_policies(job: Job) -> dict[str, list[dict[str, Any]]]:
    """The statements of each role as a policy has them, with the names of the embedded AWS."""
    return {
        role: [resolve(statement, embedded_values(job, role)).as_document() for statement in statements]
        for role, statements in job_permissions(job).items()
    }


def unused_grants(stage: Stage) -> list[Grant]:
    """What no run of any job asked for, of all that their roles may do. Jobs are alike: one that did is enough."""
    granted, used = set[Grant](), set[Grant]()
    for job in map(load, stage.jobs()):
        for role, statements in job_permissions(job).items():
            requests = {asked.request for asked in stage.asked if (asked.job, asked.role) == (job.name, role)}
            for statement in statements:
                for grant, pattern in _grants(job, role, statement):
                    granted.add(grant)
                    if any(each.action == grant.action and like(pattern, each.resource) for each in requests):
                        used.add(grant)
    return sorted(granted - used)


def _grants(job: Job, role: str, statement: Statement) -> Iterator[tuple[Grant, str]]:
    """Each action on each resource, and the resource as it is named on the embedded AWS."""
    real = resolve(statement, embedded_values(job, role))
    for resource, pattern in zip(statement.resources, real.resources, strict=True):
        for action in statement.actions:
            yield Grant(role, statement.sid, action, resource.replace(job.name, "JOB")), pattern
