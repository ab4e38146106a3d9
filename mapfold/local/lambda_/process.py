"""A worker's operating system process: started with Lambda's environment, watched, killed with all it started.

The process leads a group of its own, so that a kill takes along what the handler spawned, and a Ctrl-C at the terminal
reaches only the server. stdout and stderr share one pipe: a log keeps their order, as CloudWatch does.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import platform
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

_BOOTSTRAP = str(Path(__file__).with_name("_worker.py"))

_UNREAD = array.array("i", bytes(2048))
"""Where FIONREAD puts its int. Python lets the GIL go around an ioctl, but for an argument of more than 1 KiB: this call
never waits, and to win the GIL back from the store's thread costs more than it (0.35 µs in place of 0.7)."""

_INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "VIRTUAL_ENV")
"""What a worker takes over from the server's own environment; all else would make a laptop differ from Lambda."""


class WorkerProcess:
    """A started process. `on_exit(returncode)` is called once on the loop, when it has ended and is reaped."""

    def __init__(
        self, *, handler: str, folder: Path, environment: Mapping[str, str], on_exit: Callable[[int], None]
    ) -> None:
        """Start it. Raises OSError if that is impossible (no such folder, too many processes)."""
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self.output, write_end = os.pipe()
        try:
            # Popen, not asyncio's subprocess: uvloop's needs the main thread for some of its signals, and the
            # parent's death signal is bound to the thread that forks, which here is the one that runs the loop.
            self._process = subprocess.Popen(
                [sys.executable, _BOOTSTRAP, handler],
                cwd=folder,
                env={**environment, "_MAPFOLD_PARENT": str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                # Not a session: Linux's autogroup would give each session an equal share of the cores, and four
                # workers' would leave the server a fifth (measured: 4,500 invocations/s in place of 11,500).
                process_group=0,
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(write_end)
        os.set_blocking(self.output, False)
        self.pid = self._process.pid
        _schedule_as_batch(self.pid)
        self._pidfd = -1
        self._watch()

    def kill(self) -> None:
        """Kill the process and everything in its group; `on_exit` follows soon. Safe to repeat."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def has_output(self) -> bool:
        """Whether it has printed what nobody has read. Asked after every call, and most print nothing: the ioctl
        costs a sixth of a read that raises BlockingIOError."""
        fcntl.ioctl(self.output, termios.FIONREAD, _UNREAD)
        return _UNREAD[0] > 0

    def read_output(self, size: int) -> bytes | None:
        """What it has printed and nobody has read, up to `size` bytes; None if nothing; b"" if the pipe ended."""
        try:
            return os.read(self.output, size)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Give back the pipe; call it when the last output has been read."""
        os.close(self.output)

    def peak_memory_mb(self) -> int:
        """The most memory it has held at once, in MB; 0 where the system does not tell."""
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{self.pid}/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) // 1024
        return 0

    def _watch(self) -> None:
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self.pid)
                self._loop.add_reader(self._pidfd, self._ended)
                return
        threading.Thread(target=self._wait, name=f"worker-{self.pid}", daemon=True).start()

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.kill()  # what it left behind in its group; before the wait, while its number cannot be reused
        self._on_exit(self._process.wait())

    def _wait(self) -> None:
        returncode = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(self._on_exit, returncode)


def inherited_environment() -> dict[str, str]:
    """The part of the server's environment that workers share, and what makes them find the same packages."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if python_path := os.environ.get("PYTHONPATH"):
        # Absolute: a worker's working directory is its function's folder.
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in python_path.split(os.pathsep))
    return environment


def execution_environment() -> dict[str, str]:
    """`AWS_EXECUTION_ENV`, where it is free.

    From AWS_Lambda_python3.12 on, `awslambdaric` waits for each event in a new thread, which halves the
    invocations per second (measured: 8,200 to 4,000 with two workers). So it is set for Python 3.11 only.
    """
    version = ".".join(platform.python_version_tuple()[:2])
    return {"AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}"} if sys.version_info < (3, 12) else {}


def _schedule_as_batch(pid: int) -> None:
    """Let the worker wait until the server's thread pauses, where the system can do that (Linux).

    Every write to a worker wakes it, and the kernel would put it in the place of the server in the middle of the write.
    A batch process gets the same share of the processor, but takes it from nobody at the moment it wakes. Measured with
    two cores: 6,200 child executions/s in place of 5,200, 130 µs of the server's CPU each in place of 156.
    """
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError):  # it has ended already, or a sandbox forbids it
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
