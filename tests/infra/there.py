"""The jobs of the stage that the tests of infra synthesize: those of the project and of its tests."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

JOB_FOLDERS = (
    _HERE.parents[1] / "jobs",
    _HERE.parent / "fixtures" / "jobs",
    _HERE.parent / "e2e" / "jobs",
    _HERE / "jobs",
)

JOBS = tuple(
    sorted(
        path.stem.replace("_", "-")
        for folder in JOB_FOLDERS
        for path in folder.glob("*.py")
        if not path.name.startswith("_")
    )
)
"""By their names, in the order in which a stage has them."""
