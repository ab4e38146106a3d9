"""Write every job's definition to `workflows/JOB.asl.json`: `python -m workflows [--check] [--jobs DIR]`.

With --check nothing is written: it ends with 1 and names the files that are stale, missing, or of no job. A job that
cannot be loaded, or whose definition is invalid, ends it with 2, and nothing is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mapfold.errors import JobError, MapfoldError
from mapfold.job import load_jobs
from workflows.building import checked_definition
from workflows.rendering import render

FOLDER = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(prog="python -m workflows", description="Write workflows/JOB.asl.json.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file is stale")
    parser.add_argument("--jobs", default="jobs", metavar="DIR", help="the folder of the jobs")
    parser.add_argument("--out", default=FOLDER, type=Path, metavar="DIR", help="where the files lie")
    options = parser.parse_args(arguments)
    try:
        files, mistakes = rendered(options.jobs, options.out)
    except MapfoldError as error:
        _say(str(error))
        return error.exit_code
    for mistake in mistakes:
        _say(mistake)
    if mistakes:
        return JobError.exit_code
    stale = stale_files(files, options.out)
    if options.check:
        for path in stale:
            _say(f"{path} is stale. Run `make definitions`.")
        return 1 if stale else 0
    for path in stale:
        _write(path, files.get(path))
    return 0


def rendered(jobs: str | Path, folder: Path) -> tuple[dict[Path, str], list[str]]:
    """What each file is to hold; and what is wrong with jobs and their definitions, each thing once."""
    loaded = load_jobs(jobs)
    files: dict[Path, str] = {}
    mistakes = [str(error) for error in loaded.errors]
    for name, job in loaded.items():
        try:
            files[folder / f"{name}.asl.json"] = render(checked_definition(job))
        except JobError as error:
            mistakes.append(str(error))
    return files, list(dict.fromkeys(mistakes))


def stale_files(files: dict[Path, str], folder: Path) -> list[Path]:
    """Files that are missing, hold something else, or belong to no job any more."""
    wrong = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    return wrong + sorted(path for path in folder.glob("*.asl.json") if path not in files)


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        _say(f"removed {path}")
        return
    path.write_text(text)
    _say(f"wrote {path}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
