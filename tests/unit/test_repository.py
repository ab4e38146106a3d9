"""What a fresh clone relies on: the lock, the CI's entry, and definitions that are what the code builds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"


def test_the_lock_names_no_host_and_no_path() -> None:
    """Which index or cache serves the packages is up to the machine that installs them."""
    lines = LOCK.read_text().splitlines()

    named = [
        line for line in lines if re.search(r"://|--index|--find-links|--extra|--trusted| @ |(^|\s)\.{0,2}/", line)
    ]

    assert named == []


def test_the_lock_pins_every_package_by_version_and_hash() -> None:
    """A requirement is one exact version, perhaps for some platforms only, and at least one hash."""
    requirements = LOCK.read_text().replace("\\\n", "").splitlines()

    loose = [line for line in requirements if not re.match(r"[\w.-]+==\S+( ; .+)? +--hash=sha256:", line)]

    assert loose == []


def test_the_ci_calls_make_test() -> None:
    """CI and a person run the same thing."""
    entry = ROOT / ".ci" / "run"

    assert os.access(entry, os.X_OK)
    assert entry.read_text().splitlines()[-1] == "exec make test"


def test_make_help_tells_what_each_target_does() -> None:
    """Every target that a person calls has one line of help."""
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    told = subprocess.run(
        ["make", "-C", ROOT, "--no-print-directory", "help"], capture_output=True, text=True, check=True
    )

    assert phony is not None
    assert re.findall(r"make (\w+)  +\S", told.stdout) == phony[1].split()


def test_the_rendered_definitions_are_what_the_code_builds() -> None:
    """workflows/JOB.asl.json is for editors and reviewers; none is stale, missing, or of a job that is gone."""
    checked = subprocess.run(
        [sys.executable, "-m", "workflows", "--check"], check=False, cwd=ROOT, capture_output=True, text=True
    )

    assert (checked.returncode, checked.stderr) == (0, "")
