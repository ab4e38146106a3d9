"""What the tests of infra share: one stage, synthesized once a session, by whichever worker is first.

Without CDK and Node, which `make synth` installs, they are skipped.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from infra.errors import ToolError
from infra.node import use_bundled_node
from tests.infra.there import JOB_FOLDERS

if TYPE_CHECKING:
    from tests.infra.deployed import Deployed

HERE = Path(__file__).parent

try:
    use_bundled_node(os.environ)
    MISSING = ""
except ToolError as error:
    MISSING = str(error)


class WithoutNode(pytest.Module):
    """A module of tests, where there is no CDK to import."""

    def collect(self) -> NoReturn:
        """Say what is missing."""
        pytest.skip(MISSING)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Every module of this folder needs CDK."""
    return WithoutNode.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The stage dev of stages.toml beside this file, with every job of the project and of its tests."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "infra"
    with _alone(shared / "infra.lock"):
        if not folder.is_dir():
            _synthesize(folder)
    if not (folder / "template.json").is_file():
        pytest.fail("another test tried to synthesize the stage, and failed: see there", pytrace=False)
    from tests.infra.deployed import Deployed

    return Deployed(folder, json.loads((folder / "template.json").read_text()))


def _synthesize(folder: Path) -> None:
    from infra.synthesis import Order, synthesize

    (folder / "jobs").mkdir(parents=True)
    for each in JOB_FOLDERS:
        for module in each.glob("*.py"):
            shutil.copy(module, folder / "jobs")
    made = synthesize(
        Order(
            "dev",
            jobs_folder=folder / "jobs",
            stages_file=HERE / "stages.toml",
            tables_record=folder / "tables.json",
            build=folder / "build",
        )
    )
    (folder / "template.json").write_text(json.dumps(made.template))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Other workers wait until the block is done."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
