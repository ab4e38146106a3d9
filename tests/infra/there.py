"""The jobs of the stage that the tests of infra synthesize: those of the project and of its tests."""

from __future__ import annotations

from pathlib import Path

from mapfold.job import load_jobs

_HERE = Path(__file__).parent

JOB_FOLDERS = (
    _HERE.parents[1] / "jobs",
    _HERE.parent / "fixtures" / "jobs",
    _HERE.parent / "e2e" / "jobs",
    _HERE / "jobs",
)

JOBS = tuple(sorted({name for folder in JOB_FOLDERS for name in load_jobs(folder)}))
"""By their names, in the order in which a stage has them. Yours in jobs/ are among them, whatever their modules are called."""

BUNDLED = ("busiest-routes", "flight-delays", "object-catalog")
"""Those of the project that are always there."""
