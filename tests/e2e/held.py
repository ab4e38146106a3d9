"""A folder with the job `held`, which waits until a file is there, to be stopped, redriven or looked at meanwhile."""

from __future__ import annotations

from pathlib import Path

JOB = '''\
"""A job for tests: waits until it may end, and notes that it was called."""

import time
from pathlib import Path

from mapfold import Context, Job, Manifest

job = Job("held", source=Manifest())


@job.map
def one(item: dict[str, str], context: Context) -> int:
    folder = Path(context.params["folder"])
    (folder / "called").touch()
    while not (folder / "open").exists():
        time.sleep(0.02)  # this is the job's own work, and a file is no event to wait for
    return sum(int(row["n"]) for row in context.storage.rows(item))


@job.fold
def add(one: int, other: int) -> int:
    return one + other


@job.example
def three_objects(context: Context) -> str:
    for n in (1, 2, 3):
        context.storage.put(f"s3://mapfold-data/held/{n}.csv", f"n\\n{n}\\n")
    lines = "".join(f"mapfold-data,held/{n}.csv\\n" for n in (1, 2, 3))
    return context.storage.put("s3://mapfold-data/manifests/held.csv", lines)
'''


def write_held(folder: Path) -> Path:
    """The job, in a folder of jobs made in `folder`."""
    jobs = folder / "jobs"
    jobs.mkdir()
    (jobs / "held.py").write_text(JOB)
    return jobs
