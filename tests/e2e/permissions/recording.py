"""One recording for all tests that ask for it: made by whichever of pytest's workers is first."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.embedded import serving
from tests.e2e.permissions.calls import Recording
from tests.e2e.permissions.replay import Replay
from tests.e2e.permissions.scenes import play, recorded

RECORDER = Path(__file__).with_name("recorder") / "sitecustomize.py"


def replay_once(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """What was asked of IAM while every job ran, in every way that it can end, and every route of the API was called.

    It takes a minute, so one worker does it, and the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file = shared / "asked.json"
    with (shared / "asked.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(_record(tmp_path_factory).as_text())
    return Replay.from_text(file.read_text())


def _record(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Play it on an embedded AWS whose processes are recorded."""
    data, recorder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("recorder")
    shutil.copy(RECORDER, recorder)
    with serving(data, python_path=str(recorder)) as aws:
        stage = recorded(aws, Recording(recorder))
        play(stage)
    return Replay(tuple(stage.asked))
