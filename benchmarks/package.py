"""What a function weighs, and how long a cold start imports it: `python -m benchmarks.package`.

Each function's package is made as for a deployment, and zipped. Its import is timed in a fresh process that finds the
package's files uncompiled, as Lambda does, whose /var/task cannot be written to; the job's module is imported too, as
the first invocation does. Milliseconds are those of CPU, so that what else the machine does is not measured. Two figures:
the whole, and our share, for which boto3, Powertools and all else that Lambda's runtime and the layer bring were imported
before the clock started. The goals are for our share: what the others cost is the same for any function that uses them,
and is shown beside it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import given_up_after, keep, progress
from infra.package import ROOT, WITHOUT_JOB, Packages
from infra.requirements import Requirements
from mapfold.job import Job, load_job

GOAL_BYTES = 5_000_000
GOAL_MILLISECONDS = 400
ROUNDS = 7
LIMIT_SECONDS = 300
JOB = "flight-delays"
OF_A_JOB = ("plan", "work", "isolate", "fold", "finish", "close")
SHARED = ("api", "start", "watch")

_IMPORT = """
import importlib, json, sys, time
package, checkout, before, modules = json.loads(sys.argv[1])
sys.path = [package, *(path for path in sys.path if path != checkout)]
for module in before:
    importlib.import_module(module)
known = set(sys.modules)
started = time.process_time()
for module in modules:
    importlib.import_module(module)
seconds = time.process_time() - started
brought = [
    name for name in sys.modules if name not in known
    and "site-packages" in (getattr(sys.modules[name], "__file__", None) or "")
]
print(json.dumps([seconds, brought]))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One function: bytes of its zip, milliseconds of CPU of its import, whole and ours."""

    handler: str
    zipped: int
    whole: float
    own: float


def main() -> int:
    """Measure all functions, print and keep the numbers; 1 if one is over a goal."""
    with given_up_after(LIMIT_SECONDS), tempfile.TemporaryDirectory() as folder:
        measured = list(measure(Path(folder)))
    numbers: dict[str, float | int] = {}
    for each in measured:
        numbers[f"{each.handler}_zip_bytes"] = each.zipped
        numbers[f"{each.handler}_import_ms"] = each.own
        numbers[f"{each.handler}_import_ms_whole"] = each.whole
    numbers["largest_zip_of_5_MB"] = max(each.zipped for each in measured) / GOAL_BYTES
    numbers["slowest_import_of_400_ms"] = max(each.own for each in measured) / GOAL_MILLISECONDS
    keep("package", numbers)
    over = [each.handler for each in measured if each.zipped > GOAL_BYTES or each.own > GOAL_MILLISECONDS]
    if over:
        print(f"over a goal: {', '.join(over)}", file=sys.stderr)
    return int(bool(over))


def measure(build: Path) -> Iterator[Measured]:
    """The functions of the main job, then those that all jobs share."""
    jobs = ROOT / "jobs"
    job = load_job(jobs, JOB)
    packages = Packages(jobs, Requirements(build), build=build)
    for handler in OF_A_JOB:
        progress(handler)
        modules = [f"tasks.{handler}", *(() if handler in WITHOUT_JOB else (_module(job, packages),))]
        yield _measured(handler, packages.of_job(job, handler), modules)
    for handler in SHARED:
        progress(handler)
        yield _measured(handler, packages.of_shared(handler), [f"tasks.{handler}"])


def _module(job: Job, packages: Packages) -> str:
    return f"{packages.jobs_name}.{Path(job.file).stem}"


def _measured(handler: str, package: Path, modules: list[str]) -> Measured:
    _, others = timed_import(package, [], modules)
    whole = statistics.median(timed_import(package, [], modules)[0] for _ in range(ROUNDS))
    own = statistics.median(timed_import(package, others, modules)[0] for _ in range(ROUNDS))
    return Measured(handler, zipped_size(package), whole * 1000, own * 1000)


def timed_import(package: Path, before: list[str], modules: list[str]) -> tuple[float, list[str]]:
    """The seconds of CPU in which a fresh process imports `modules`, and what of site-packages that brought with it.

    `before` was imported already. The checkout, which the editable install finds, is not looked into: what a package
    lacks fails here.
    """
    ended = subprocess.run(
        [sys.executable, "-P", "-B", "-c", _IMPORT, json.dumps([str(package), str(ROOT), before, modules])],
        check=True,
        capture_output=True,
        text=True,
        cwd=package,
        env={"POWERTOOLS_TRACE_DISABLED": "true"},
    )
    seconds, brought = json.loads(ended.stdout)
    return seconds, brought


def zipped_size(package: Path) -> int:
    """The bytes of the package as a zip file."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(package.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(package))
        return file.seek(0, 2)


if __name__ == "__main__":
    sys.exit(main())
