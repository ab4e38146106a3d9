"""Packages: what a handler imports, all of it, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from benchmarks.package import GOAL_BYTES, zipped_size
from infra.package import ROOT, Packages, Sources, closure, imported
from infra.requirements import Requirements
from mapfold.job import Job, load_job
from tests.infra.deployed import Deployed

OURS = Sources({"mapfold": ROOT, "workflows": ROOT, "tasks": ROOT})

IMPORT_ALL = """
import importlib, pathlib, sys
package, installed = sys.argv[1:]
sys.path[:0] = [package]
sys.path.append(installed)
files = sorted(pathlib.Path(package).rglob("*.py"))
for file in files:
    module = ".".join(file.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
    loaded = importlib.import_module(module)
    assert loaded.__file__ == str(file), loaded
print(len(files))
"""
"""Imports every module of a package where nothing but it and what pip installed is to be found."""


@pytest.mark.parametrize(
    ("job", "handler"),
    [
        *(("orders", handler) for handler in ("plan", "work", "isolate", "fold", "finish", "close")),
        *((None, handler) for handler in ("api", "start", "watch")),
    ],
)
def test_a_package_imports_by_itself(stage: Deployed, job: str | None, handler: str) -> None:
    """Each file of it is imported, those that only a function imports too, where this project's folder is not found."""
    package = stage.package(stage.function(job, handler))

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT_ALL, str(package), sysconfig.get_path("purelib")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


@pytest.mark.parametrize(
    ("handler", "without"),
    [
        ("work", {"mapfold/runs/plan.py", "mapfold/runs/finish.py", "mapfold/runs/fold.py"}),
        ("plan", {"mapfold/runs/work.py", "mapfold/runs/finish.py", "mapfold/runs/fold.py"}),
        ("close", {"mapfold/runs/plan.py", "jobs"}),
    ],
)
def test_a_package_has_only_what_its_handler_imports(stage: Deployed, handler: str, without: set[str]) -> None:
    """No other handler, nothing of the client or the embedded AWS, and no job where none is loaded."""
    package = stage.package(stage.function("words", handler))

    handlers = {path.name for path in (package / "tasks").glob("[!_]*.py")}
    assert handlers == {f"{handler}.py"}
    assert {path.name for path in package.iterdir()} <= {"mapfold", "tasks", "jobs"}
    assert not (package / "mapfold" / "client").exists()
    assert [place for place in without if (package / place).exists()] == []


def test_a_package_has_its_own_job_and_the_jobs_helpers_that_it_imports(stage: Deployed) -> None:
    """The job orders imports jobs._money; words imports no helper. Other jobs are not in it."""
    of_orders, of_words = (stage.package(stage.function(job, "work")) / "jobs" for job in ("orders", "words"))

    assert {path.name for path in of_orders.iterdir()} == {"orders.py", "_money.py"}
    assert {path.name for path in of_words.iterdir()} == {"words.py"}
    assert isinstance(load_job(of_words, "words"), Job)


def test_every_package_is_small(stage: Deployed) -> None:
    """Lambda fetches it at each cold start: 5 MB as a zip at most, of every function of every job here."""
    sizes = {function["Description"]: zipped_size(stage.package(function)) for function in stage.functions()}

    assert len(sizes) == 6 * len(stage.jobs) + 3
    assert {name: size for name, size in sizes.items() if size > GOAL_BYTES} == {}


def test_a_package_that_lambda_cannot_unpack_is_a_finding(tmp_path: Path) -> None:
    """CloudFormation would tell after all has been uploaded."""
    job = load_job(ROOT / "jobs", "flight-delays")
    packages = Packages(ROOT / "jobs", Required(tmp_path / "installed"), build=tmp_path)

    (tmp_path / "installed").mkdir()
    library = tmp_path / "installed" / "library.so"
    library.touch()
    os.truncate(library, 200_000_000)
    fitting = list(packages.too_large(job))
    os.truncate(library, 230_000_000)
    (finding,) = packages.too_large(job)

    assert fitting == []
    assert str(finding).startswith("job 'flight-delays': its functions have 230,")
    assert "and Lambda takes 222,144,000 beside the layer of Powertools. Require fewer or smaller" in str(finding)


class Required(Requirements):
    """Requirements that are installed already, for whichever job."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._installed = folder

    def of_job(self, job: Job) -> Path:
        return self._installed


def test_the_same_code_is_the_same_package(tmp_path: Path) -> None:
    """The folder's name follows from what is in it, whoever makes it and when: a deployment without changes has none."""
    job = load_job(ROOT / "jobs", "flight-delays")
    one, other = (
        Packages(ROOT / "jobs", Requirements(tmp_path / name), build=tmp_path / name).of_job(job, "work")
        for name in ("one", "other")
    )

    assert one.name == other.name
    assert [path.relative_to(one) for path in sorted(one.rglob("*"))] == [
        path.relative_to(other) for path in sorted(other.rglob("*"))
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import tasks._worker", ["tasks._worker"]),
        ("from mapfold import Job", ["mapfold", "mapfold.Job"]),
        ("from . import _worker", ["tasks", "tasks._worker"]),
        ("from ._worker import records", ["tasks._worker", "tasks._worker.records"]),
        ("def f():\n    import boto3", ["boto3"]),
        ("if TYPE_CHECKING:\n    import mypy_boto3_s3\nelse:\n    import boto3", ["boto3"]),
        ("if typing.TYPE_CHECKING:\n    import mypy_boto3_s3", []),
        ("try:\n    import orjson\nexcept ImportError:\n    import json", ["orjson", "json"]),
    ],
)
def test_imports_are_found_wherever_they_stand(tmp_path: Path, source: str, found: list[str]) -> None:
    """At the top, in functions, relative; but not those for type checkers alone."""
    module = tmp_path / "work.py"
    module.write_text(source)

    assert list(imported("tasks.work", module)) == found


def test_relative_imports_of_a_package_start_in_itself(tmp_path: Path) -> None:
    """`from . import x` in a/__init__.py is a.x, and in a/b.py too."""
    module = tmp_path / "__init__.py"
    module.write_text("from . import folder\nfrom .. import errors")

    assert list(imported("mapfold.runs", module)) == [
        "mapfold.runs",
        "mapfold.runs.folder",
        "mapfold",
        "mapfold.errors",
    ]


def test_the_closure_has_the_packages_that_a_module_lies_in() -> None:
    """Python imports a/__init__.py before a/b.py, and so do what they import."""
    files = closure("tasks.close", OURS)

    assert {"tasks/__init__.py", "tasks/close.py", "mapfold/__init__.py", "mapfold/runs/__init__.py"} <= set(files)
