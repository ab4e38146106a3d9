"""Deploying a job to the embedded AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapfold.client import Deployment, carry_out, plan_deployment, source_digest, substitutions
from mapfold.client.deploy import FunctionPlan
from mapfold.client.values import FunctionFacts, Json
from mapfold.errors import BuiltDefinitionError, ServiceError
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
    """Six functions run the folder that holds the jobs, in place."""
    aws = FakeAws()

    carry_out(plan(tmp_path), aws)

    assert aws.buckets == {"mapfold-data", "mapfold-runs"}
    assert aws.tables == {"mapfold-runs": ("run_id",), "daily": ("carrier", "day")}
    assert set(aws.folders.values()) == {str(tmp_path.resolve())}
    assert {facts.handler for facts in aws.functions.values()} == {
        f"tasks.{role}.handler" for role in ("plan", "work", "isolate", "fold", "finish", "close")
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

    assert len(first) == 2 + 2 + 6 + 1
    assert carry_out(plan(tmp_path), aws) == []


class LateFinds(FakeAws):
    """Another command has made every function just after we looked."""

    def find_function(self, name: str) -> FunctionFacts | None:
        found = super().find_function(name)
        if found is None:
            for plan in self.others:
                if plan.name == name:
                    self.functions[name] = FunctionFacts(
                        name, plan.handler, plan.timeout_seconds, plan.memory_mb, plan.environment
                    )
        return found

    others: tuple[FunctionPlan, ...] = ()


def test_a_function_that_another_command_made_meanwhile_is_used(tmp_path: Path) -> None:
    """Two runs of a job may start at once."""
    aws = LateFinds()
    aws.others = plan(tmp_path).functions

    changes = carry_out(plan(tmp_path), aws)

    assert "function" not in {change.kind for change in changes}
    assert len(aws.functions) == 6


class Overtaken(FakeAws):
    """Another command changes, or deletes, each function just before we do, so often."""

    def update_folder_function(self, name: str, **settings: Any) -> bool:
        if self.left:
            self.left -= 1
            if self.deletes:
                del self.functions[name]
            return False
        return super().update_folder_function(name, **settings)

    left, deletes = 0, False


@pytest.mark.parametrize("deletes", [False, True])
def test_a_function_that_another_command_changes_meanwhile_is_looked_at_again(tmp_path: Path, deletes: bool) -> None:
    """And is then as it should be, whatever the other has made of it."""
    aws = Overtaken()
    carry_out(plan(tmp_path), aws)
    aws.left, aws.deletes = 3, deletes

    carry_out(plan(tmp_path, digest="d2"), aws)

    assert carry_out(plan(tmp_path, digest="d2"), aws) == []


def test_a_function_that_others_change_all_the_time_is_an_error(tmp_path: Path) -> None:
    """It names the function, and says what to do."""
    aws = Overtaken()
    carry_out(plan(tmp_path), aws)
    aws.left = 1000

    with pytest.raises(ServiceError, match="function mapfold-flights-plan was changed by others"):
        carry_out(plan(tmp_path, digest="d2"), aws)


def test_functions_are_updated_when_the_source_has_changed(tmp_path: Path) -> None:
    """A warm worker would go on with the old code."""
    aws = FakeAws()
    carry_out(plan(tmp_path), aws)

    changes = carry_out(plan(tmp_path, digest="d2"), aws)

    assert {(change.action, change.kind) for change in changes} == {("replaced", "function")}
    assert len(changes) == 6


def test_only_the_function_whose_limits_changed_is_updated(tmp_path: Path) -> None:
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


class Refusing(FakeAws):
    """Its Step Functions refuses every definition, with this code."""

    code = "InvalidDefinition"

    def create_state_machine(self, name: str, definition: str) -> None:
        raise ServiceError(f"CreateStateMachine was refused: {self.code}: no end at /States/A.", code=self.code)

    def update_state_machine(self, machine_arn: str, definition: str) -> None:
        raise ServiceError(f"UpdateStateMachine was refused: {self.code}: no end at /States/A.", code=self.code)


@pytest.mark.parametrize(("there", "call"), [({}, "Create"), ({"mapfold-flights": "{}"}, "Update")])
def test_a_definition_that_is_refused_is_its_authors(tmp_path: Path, there: dict[str, str], call: str) -> None:
    """With the job, what AWS said, and the file that makes it; it ends with 2."""
    with pytest.raises(BuiltDefinitionError) as raised:
        carry_out(plan(tmp_path), Refusing(machines=there))

    assert raised.value.exit_code == 2
    assert str(raised.value) == (
        f"workflows/definition.py, job 'flights': {call}StateMachine was refused: InvalidDefinition: "
        "no end at /States/A. Mend workflows/definition.py."
    )


def test_a_machine_that_is_refused_for_another_reason_is_not(tmp_path: Path) -> None:
    """Such as rights that are missing."""
    aws = Refusing()
    aws.code = "AccessDenied"

    with pytest.raises(ServiceError, match="AccessDenied"):
        carry_out(plan(tmp_path), aws)


def test_substitutions_name_what_the_deployment_makes(tmp_path: Path) -> None:
    """The ARNs of the six functions and the runs' bucket."""
    names = substitutions("flights", region="eu-west-1", account="1", runs_bucket="b")

    assert names["PlanFunction"] == "arn:aws:lambda:eu-west-1:1:function:mapfold-flights-plan"
    assert set(names) == {
        "PlanFunction",
        "WorkFunction",
        "IsolateFunction",
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
