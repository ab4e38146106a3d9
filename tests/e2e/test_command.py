"""`mapfold run` where nothing runs yet: it brings the embedded AWS up, runs the job, and takes it down again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.embedded import mapfold, outside_environment

pytestmark = pytest.mark.timeout(120)


def test_a_run_needs_nothing_but_the_command(tmp_path: Path) -> None:
    """The example's objects hold 1, 2 and 3; what was started for the run is gone after it, and the run is kept."""
    own = ["--data", str(tmp_path), "--jobs", "tests/e2e/jobs"]

    ended = mapfold("run", "sums", "--json", *own)

    document = json.loads(ended.stdout)
    assert (ended.code, document["result"]) == (0, 6), ended.stderr
    shown = mapfold("runs", "--json", "--data", str(tmp_path))
    assert document["run_id"] in shown.stdout, shown.stderr


def test_what_the_shell_says_of_the_real_aws_changes_nothing(tmp_path: Path) -> None:
    """A profile, even one that is not there, and another region than last time: the runs are there all the same."""
    own = ["--data", str(tmp_path), "--jobs", "tests/e2e/jobs"]
    ireland = {**outside_environment(), "AWS_PROFILE": "no-such-profile", "AWS_REGION": "eu-west-1"}

    first = mapfold("run", "sums", "--name", "ireland", *own, environment=ireland)
    second = mapfold("run", "sums", "--name", "virginia", *own)
    third = mapfold("show", "virginia", "--data", str(tmp_path), environment=ireland)

    assert (first.code, second.code, third.code) == (0, 0, 0), first.stderr + second.stderr + third.stderr
    assert "result    s3://mapfold-runs/runs/virginia/result.json" in third.stdout


def test_an_unknown_job_is_a_wrong_command_line(tmp_path: Path) -> None:
    """Exit code 2, and the message lists the jobs there are."""
    ended = mapfold("run", "nobody", "--data", str(tmp_path), "--jobs", "tests/e2e/jobs")

    assert ended.code == 2
    assert "sums" in ended.stderr
