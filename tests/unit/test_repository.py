"""What a fresh clone relies on: the lock, the CI's entry, and definitions that are what the code builds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-infra.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_path(lock: str) -> None:
    """Which index or cache serves the packages is up to the machine that installs them."""
    lines = (ROOT / lock).read_text().splitlines()

    named = [
        line for line in lines if re.search(r"://|--index|--find-links|--extra|--trusted| @ |(^|\s)\.{0,2}/", line)
    ]

    assert named == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_by_version_and_hash(lock: str) -> None:
    """A requirement is one exact version, perhaps for some platforms only, and at least one hash."""
    requirements = (ROOT / lock).read_text().replace("\\\n", "").splitlines()

    loose = [line for line in requirements if not re.match(r"[\w.-]+==\S+( ; .+)? +--hash=sha256:", line)]

    assert loose == []


def test_no_package_has_two_versions() -> None:
    """The second lock is installed over the first: what is in both is the same in both."""
    first, second = (dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)) for lock in LOCKS)

    assert {name: version for name, version in second.items() if first.get(name, version) != version} == {}


def test_npm_asks_the_registry_that_it_is_set_up_with() -> None:
    """The lock of the validator of state machines pins versions and hashes, and names no host to fetch from."""
    lock = json.loads((ROOT / "tests" / "infra" / "asl_validator" / "package-lock.json").read_text())

    packages = [each for place, each in lock["packages"].items() if place]
    assert packages
    assert all(each["integrity"].startswith("sha512-") and "resolved" not in each for each in packages)


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
