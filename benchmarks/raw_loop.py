"""The ceiling: how many invocations a second `awslambdaric` itself does against a minimal Runtime API.

    python -m benchmarks.raw_loop --invocations 20000 --workers 4

The server here answers each GET with the same event and each POST with 202, and keeps nothing: no queue, no
deadline, no log, no result. What any Lambda service can do on this machine is less; how much less is what the other
benchmarks report beside this number, measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import cast

import uvloop

HANDLER = "def handler(event, context):\n    return event\n"
WARM_UP = 500
"""Invocations a worker that come before the clock starts: imports, connections, warm caches."""

_EVENT = b'{"a":1}'
_NEXT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 1\r\n"
    b"Lambda-Runtime-Deadline-Ms: 99999999999999\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n"
    b"Content-Length: %d\r\n\r\n%b"
) % (len(_EVENT), _EVENT)
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'


def measure_raw_loop(invocations: int, workers: int) -> float:
    """Invocations a second of `workers` processes of awslambdaric, start-up and warm-up left out.

    Works from any thread, also under a running loop of another: it runs its own loop in a thread of its own.
    """
    answers: list[float] = []

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            answers.append(runner.run(_measure(invocations, workers)))

    thread = threading.Thread(target=run, name="raw-loop")
    thread.start()
    thread.join()
    if not answers:
        raise RuntimeError("the raw loop ended without an answer; its traceback is above")
    return answers[0]


class _Counter:
    """Counts answers; the clock runs from the end of the warm-up to the last one."""

    def __init__(self, invocations: int, workers: int) -> None:
        self.warm_up = WARM_UP * workers
        self.total = self.warm_up + invocations
        self.answered = 0
        self.began = 0.0
        self.finished: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def count(self) -> None:
        self.answered += 1
        if self.answered == self.warm_up:
            self.began = time.perf_counter()
        elif self.answered == self.total:
            self.finished.set_result(time.perf_counter() - self.began)


class _MinimalRuntimeApi(asyncio.Protocol):
    """Tells requests apart by their first byte; trusts that a small POST's body ends its packet."""

    def __init__(self, counter: _Counter) -> None:
        self._counter = counter
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        end = data.find(b"\r\n\r\n")
        if data[:1] == b"G":
            self._transport.write(_NEXT)
        elif end < 0 or len(data) < end + 4 + len(_EVENT):
            self._buffer = data
        else:
            self._buffer = b""
            self._counter.count()
            self._transport.write(_ACCEPTED)


async def _measure(invocations: int, workers: int) -> float:
    counter = _Counter(invocations, workers)
    server = await asyncio.get_running_loop().create_server(lambda: _MinimalRuntimeApi(counter), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.to_thread(Path(folder, "trivial.py").write_text, HANDLER)
        try:
            processes += [_start_worker(folder, port) for _ in range(workers)]
            while not counter.finished.done():
                await asyncio.wait([counter.finished], timeout=1)
                if any(process.poll() is not None for process in processes):
                    raise RuntimeError("a worker of the raw loop has exited; what it said is above")
            seconds = counter.finished.result()
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
            server.close()
    return invocations / seconds


def _start_worker(folder: str, port: int) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    }
    command = [sys.executable, "-m", "awslambdaric", "trivial.handler"]
    return subprocess.Popen(command, cwd=folder, env=environment)


def main() -> None:
    """Print the figure."""
    parser = argparse.ArgumentParser(description="Invocations a second of awslambdaric against a minimal Runtime API.")
    parser.add_argument("--invocations", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    options = parser.parse_args()
    rate = measure_raw_loop(options.invocations, options.workers)
    sys.stdout.write(f"{rate:,.0f} invocations/s with {options.workers} workers\n")


if __name__ == "__main__":
    main()
