"""moto's server, as a process of its own: S3, DynamoDB and every service but Step Functions and Lambda.

It listens on loopback only, writes its log to `<data>/moto.log`, and ends with us, even when we are killed
(`_moto_process.py`). It keeps nothing on disk; `runs_keeper.py` does that for the runs.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mapfold.errors import ServiceError

HOST = "127.0.0.1"
READY_SECONDS = 60.0
_PROFILES = frozenset({"AWS_PROFILE", "AWS_DEFAULT_PROFILE"})
_SCRIPT = Path(__file__).with_name("_moto_process.py")


class MotoServer:
    """A moto that answers. `ended` returns when its process does, which before `open_moto` closes it is a fault."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.port, self.log = port, log
        self.endpoint = f"http://{HOST}:{port}"
        self._process = process

    async def ended(self) -> int:
        """Wait for the process's end; its exit code."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self) -> None:
        """End it. Not by SIGTERM, on which it takes half a second to tidy up what is in memory only."""
        self.kill()
        await self._process.wait()


@asynccontextmanager
async def open_moto(*, port: int, data: Path) -> AsyncIterator[MotoServer]:
    """moto on `port` (0: any free one), ready to answer. ServiceError if it cannot be had."""
    port = _free_port(port)
    log = data / "moto.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(_SCRIPT), str(os.getpid()), HOST, str(port)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # It makes boto3 sessions of its own, for which a profile that is not there is an error.
            env={name: value for name, value in os.environ.items() if name not in _PROFILES},
            start_new_session=True,  # a Ctrl-C in the terminal reaches us alone: we still read from it while we stop
        )
    server = MotoServer(process, port, log)
    try:
        await _until_ready(server)
        yield server
    finally:
        await server.stop()


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


def _free_port(port: int) -> int:
    with listen(port, option="--aws-port") as bound:
        chosen: int = bound.getsockname()[1]
        return chosen


async def _until_ready(server: MotoServer) -> None:
    """Return when moto answers. Its process ending, or READY_SECONDS passing, is a ServiceError with the log's end."""
    try:
        async with asyncio.timeout(READY_SECONDS), asyncio.TaskGroup() as waits:
            end = waits.create_task(server.ended(), name="moto-end")
            while not await _answers(server.port):
                if end.done():
                    raise ServiceError(f"moto ended with exit code {end.result()}:\n{_log_end(server.log)}")
                await asyncio.sleep(0.05)
            end.cancel()
    except TimeoutError:
        raise ServiceError(f"moto did not answer in {READY_SECONDS:.0f} s:\n{_log_end(server.log)}") from None
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


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
