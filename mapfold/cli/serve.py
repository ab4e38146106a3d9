"""`mapfold local`: the embedded AWS in the foreground. Imports it only here, for it is an extra."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from mapfold.errors import UsageError

USUAL_JOBS = Path("jobs")
"""It may be missing: nothing is deployed then."""


def serve_local(
    *, port: int, aws_port: int, data: Path, jobs_folder: Path | None, console: bool, until_eof: bool
) -> int:
    """Serve until a signal comes or, with `until_eof`, whoever started us is gone. 130 after Ctrl-C.

    The jobs of `jobs_folder`, where there is such a folder, are deployed once it answers.
    """
    if jobs_folder is not None and jobs_folder != USUAL_JOBS and not jobs_folder.is_dir():
        raise UsageError(f"there is no folder {jobs_folder}. Name the folder of jobs with --jobs, or add --no-deploy.")
    try:
        from mapfold.local.server import serve
    except ImportError as error:
        raise UsageError(
            f"the embedded AWS cannot be loaded: {error}. Install it with: pip install 'mapfold[local]'"
        ) from error
    if until_eof:
        threading.Thread(target=_stop_at_eof, name="until-eof", daemon=True).start()
    return serve(
        port=port,
        aws_port=aws_port,
        data=data,
        console=console,
        companion=_deploying(jobs_folder) if jobs_folder is not None and jobs_folder.is_dir() else None,
    )


def _deploying(jobs_folder: Path) -> list[str]:
    """A process of its own: what a job's module does when it is imported stays out of the server."""
    return [sys.executable, "-m", "mapfold", "deploy", "--jobs", str(jobs_folder)]


def _stop_at_eof() -> None:
    """Our stdin is the other end of a pipe: it ends when the command that started us ends, however it does."""
    while os.read(sys.stdin.fileno(), 4096):  # unbuffered: a buffer's lock, held by this thread, breaks Python's exit
        pass
    os.kill(os.getpid(), signal.SIGTERM)
