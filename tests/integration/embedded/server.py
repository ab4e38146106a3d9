"""`mapfold local` as a process that a test may kill, with functions and machines to run on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.embedded import ROOT, EmbeddedAws, outside_environment, ready

ROLE = "arn:aws:iam::123456789012:role/any"


@dataclass(frozen=True)
class Session:
    """One time of `mapfold local` being up."""

    aws: EmbeddedAws
    process: subprocess.Popen[str]

    def descendants(self) -> list[int]:
        """Process ids of moto, of workers, and of theirs."""
        return descendants(self.process.pid)

    def end(self, number: int) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


def descendants(pid: int) -> list[int]:
    """Process ids of a process's children, of theirs, and so on."""
    found, look = [], [pid]
    while look:
        children = [int(child) for task in _tasks(look.pop()) for child in _read(task / "children").split()]
        found += children
        look += children
    return found


@contextmanager
def session(data: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Session]:
    """`mapfold local` over the folder `data`. It ends with the block, if the block did not end it."""
    data.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "mapfold", "local", "--no-console", "--no-deploy", "--data", str(data)]
    ports = ["--port", "0", "--aws-port", "0"]
    with (
        (data / "stderr.txt").open("w") as stderr,
        subprocess.Popen(
            [*command, *ports],
            cwd=ROOT,
            env={**outside_environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield Session(ready(process.stdout, data), process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise


def create_function(aws: EmbeddedAws, code: Path, name: str) -> str:
    """A function whose handler is `index.<name>` of the folder `code`; its ARN."""
    return aws.functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler=f"index.{name}",
        Code={"S3Bucket": "mapfold-local", "S3Key": str(code)},
        Timeout=60,
    )["FunctionArn"]


def write_code(folder: Path) -> Path:
    """A folder with functions: `hold` waits until the file that its event names is there, `echo` does not."""
    folder.mkdir(exist_ok=True)
    (folder / "index.py").write_text(
        "import os, time\n"
        "def hold(event, context):\n"
        "    while not os.path.exists(event['gate']):\n"
        "        time.sleep(0.02)\n"
        "    if event.get('fail'):\n"
        "        raise ValueError('asked to')\n"
        "    return event['n']\n"
        "def echo(event, context):\n"
        "    return event\n"
    )
    return folder


def until(true: Callable[[], Any], *, within_seconds: float = 20.0) -> Any:
    """What `true` gives once it is true. Nothing tells a client of AWS when that is: it asks again."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")


def are_gone(pids: list[int]) -> bool:
    """Whether none of these processes runs."""
    return not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
