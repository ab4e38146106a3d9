"""Loading the jobs of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mapfold.errors import JobError, UsageError
from mapfold.job import load_job, load_jobs

WHOLE = """
from mapfold import Job, Manifest

job = Job("{name}", source=Manifest())

@job.map
def one(item, context):
    return 1

@job.fold
def add(a, b):
    return a + b
"""


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder `jobs` with the given modules."""

    def make(**modules: str) -> Path:
        (tmp_path / "jobs").mkdir()
        for name, text in modules.items():
            (tmp_path / "jobs" / f"{name}.py").write_text(text)
        return tmp_path / "jobs"

    return make


class TestLoadJobs:
    def test_one_bad_module_hides_no_other(self, folder: Callable[..., Path]) -> None:
        """Each broken module is an error that names its file, and its line where there is one."""
        jobs = folder(
            good=WHOLE.format(name="good"),
            crash="x = 1\nx / 0\n",
            syntax="def\n",
            empty="",
            mapless='from mapfold import *\njob = Job("mapless", source=Manifest())\n',
            typo="from __future__ import annotations\n"
            + WHOLE.format(name="typo").replace("def one(item,", "def one(item: Nope,"),
            quits="import sys\nsys.exit(3)\n",
            _helper="raise RuntimeError",
        )

        loaded = load_jobs(jobs)

        assert list(loaded) == ["good"]
        told = "\n".join(str(error) for error in loaded.errors)
        assert "jobs/crash.py:2: it cannot be imported: ZeroDivisionError: division by zero" in told
        assert "jobs/syntax.py:1: it cannot be imported: SyntaxError" in told
        assert "jobs/empty.py: it declares no job" in told
        assert "jobs/mapless.py:2, job 'mapless': it has no @job.map" in told
        assert "an annotation of @job.map one cannot be read: name 'Nope' is not defined" in told
        assert "jobs/quits.py:2: it cannot be imported: SystemExit: 3" in told
        assert len(loaded.errors) == 6

    def test_two_jobs_of_one_name_are_told(self, folder: Callable[..., Path]) -> None:
        """The first by file keeps it."""
        loaded = load_jobs(folder(a=WHOLE.format(name="same"), b=WHOLE.format(name="same")))

        assert list(loaded) == ["same"]
        assert "jobs/b.py, job 'same': jobs/a.py has a job of this name too" in str(loaded.errors[0])

    def test_a_folder_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        """It is the command line that is wrong then."""
        with pytest.raises(UsageError, match="there is no folder"):
            load_jobs(tmp_path / "nothing")


class TestLoadJob:
    def test_only_its_own_module_is_imported(self, folder: Callable[..., Path]) -> None:
        """A cold Lambda pays for one job."""
        jobs = folder(one_two=WHOLE.format(name="one-two"), other="raise RuntimeError")

        assert load_job(jobs, "one-two").name == "one-two"

    def test_a_job_in_a_file_of_another_name_is_found(self, folder: Callable[..., Path]) -> None:
        """The file's name is a habit, not a rule."""
        assert load_job(folder(file=WHOLE.format(name="words")), "words").name == "words"

    def test_a_broken_module_says_what_is_broken(self, folder: Callable[..., Path]) -> None:
        """Not that there is no such job."""
        with pytest.raises(JobError, match=r"jobs/words\.py:1: it cannot be imported: ValueError: no"):
            load_job(folder(words="raise ValueError('no')"), "words")

    def test_an_unknown_name_lists_the_known_ones(self, folder: Callable[..., Path]) -> None:
        """And the modules that could not be looked into."""
        with pytest.raises(UsageError, match=r"no job 'b' in .*There are: a\. Not loaded: jobs/c\.py: it declares no"):
            load_job(folder(a=WHOLE.format(name="a"), c=""), "b")

    def test_a_job_can_import_its_neighbours(self, folder: Callable[..., Path]) -> None:
        """Helpers lie beside it, as `_name.py`."""
        text = "from jobs_beside._names import NAME\n" + WHOLE.format(name="x")
        jobs = folder(_names="NAME = 1", x=text)
        beside = jobs.rename(jobs.parent / "jobs_beside")

        assert load_job(beside, "x").name == "x"
