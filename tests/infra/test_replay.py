"""The recorded runs of tests/e2e/permissions against the policies that CloudFormation gets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.permissions.recording import replay_once
from tests.e2e.permissions.replay import FUNCTIONS, JOBS, ROOT, SHARED, Grant, Replay, unused_grants
from tests.e2e.permissions.unused import unexplained
from tests.infra.deployed import Deployed, Resource

pytestmark = pytest.mark.timeout(600)

STAGES = "[dev]\n"
Policies = Mapping[str, Mapping[str, list[Any]]]
"""Statements by owner and role."""


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """What the roles asked of IAM in real runs."""
    return replay_once(tmp_path_factory)


def synthesized(folder: Path) -> Deployed:
    """A stage with the jobs that were recorded."""
    from infra.synthesis import Order, synthesize

    jobs = folder / "jobs"
    shutil.copytree(JOBS, jobs)
    shutil.copy(ROOT / "jobs" / "flight_delays.py", jobs)
    (folder / "stages.toml").write_text(STAGES)
    order = Order(
        "dev",
        jobs_folder=jobs,
        stages_file=folder / "stages.toml",
        tables_record=folder / "tables.json",
        build=folder / "build",
    )
    return Deployed(folder, synthesize(order).template)


class Names:
    """What the references of a template are called on the embedded AWS."""

    def __init__(self, stage: Deployed) -> None:
        where = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}
        tables = {logical_id: name for name, logical_id in stage.tables.items()}
        storage = {
            stage.outputs["DataBucket"]["Ref"]: "mapfold-data",
            stage.outputs["RunsBucket"]["Ref"]: "mapfold-runs",
            stage.outputs["RunsTable"]["Ref"]: "mapfold-runs",
        }
        functions = {
            stage.function_id(job, role): f"arn:aws:lambda:us-east-1:123456789012:function:mapfold-{job}-{role}"
            for job in stage.jobs
            for role in FUNCTIONS
        }
        self._names: Mapping[str, str] = where | tables | storage | functions

    def filled(self, value: Any) -> Any:
        """The value without references; one that no recorded call is about keeps its logical id."""
        match value:
            case {"Fn::Join": [str(glue), list(parts)]}:
                return glue.join(map(self.filled, parts))
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
                return self._names.get(name, name)
            case dict():
                return {key: self.filled(member) for key, member in value.items()}
            case list():
                return [self.filled(member) for member in value]
            case str():
                return value.replace("mapfold-dev-", "mapfold-")
        return value


def shared_function(stage: Deployed, role: str) -> Resource:
    """The properties of api, start or watch."""
    (found,) = (each for each in stage.functions() if each["Handler"] == f"tasks.{role}.handler")
    return found


def policies(stage: Deployed) -> dict[str, dict[str, list[Any]]]:
    """The statements of every role in the template, by owner and role."""
    names = Names(stage)
    resources = {
        job: {role: stage.function(job, role) for role in FUNCTIONS} | {"state-machine": stage.machine(job)}
        for job in stage.jobs
    }
    resources[SHARED] = {role: shared_function(stage, role) for role in ("api", "start", "watch")}
    return {
        owner: {role: names.filled(stage.statements(resource)) for role, resource in roles.items()}
        for owner, roles in resources.items()
    }


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Any]]]:
    """The synthesized policies, with the names of the embedded AWS for the template's references."""
    return policies(synthesized(tmp_path_factory.mktemp("stage")))


class TestSynthesizedPolicies:
    def test_every_call_of_the_recorded_runs_is_allowed(self, replay: Replay, deployed: Policies) -> None:
        """By the policy of the role that made it."""
        refused = replay.refused(deployed)

        assert not refused, "\n".join(refused)
        assert set(replay.owners()) == {*deployed}, json.dumps(sorted(deployed))

    def test_nothing_is_allowed_that_no_run_needs(self, replay: Replay, deployed: Policies) -> None:
        """What the template allows beside the derived statements would be seen here."""
        unused = unused_grants(replay, deployed)

        assert unexplained(unused) == []

    @pytest.mark.parametrize("role", ["work", "state-machine"])
    def test_a_grant_that_only_the_template_has_is_found(self, replay: Replay, deployed: Policies, role: str) -> None:
        """As one that a construct of CDK adds by itself, without a Sid."""
        extra = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::mapfold-data/*"}
        jobs = deployed["everything"]
        widened = {**deployed, "everything": {**jobs, role: [*jobs[role], extra]}}

        found = unexplained(unused_grants(replay, widened))

        assert found == [str(Grant(role, "", "s3:DeleteObject", "arn:aws:s3:::mapfold-data/*"))]
