"""`mapfold run` where nothing runs yet: it brings the embedded AWS up, runs the job, and takes it down again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.embedded import mapfold

pytestmark = pytest.mark.timeout(120)


def test_a_run_needs_nothing_but_the_command(tmp_path: Path) -> None:
    """The example's objects hold 1, 2 and 3; what was started for the run is gone after it, and the run is kept."""
    own = ["--data", str(tmp_path), "--jobs", "tests/e2e/jobs"]

    ended = mapfold("run", "sums", "--json", *own)

    document = json.loads(ended.stdout)
    assert (ended.code, document["result"]) == (0, 6), ended.stderr
    shown = mapfold("runs", "--json", "--data", str(tmp_path))
    assert document["run_id"] in shown.stdout, shown.stderr


def test_an_unknown_job_is_a_wrong_command_line(tmp_path: Path) -> None:
    """Exit code 2, and the message lists the jobs there are."""
    ended = mapfold("run", "nobody", "--data", str(tmp_path), "--jobs", "tests/e2e/jobs")

    assert ended.code == 2
    assert "sums" in ended.stderr
