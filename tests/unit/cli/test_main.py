"""The command as a process: exit codes, and which stream says what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def mapfold(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m mapfold` in a directory that has nothing."""
    return subprocess.run(
        [sys.executable, "-m", "mapfold", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_teaches_with_examples(tmp_path: Path) -> None:
    """And tells the exit codes."""
    said = mapfold("--help", cwd=tmp_path)

    assert said.returncode == 0
    assert "mapfold run JOB s3://bucket/key" in said.stdout
    assert "Exit codes: 0 succeeded" in said.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs"],
        ["run", "nothing"],
        ["run", "nothing", "s3://b/k", "--param", "x"],
        ["unknown"],
        ["runs", "--limit", "x"],
        ["runs", "--profile", "work"],
    ],
)
def test_a_command_line_that_cannot_be_ends_with_2(tmp_path: Path, arguments: list[str]) -> None:
    """Said on stderr, in a line or a few, without a traceback; stdout stays empty."""
    said = mapfold(*arguments, cwd=tmp_path)

    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr
    assert "Traceback" not in said.stderr


def test_an_aws_that_does_not_answer_ends_with_1(tmp_path: Path) -> None:
    """It names the endpoint."""
    said = mapfold("runs", "--json", cwd=tmp_path, AWS_ENDPOINT_URL_SFN="http://127.0.0.1:9")

    assert said.returncode == 1
    assert "127.0.0.1:9" in said.stderr
    assert said.stdout == ""


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    """Before the same words."""
    said = mapfold("--debug", "jobs", cwd=tmp_path)

    assert said.returncode == 2
    assert "Traceback" in said.stderr
