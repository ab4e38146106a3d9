"""moto's server, as a process of its own: S3, DynamoDB and every service but Step Functions and Lambda.

It listens on loopback only, writes its log to `<data>/moto.log`, and ends with us, even when we are killed
(`_moto_process.py`). What it is asked to change is kept in `<data>/aws/` and there again the next time
(`aws_journal/`).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mapfold.errors import ServiceError

HOST = "127.0.0.1"
READY_SECONDS = 60.0
"""How long it may take to answer, or to say how far it is with bringing back what was kept."""

_UNREADABLE = "unreadable: "
_PROFILES = frozenset({"AWS_PROFILE", "AWS_DEFAULT_PROFILE"})
_SCRIPT = Path(__file__).with_name("_moto_process.py")


class MotoServer:
    """A moto that answers. `ended` returns when its process does, which before `open_moto` closes it is a fault."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.port, self.log = port, log
        self.endpoint = f"http://{HOST}:{port}"
        self._process = process

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait for the process's end; its exit code."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """End it. Not by SIGTERM, on which it takes half a second to tidy up: what is to be kept is on disk already."""
        self.kill()
        await self._process.wait()


@asynccontextmanager
async def open_moto(
    *, port: int, data: Path, report: Callable[[str], None] = lambda line: None
) -> AsyncIterator[MotoServer]:
    """moto on `port` (0: any free one), ready to answer, with what was kept in `data`. ServiceError if it cannot be had.

    `report` gets a line for people now and then while bringing back what was kept takes long.
    """
    log = data / "moto.log"
    reports, writing = socket.socketpair()
    try:
        # Bound here and handed over: a port that were free, and let go, might be another's before moto is ready.
        with log.open("wb") as output, listen(port, option="--aws-port") as bound:
            port = bound.getsockname()[1]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(_SCRIPT), str(os.getpid()), str(bound.fileno()), str(data / "aws")),
                str(writing.fileno()),
                pass_fds=(writing.fileno(), bound.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # It makes boto3 sessions of its own, for which a profile that is not there is an error.
                env={name: value for name, value in os.environ.items() if name not in _PROFILES},
                start_new_session=True,  # a Ctrl-C in the terminal reaches us alone: we still read while we stop
            )
    except OSError as error:
        reports.close()
        raise ServiceError(
            f"moto, which serves S3, DynamoDB and the rest, cannot be started: {error.filename or log}: {error.strerror}"
        ) from error
    except BaseException:
        reports.close()
        raise
    finally:
        writing.close()
    server = MotoServer(process, port, log)
    try:
        async with lines_of(reports) as lines:
            await _until_ready(server, lines, report)
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def lines_of(reports: socket.socket) -> AsyncIterator[asyncio.StreamReader]:
    """The lines that come through the socket, which is closed in the end.

    Not a pipe: uvloop closes the file of one twice, and between the two its number may have gone to another, such as a
    database that a thread is just opening.
    """
    reports.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=reports)
    try:
        yield reader
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def listen(port: int, *, option: str) -> socket.socket:
    """A socket on loopback, bound to `port` (0: any free one). ServiceError names the option that would help."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise ServiceError(
            f"port {port} on {HOST} cannot be had: {error.strerror}. Is another mapfold local running? "
            f"Stop what uses it, or choose another {option}."
        ) from error
    return bound


async def _until_ready(server: MotoServer, lines: asyncio.StreamReader, report: Callable[[str], None]) -> None:
    """Return when moto answers. Its process ending, or nothing of it for READY_SECONDS, is a ServiceError that says why.

    The lines end when all that was kept is there again, or the process has ended.
    """
    last = ""
    try:
        async with asyncio.timeout(READY_SECONDS) as limit:
            while line := await lines.readline():
                last = line.decode(errors="replace").strip()
                limit.reschedule(asyncio.get_running_loop().time() + READY_SECONDS)
                if not last.startswith(_UNREADABLE):
                    report(last)
            limit.reschedule(asyncio.get_running_loop().time() + READY_SECONDS)
            while not await _answers(server.port):
                if server.code is not None:
                    raise ServiceError(_why_it_ended(server, last))
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ServiceError(f"moto did not answer in {READY_SECONDS:.0f} s:\n{_log_end(server.log)}") from None


def _why_it_ended(server: MotoServer, last: str) -> str:
    if last.startswith(_UNREADABLE):
        return last.removeprefix(_UNREADABLE)
    return f"moto ended with exit code {server.code}:\n{_log_end(server.log)}"


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /moto-api/ HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _log_end(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip()
