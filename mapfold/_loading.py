"""Finding the jobs of a folder: one module a job, `flight_delays.py` for the job `flight-delays`.

Modules whose name starts with `_` are the jobs' own helpers and are not looked into. The folder's parent is put on
`sys.path`, so that a job can import them as `from jobs._shared import …`, on Lambda and here alike.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mapfold.errors import JobError, UsageError

if TYPE_CHECKING:
    from mapfold.job import Job


class LoadedJobs(dict[str, "Job"]):
    """The jobs of a folder by name, and one JobError for each module that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[JobError] = []


def load_jobs(folder: str | Path) -> LoadedJobs:
    """All jobs of `folder`, sorted by name. A broken module is in `.errors` and hides no other.

    UsageError if there is no such folder.
    """
    found = LoadedJobs()
    jobs: list[Job] = []
    for path in _modules(Path(folder)):
        try:
            jobs.append(_load(path))
        except JobError as error:
            found.errors.append(error)
    for job in sorted(jobs, key=lambda job: job.name):
        if job.name in found:
            at = f"{_shown(Path(job.file))}, job {job.name!r}"
            other = _shown(Path(found[job.name].file))
            found.errors.append(JobError(f"{other} has a job of this name too", at=at, fix="Rename one"))
            continue
        found[job.name] = job
    return found


def load_job(folder: str | Path, name: str) -> Job:
    """The job `name` of `folder`: only its own module is imported where it lies under its own name.

    JobError if its module is broken; UsageError that lists the jobs there are if none has this name.
    """
    own = Path(folder) / f"{name.replace('-', '_')}.py"
    if own.is_file():
        job = _load(own)
        if job.name == name:
            return job
    found = load_jobs(folder)
    if name in found:
        return found[name]
    known = f"There are: {', '.join(found)}." if found else "There is none."
    broken = "".join(f" Not loaded: {error}" for error in found.errors)
    raise UsageError(f"no job {name!r} in {folder}. {known}{broken}")


def _modules(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}. Jobs are modules in it: name it with --jobs.")
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _load(path: Path) -> Job:
    from mapfold.job import Job  # here, because `mapfold.job` re-exports this module's functions

    module = _import(path)
    jobs = {id(value): value for value in vars(module).values() if isinstance(value, Job)}
    if len(jobs) != 1:
        problem = "it declares no job" if not jobs else f"it declares {len(jobs)} jobs"
        fix = 'Write `job = Job("name", source=…)`, one in a module; a helper module\'s name starts with _'
        raise JobError(problem, at=_shown(path), fix=fix)
    job = next(iter(jobs.values()))
    job.check()
    return job


def _import(path: Path) -> ModuleType:
    """The module, executed anew under a name of its own: it takes the place of no installed package."""
    parent = str(path.resolve().parent.parent)
    if parent not in sys.path:
        sys.path.append(parent)
    name = f"mapfold_job_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise JobError("it is no Python module", at=_shown(path), fix="Give it a name that ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and annotations look their module up there
    try:
        spec.loader.exec_module(module)
    except JobError:
        raise
    except (Exception, SystemExit) as error:  # a module can raise anything; it must not hide the others
        at = f"{_shown(path)}{_line_of(error, path)}"
        raise JobError(
            f"it cannot be imported: {type(error).__name__}: {error}", at=at, fix="Mend the module"
        ) from error
    return module


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _shown(path: Path) -> str:
    return f"{path.resolve().parent.name}/{path.name}"
