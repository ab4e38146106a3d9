"""A run is stopped by Ctrl-C and goes on by `mapfold redrive`, each on an embedded AWS of its own command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.embedded import ROOT, mapfold, outside_environment, serving
from tests.e2e.held import write_held

pytestmark = pytest.mark.timeout(120)


def test_a_run_that_ctrl_c_stopped_goes_on(tmp_path: Path) -> None:
    """
    Its record is closed by the stop and opened by the redrive; what the embedded AWS does not keep (the example's
    objects) is there again. A second redrive is refused: it has succeeded.
    """
    write_held(tmp_path)
    own = ["--data", str(tmp_path / "data"), "--jobs", str(tmp_path / "jobs")]
    code, said = interrupted("run", "held", "--name", "one", "--param", f"folder={tmp_path}", *own, when=tmp_path)
    (tmp_path / "open").touch()

    redriven = mapfold("redrive", "one", "--json", *own)
    again = mapfold("redrive", "one", *own)
    shown = mapfold("show", "one", "--json", "--data", str(tmp_path / "data"))

    assert (code, "redrive one --data" in said) == (130, True), said
    document = json.loads(redriven.stdout)
    assert (redriven.code, document["status"], document["result"]) == (0, "SUCCEEDED", 6), redriven.stderr
    assert again.code == 2
    assert "run one cannot be redriven: it succeeded" in again.stderr
    assert json.loads(shown.stdout)["redrive_count"] == 1
    assert record(tmp_path / "data") == {"status": {"S": "SUCCEEDED"}, "error": None}


def interrupted(*arguments: str, when: Path) -> tuple[int, str]:
    """Start a command, press Ctrl-C once the job was called; its exit code and what it said on stderr."""
    with subprocess.Popen(
        [sys.executable, "-m", "mapfold", *arguments],
        cwd=ROOT,
        env=outside_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not (when / "called").exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)  # a file is no event to wait for
            os.kill(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, said


def record(data: Path) -> dict[str, object]:
    """The status and error of the run's record."""
    with serving(data) as aws:
        item = aws.dynamodb.get_item(TableName="mapfold-runs", Key={"run_id": {"S": "one"}})["Item"]
    return {"status": item["status"], "error": item.get("error")}
