"""Finding the embedded AWS, or running one: with a stand-in for the server that answers /health alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mapfold.cli.embedded import Endpoints, embedded_aws, find_running
from mapfold.errors import ServiceError

SERVER = """
import http.server, json, os, pathlib, signal, sys
data = pathlib.Path(sys.argv[1])
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"pid": os.getpid()}).encode())
    def log_message(self, *arguments): pass
def stop(*arguments):
    (data / "local.json").unlink()
    (data / "stopped").touch()
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
server = http.server.HTTPServer(("127.0.0.1", 0), Health)
(data / "local.json").write_text(json.dumps({"port": server.server_port, "aws_port": 2, "pid": os.getpid()}))
print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""

HOLDER = """
import fcntl, os, sys, time
with open(sys.argv[1]) as users:
    fcntl.flock(users, fcntl.LOCK_SH)
    print("holding", flush=True)
    time.sleep(0.3)
    print("the server is gone" if os.path.exists(sys.argv[2]) else "the server is still there", flush=True)
"""

Opened = Callable[[Path], Sequence[str]]


def server(data: Path) -> list[str]:
    return [sys.executable, "-c", SERVER, str(data)]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that somebody else started."""
    with subprocess.Popen(server(tmp_path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def open_one(data: Path, command: Opened = server) -> AbstractContextManager[tuple[Endpoints, bool]]:
    return embedded_aws(data, environment=dict(os.environ), note=lambda text: None, command=command)


def test_a_server_that_runs_is_used_and_left_running(tmp_path: Path, running: subprocess.Popen[str]) -> None:
    """It is not ours to stop."""
    with open_one(tmp_path) as (endpoints, is_own):
        assert not is_own
        assert endpoints.aws_url == "http://127.0.0.1:2"

    assert running.poll() is None


def test_where_none_runs_one_is_started_and_stopped_after(tmp_path: Path) -> None:
    """By SIGTERM, so that it can put its things in order."""
    with open_one(tmp_path) as (_, is_own):
        assert is_own
        assert find_running(tmp_path) is not None

    assert (tmp_path / "stopped").exists()
    assert find_running(tmp_path) is None


def test_ours_is_stopped_also_when_the_command_fails(tmp_path: Path) -> None:
    """Ctrl-C is such a failure."""
    with pytest.raises(KeyboardInterrupt), open_one(tmp_path):
        raise KeyboardInterrupt

    assert (tmp_path / "stopped").exists()


def test_a_command_that_fails_waits_for_those_that_use_its_server(tmp_path: Path) -> None:
    """Otherwise the failure of one run would be the failure of another that has nothing to do with it."""
    holder = [sys.executable, "-c", HOLDER, str(tmp_path / "local.users"), str(tmp_path / "stopped")]

    def fail_while_another_uses_it() -> subprocess.Popen[str]:
        with open_one(tmp_path):
            other = subprocess.Popen(holder, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
            started.append(other)
            assert other.stdout is not None
            other.stdout.readline()
            raise ServiceError("refused")

    started: list[subprocess.Popen[str]] = []
    with pytest.raises(ServiceError, match="refused"):
        fail_while_another_uses_it()

    assert started[0].communicate()[0] == "the server is still there\n"


def test_sigterm_stops_ours_too(tmp_path: Path) -> None:
    """It is heard as Ctrl-C is, once; the handlers from before are there again."""
    before = signal.getsignal(signal.SIGTERM)

    def be_told_to_end() -> None:
        with open_one(tmp_path):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()

    with pytest.raises(KeyboardInterrupt):
        be_told_to_end()

    assert (tmp_path / "stopped").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The file is named too."""
    with (
        pytest.raises(ServiceError, match=r"did not start.*local\.log:\n  port 8083 is taken"),
        open_one(tmp_path, lambda data: [sys.executable, "-c", "print('port 8083 is taken')"]),
    ):
        pass


def test_what_it_says_of_kept_data_is_heard_and_keeps_it_from_being_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take minutes to bring that back: as long as it says something it is waited for."""
    monkeypatch.setattr("mapfold.cli.embedded.START_SECONDS", 2.0)
    slow = "import time\nfor n in range(5):\n time.sleep(0.5); print('kept data:', n, flush=True)\nprint('so far')\n"
    said: list[str] = []

    with embedded_aws(
        tmp_path,
        environment=dict(os.environ),
        note=said.append,
        command=lambda data: [sys.executable, "-c", slow + SERVER, str(data)],
    ) as (_, own):
        pass

    assert own
    assert said == [f"kept data: {n}" for n in range(5)]


def test_a_server_that_dies_in_use_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    """Rather than only that nothing answers."""

    def use_it_when_it_has_died() -> None:
        with open_one(tmp_path):
            pid = json.loads((tmp_path / "local.json").read_text())["pid"]
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            raise ServiceError("no answer")

    with pytest.raises(ServiceError, match=r"ended while it was in use \(no answer\)"):
        use_it_when_it_has_died()


def test_a_file_of_a_server_that_has_crashed_is_not_believed(tmp_path: Path) -> None:
    """Its port may be another's by now: the process that answers must be the one that wrote the file."""
    (tmp_path / "local.json").write_text(json.dumps({"port": 9, "aws_port": 2, "pid": 1}))

    assert find_running(tmp_path) is None


def test_a_server_of_another_process_on_the_same_port_is_not_ours(
    tmp_path: Path, running: subprocess.Popen[str]
) -> None:
    """Health tells the process."""
    facts = json.loads((tmp_path / "local.json").read_text())
    (tmp_path / "local.json").write_text(json.dumps(facts | {"pid": 1}))

    assert find_running(tmp_path) is None


def test_a_data_directory_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    """With what the system said: it is no fault of Mapfold's."""
    (tmp_path / "file").touch()

    with (
        pytest.raises(ServiceError, match=r"file/data: cannot be used as a data directory: .*: Not a directory"),
        embedded_aws(tmp_path / "file" / "data", environment={}, note=lambda text: None),
    ):
        pass
