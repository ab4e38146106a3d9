"""Deploying a job to the embedded AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapfold.client import Deployment, carry_out, plan_deployment, source_digest, substitutions
from mapfold.client.values import FunctionFacts, Json
from mapfold.errors import ServiceError
from tests.unit.client.fakes import FakeAws


def plan(tmp_path: Path, *, digest: str = "d1", definition: Json = None, timeout_seconds: int = 60) -> Deployment:
    return plan_deployment(
        "flights",
        definition=definition or {"StartAt": "Plan"},
        jobs_folder=tmp_path / "jobs",
        timeout_seconds=timeout_seconds,
        memory_mb=256,
        tables={"daily": ("carrier", "day")},
        runs_bucket="mapfold-runs",
        digest=digest,
    )


def test_a_job_gets_buckets_tables_functions_and_a_state_machine(tmp_path: Path) -> None:
    """Five functions run the folder that holds the jobs, in place."""
    aws = FakeAws()

    carry_out(plan(tmp_path), aws)

    assert aws.buckets == {"mapfold-data", "mapfold-runs"}
    assert aws.tables == {"mapfold-runs": ("run_id",), "daily": ("carrier", "day")}
    assert set(aws.folders.values()) == {str(tmp_path.resolve())}
    assert {facts.handler for facts in aws.functions.values()} == {
        f"tasks.{role}.handler" for role in ("plan", "work", "fold", "finish", "close")
    }
    assert aws.machines == {"mapfold-flights": '{"StartAt": "Plan"}'}


def test_the_jobs_limits_are_the_work_functions(tmp_path: Path) -> None:
    """The others have the longest time that Lambda allows: folding takes as long as it takes."""
    aws = FakeAws()

    carry_out(plan(tmp_path), aws)

    work, fold = aws.functions["mapfold-flights-work"], aws.functions["mapfold-flights-fold"]
    assert (work.timeout_seconds, work.memory_mb, fold.timeout_seconds) == (60, 256, 900)
    assert work.environment["MAPFOLD_JOBS"] == "jobs"


def test_a_second_deployment_changes_nothing(tmp_path: Path) -> None:
    """Whatever is there as it should be is left alone."""
    aws = FakeAws()
    first = carry_out(plan(tmp_path), aws)

    assert len(first) == 2 + 2 + 5 + 1
    assert carry_out(plan(tmp_path), aws) == []


def test_functions_are_made_again_when_the_source_has_changed(tmp_path: Path) -> None:
    """A warm worker would go on with the old code."""
    aws = FakeAws()
    carry_out(plan(tmp_path), aws)

    changes = carry_out(plan(tmp_path, digest="d2"), aws)

    assert {(change.action, change.kind) for change in changes} == {("replaced", "function")}
    assert len(changes) == 5


class Hasty(FakeAws):
    """Another command has deployed the same job between our question and our call."""

    def find_function(self, name: str) -> FunctionFacts | None:
        asked_before = name in self.described
        self.described.append(name)
        return super().find_function(name) if asked_before else None

    def create_folder_function(self, name: str, **facts: Any) -> None:
        raise ServiceError(f"Function already exist: {name}", code="ResourceConflictException")


def test_two_deployments_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Both find no function and both create it: the second takes what the first has made."""
    first, second = FakeAws(), Hasty()
    carry_out(plan(tmp_path), first)
    second.functions = first.functions

    changes = carry_out(plan(tmp_path), second)

    assert {change.kind for change in changes} == {"bucket", "table", "state machine"}


def test_a_conflict_with_another_deployment_is_told(tmp_path: Path) -> None:
    """What the other command made is not what this job needs."""
    first, second = FakeAws(), Hasty()
    carry_out(plan(tmp_path, digest="other"), first)
    second.functions = first.functions

    with pytest.raises(ServiceError, match="already exist"):
        carry_out(plan(tmp_path), second)


def test_only_the_function_whose_limits_changed_is_made_again(tmp_path: Path) -> None:
    """The job's timeout is the work function's alone."""
    aws = FakeAws()
    carry_out(plan(tmp_path), aws)

    (change,) = carry_out(plan(tmp_path, timeout_seconds=61), aws)

    assert change.name == "mapfold-flights-work"


def test_a_changed_definition_updates_the_state_machine(tmp_path: Path) -> None:
    """Executions that run keep theirs, so it is not deleted."""
    aws = FakeAws()
    carry_out(plan(tmp_path), aws)

    (change,) = carry_out(plan(tmp_path, definition={"StartAt": "Other"}), aws)

    assert (change.action, change.kind) == ("replaced", "state machine")
    assert aws.machines["mapfold-flights"] == '{"StartAt": "Other"}'


def test_substitutions_name_what_the_deployment_makes(tmp_path: Path) -> None:
    """The ARNs of the five functions and the runs' bucket."""
    names = substitutions("flights", region="eu-west-1", account="1", runs_bucket="b")

    assert names["PlanFunction"] == "arn:aws:lambda:eu-west-1:1:function:mapfold-flights-plan"
    assert set(names) == {
        "PlanFunction",
        "WorkFunction",
        "FoldFunction",
        "FinishFunction",
        "CloseFunction",
        "RunsBucket",
    }


def test_the_digest_follows_names_and_contents_of_python_files(tmp_path: Path) -> None:
    """Other files and what Python compiles do not count."""
    (tmp_path / "a.py").write_text("1")
    first = source_digest([tmp_path])
    (tmp_path / "notes.txt").write_text("x")
    same = source_digest([tmp_path])
    (tmp_path / "a.py").write_text("2")

    assert same == first
    assert source_digest([tmp_path]) != first
