"""`mapfold run` where nothing runs yet: it brings the embedded AWS up, runs the job, and takes it down again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.embedded import Ended, mapfold, outside_environment

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True)
class First:
    """The first run on a data folder, and the options that lead there."""

    ended: Ended
    own: list[str]
    data: list[str]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    """In the region of who says nothing of one."""
    data = ["--data", str(tmp_path_factory.mktemp("data"))]
    own = [*data, "--jobs", "tests/e2e/jobs"]
    return First(mapfold("run", "sums", "--json", "--name", "virginia", *own), own, data)


def test_a_run_needs_nothing_but_the_command(first: First) -> None:
    """The example's objects hold 1, 2 and 3; what was started for the run is gone after it, and the run is kept."""
    shown = mapfold("runs", "--json", *first.data)

    document = json.loads(first.ended.stdout)
    assert (first.ended.code, document["result"]) == (0, 6), first.ended.stderr
    assert document["run_id"] in shown.stdout, shown.stderr


def test_what_the_shell_says_of_the_real_aws_changes_nothing(first: First) -> None:
    """A profile, even one that is not there, and another region than last time: the runs are there all the same."""
    ireland = {**outside_environment(), "AWS_PROFILE": "no-such-profile", "AWS_REGION": "eu-west-1"}

    second = mapfold("run", "sums", "--name", "ireland", *first.own, environment=ireland)
    third = mapfold("show", "virginia", *first.data, environment=ireland)

    assert (second.code, third.code) == (0, 0), second.stderr + third.stderr
    assert "result    s3://mapfold-runs/runs/virginia/result.json" in third.stdout


def test_an_unknown_job_is_a_wrong_command_line(tmp_path: Path) -> None:
    """Exit code 2, and the message lists the jobs there are."""
    ended = mapfold("run", "nobody", "--data", str(tmp_path), "--jobs", "tests/e2e/jobs")

    assert ended.code == 2
    assert "sums" in ended.stderr
