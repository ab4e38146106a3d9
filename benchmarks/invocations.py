"""Invocations a second through `LambdaService.invoke`, beside the raw loop in the same run.

    python -m benchmarks.invocations --invocations 20000

The handler returns its event. Callers are as many as a busy Distributed Map has children waiting. The two loops are
measured in turn, several times, and the medians compared: a machine's speed drifts more than the loops differ.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.raw_loop import HANDLER, WARM_UP, measure_raw_loop
from mapfold.local.lambda_ import LambdaService
from mapfold.local.lambda_.fleet import default_max_workers
from mapfold.local.lambda_.requests import Settings


def measure_invocations(invocations: int, workers: int, *, callers: int = 200) -> float:
    """Invocations a second of a trivial handler, start-up and warm-up left out."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(invocations, workers, callers))


async def _measure(invocations: int, workers: int, callers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.to_thread(Path(folder, "trivial.py").write_text, HANDLER)
        async with LambdaService(data=Path(folder) / "data", max_workers=workers) as service:
            settings = Settings.of_new(
                {"FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/f", "Runtime": "python3.11"}
                | {"Handler": "trivial.handler", "Timeout": 60}
            )
            await service.create_function(settings, {"S3Bucket": "mapfold-local", "S3Key": folder})
            await _call(service, WARM_UP * workers, callers)
            began = time.perf_counter()
            await _call(service, invocations, callers)
            return invocations / (time.perf_counter() - began)


async def _call(service: LambdaService, invocations: int, callers: int) -> None:
    remaining = iter(range(invocations))

    async def caller() -> None:
        for _ in remaining:
            await service.invoke("f", b'{"a":1}', is_json=True)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(caller())


def main() -> None:
    """Print both figures and their ratio."""
    parser = argparse.ArgumentParser(description="LambdaService.invoke beside the raw loop of awslambdaric.")
    parser.add_argument("--invocations", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=default_max_workers())
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    raw, ours = [], []
    for _ in range(options.rounds):
        raw.append(measure_raw_loop(options.invocations, options.workers))
        ours.append(measure_invocations(options.invocations, options.workers))
    rates = statistics.median(raw), statistics.median(ours)
    text = "raw loop {:,.0f}/s, invoke {:,.0f}/s, ratio {:.2f} ({} workers)\n"
    sys.stdout.write(text.format(*rates, rates[1] / rates[0], options.workers))


if __name__ == "__main__":
    main()
