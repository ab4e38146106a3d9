"""`mapfold policy`: every statement with its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from mapfold.cli.factory import Factory
from mapfold.client.target import Target
from mapfold.job import load_jobs
from tests.unit.cli.fakes import FakeFactory, call
from tests.unit.client.fakes import FakeAws

ROOT = Path(__file__).parents[3]
JOBS = ROOT / "tests" / "fixtures" / "jobs"


def policy(*arguments: str, factory: Factory | None = None) -> list[str]:
    """The lines that the command prints."""
    said = call(factory or Factory(environment={}), "policy", "--jobs", str(JOBS), *arguments)
    assert said.code == 0, said.error
    return said.out.splitlines()


def test_a_role_is_printed_with_reasons() -> None:
    """Reason first, then what is allowed, on what, and if what."""
    lines = policy("words", "--role", "finish")

    start = next(number for number, line in enumerate(lines) if line.startswith("  FindFailedItems: "))
    assert lines[0] == "finish"
    assert lines[start].endswith("Finish looks for the lists of failed items.")
    assert lines[start + 1 : start + 4] == [
        "    allow  s3:ListBucket",
        "    on     arn:${Partition}:s3:::${RunsBucket}",
        "    if     s3:prefix StringLike runs/*/fold/failed- or runs/*/failed/*",
    ]


def test_every_role_of_a_job_is_there() -> None:
    """Headings are not indented."""
    headings = [line for line in policy("words") if line and not line.startswith(" ")]

    assert headings == ["plan", "work", "isolate", "fold", "finish", "close", "state-machine"]


def test_shared_roles_see_the_machines_of_the_stage() -> None:
    """By the prefix of their names."""
    lines = policy("--shared", "--role", "start")

    assert any(line.endswith(":stateMachine:${MachinePrefix}*") for line in lines)


def test_json_is_a_policy_document_for_each_role() -> None:
    """As IAM takes it, and the reasons beside it, by Sid."""
    (line,) = policy("words", "--role", "close", "--json")

    close = json.loads(line)["roles"]["close"]
    assert close["policy"]["Version"] == "2012-10-17"
    assert close["policy"]["Statement"][0] == {
        "Sid": "KeepRecord",
        "Effect": "Allow",
        "Action": ["dynamodb:UpdateItem"],
        "Resource": ["arn:${Partition}:dynamodb:${Region}:${Account}:table/${RunsTable}"],
    }
    assert close["because"]["KeepRecord"] == "Close notes in the run's record how the run failed."


def test_names_are_those_of_the_stack() -> None:
    """A name that its outputs do not tell stays a placeholder."""
    aws = FakeAws()
    aws.target = replace(Target(), machine_prefix="mapfold-dev-", runs_table="Runs-1", jobs=("words",))
    factory = FakeFactory(aws=aws, known=cast(Any, load_jobs(JOBS)))

    (line,) = policy("words", "--role", "close", "--json", "--on", "aws", factory=factory)

    record, logs, _ = json.loads(line)["roles"]["close"]["policy"]["Statement"]
    assert record["Resource"] == [f"arn:aws:dynamodb:{aws.region}:{aws.account}:table/Runs-1"]
    assert logs["Resource"] == [f"arn:aws:logs:{aws.region}:{aws.account}:log-group:${{LogGroup}}:*"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("words", "--role", "Work"), "there is no role 'Work'. There are: plan, work, isolate, fold, finish, close"),
        ((), "name a JOB to see the roles of its own, or --shared"),
        (("words", "--shared"), "name a JOB"),
    ],
)
def test_what_cannot_be_shown_is_told(arguments: tuple[str, ...], told: str) -> None:
    """With what can."""
    said = call(Factory(environment={}), "policy", "--jobs", str(JOBS), *arguments)

    assert said.code == 2
    assert told in str(said.error)


def test_the_page_shows_what_the_command_prints() -> None:
    """docs/permissions.md has it word for word."""
    said = call(Factory(environment={}), "policy", "flight-delays", "--role", "close", "--jobs", str(ROOT / "jobs"))

    page = (ROOT / "docs" / "permissions.md").read_text()
    assert f"```console\n$ mapfold policy flight-delays --role close\n{said.out}```" in page
