"""Find the embedded AWS that serves a data directory, or run one of our own for as long as a command takes.

A server that runs says where in `<data>/local.json`, and answers GET /health. Where none does, `EmbeddedAws` starts
`mapfold local` as a process in a session of its own, so that Ctrl-C reaches the command first, which stops the run
and then the server. Commands that come meanwhile use the same server: each holds a shared lock on `<data>/local.users`,
and whoever started the server stops it when the others have let go.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from mapfold.errors import ServiceError

START_SECONDS = 60.0
"""How long it may be silent before it is ready: bringing back what S3 was asked to keep may take minutes, and says so."""

STOP_SECONDS = 30.0
"""What is queued for the disk is written, on a slow one too."""
_OF_KEPT_DATA = "kept data: "
"""So begin the lines that tell how far it is with bringing that back, and what of it did not come back."""

_LOOK_SECONDS = 0.02
_LAST_WORDS_SECONDS = 5.0
_TAIL_LINES = 15
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an embedded AWS answers: Step Functions and Lambda, and the other services."""

    service_url: str
    aws_url: str
    region: str | None = None


def find_running(data: Path) -> Endpoints | None:
    """The embedded AWS that serves `data` now, if its file says where and it is in health."""
    try:
        facts = json.loads((data / "local.json").read_text())
        port, aws_port, pid = int(facts["port"]), int(facts["aws_port"]), int(facts["pid"])
        region = facts.get("region")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not _is_healthy(port, pid):
        return None
    return Endpoints(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{aws_port}", region)


def server_command(data: Path) -> list[str]:
    """The command that serves `data` on free ports until its stdin is closed."""
    ports = ["--port", "0", "--aws-port", "0"]
    return [sys.executable, "-m", "mapfold", "local", *ports, "--no-console", "--data", str(data), "--until-eof"]


@contextmanager
def embedded_aws(
    data: Path,
    *,
    environment: Mapping[str, str],
    note: Callable[[str], None],
    command: Callable[[Path], Sequence[str]] = server_command,
) -> Iterator[tuple[Endpoints, bool]]:
    """The embedded AWS of `data`, and whether it is our own; one that we started is stopped in the end.

    Raises `ServiceError`, with the end of the server's log, if it cannot be started.
    """
    with _usable(data):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened(data / "local.users", "a") as users:
        with _locked(data / "local.starting"):
            _flock(users, shared=True)  # waits while a server that is being stopped is still there
            running = find_running(data)
            own = EmbeddedAws(data, environment=environment, command=command(data), note=note)
            endpoints = running or own.start()
        if running:
            yield endpoints, False
            return
        with _second_interrupt_kills(own), own.stopped_in_the_end():
            try:
                yield endpoints, True
            except Exception:  # ours has failed: that is no reason to take the server away from the others
                _wait_for_others(users, note)
                raise
            _wait_for_others(users, note)


class EmbeddedAws:
    """A server process of our own. Its words go to `<data>/local.log`; what of them is about kept data, to `note` too."""

    def __init__(
        self, data: Path, *, environment: Mapping[str, str], command: Sequence[str], note: Callable[[str], None]
    ) -> None:
        self._data, self._environment, self._command, self._note = data, environment, command, note
        self._log = data / "local.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Endpoints:
        """Start it and wait until it is ready, unless it is silent for too long."""
        with _opened(self._log, "wb") as log:
            # Its stdin is a pipe that nobody writes to: if we are killed, it reads the end and stops.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self._environment, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        try:
            return self._ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """SIGTERM, a bounded wait, then SIGKILL to all of its session; at once if the wait is interrupted."""
        process = self._process
        if process is None:
            return
        try:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        finally:
            self.kill()
            if process.stdin:
                process.stdin.close()

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self._process is None or self._process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def stopped_in_the_end(self) -> Iterator[None]:
        """Stop it when the block is left, however it is left."""
        try:
            yield
        except ServiceError as error:
            if self._has_ended(error):
                raise self._died(f"the embedded AWS ended while it was in use ({error})") from error
            raise
        finally:
            self.stop()

    def _has_ended(self, error: ServiceError) -> bool:
        """Whether the server has ended. One that does not answer may be about to, and its last words say why."""
        from mapfold.client.errors import Unreachable

        if self._process is None:
            return False
        if isinstance(error, Unreachable):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS_SECONDS)
        return self._process.poll() is not None

    def _ready(self, process: subprocess.Popen[bytes]) -> Endpoints:
        heard = 0
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            said = self._log.read_text(errors="replace").split("\n")[:-1]  # the last line is not whole yet
            if any(line.startswith("ready http") for line in said):
                endpoints = find_running(self._data)
                if endpoints is not None:
                    return endpoints
            elif len(said) > heard:
                for line in said[heard:]:
                    if line.startswith(_OF_KEPT_DATA):
                        self._note(line)
                heard = len(said)
                deadline = time.monotonic() + START_SECONDS
            if process.poll() is not None:
                raise self._died("the embedded AWS did not start")
            time.sleep(_LOOK_SECONDS)  # a file is no event to wait for; bounded by the deadline
        raise self._died(f"the embedded AWS was not ready, and silent for {START_SECONDS:.0f} s")

    def _died(self, what: str) -> ServiceError:
        tail = "".join(f"\n  {line}" for line in self._log_lines()[-_TAIL_LINES:])
        return ServiceError(f"{what}. The end of {self._log}:{tail or ' it is empty'}")

    def _log_lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()


def _is_healthy(port: int, pid: int) -> bool:
    """Whether the process `pid` answers there: after a crash the port may have gone to another server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == 200 and json.loads(answer.read()).get("pid", pid) == pid
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _second_interrupt_kills(server: EmbeddedAws) -> Iterator[None]:
    """The first Ctrl-C is a KeyboardInterrupt, after which things are put in order; the second ends all at once.

    SIGTERM and SIGHUP count too: whoever ends us does not want our server to stay.
    """
    interrupts = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts == 1:
            raise KeyboardInterrupt
        server.kill()
        os._exit(_INTERRUPTED)

    signals = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if _is_heard(number)]
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_heard(number: signal.Signals) -> bool:
    """Whether the signal means something here: a shell starts background jobs with Ctrl-C ignored."""
    return signal.getsignal(number) not in (signal.SIG_IGN, None)


def _wait_for_others(users: IO[str], note: Callable[[str], None]) -> None:
    """Other commands that use our server end first."""
    if _flock(users, shared=False, wait=False):
        return
    note("other commands use the embedded AWS that this one started; waiting for them (Ctrl-C stops it at once)")
    _flock(users, shared=False)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _opened(path, "a") as file:
        _flock(file, shared=False)
        yield


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[IO[Any]]:
    with ExitStack() as files:
        with _usable(path.parent):
            file = files.enter_context(open(path, mode))
        yield file


@contextmanager
def _usable(data: Path) -> Iterator[None]:
    """A file that the system does not let us open is a ServiceError that names it."""
    try:
        yield
    except OSError as error:
        raise ServiceError(
            f"{data}: cannot be used as a data directory: {error.filename}: {error.strerror}. "
            "Mend that, or choose another --data."
        ) from error


def _flock(file: IO[Any], *, shared: bool, wait: bool = True) -> bool:
    """Lock a file until it is closed; False if others have it and `wait` is."""
    import fcntl  # not on Windows, where the embedded AWS does not run

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
