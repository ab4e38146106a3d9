"""The main job's seconds beside a plain pool's: `python -m benchmarks.main_job`.

Both call the same map function on the same 365 objects of the same S3 and write the same items to the same DynamoDB.
The pool is what a person would write without Mapfold: two processes, `imap_unordered`, `reduce`. It keeps no history,
retries nothing, and loses all if one item fails; the ratio is what having those costs.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import sys
import tempfile
import time
from functools import reduce
from pathlib import Path
from typing import Any

from benchmarks.machine import given_up_after, keep
from jobs import flight_delays
from mapfold import Context
from mapfold.storage import Storage
from tests.e2e.embedded import EmbeddedAws, mapfold, serving

PROCESSES = 2
ROUNDS = 3
LIMIT_SECONDS = 300
"""When it is given up; it takes some 40 s."""

_context: Context


def main() -> int:
    """Measure both, print and keep the numbers; 1 if their answers differ."""
    with given_up_after(LIMIT_SECONDS), tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as aws:
        first = run_job(aws)
        runs = [run_job(aws) for _ in range(ROUNDS)]
        pools = [run_pool(aws) for _ in range(ROUNDS)]
    answers = [answer for _, answer in (first, *runs, *pools)]
    job, pool = min(seconds for seconds, _ in runs), min(seconds for seconds, _ in pools)
    keep("main-job", {"job_seconds": job, "job_seconds_first_run": first[0], "pool_seconds": pool, "ratio": job / pool})
    if any(answer != answers[0] for answer in answers):
        print("the job and the pool do not agree", file=sys.stderr)
        return 1
    return 0


def run_job(aws: EmbeddedAws) -> tuple[float, Any]:
    """The seconds of one run, from its execution's start to its stop, and its result."""
    ended = mapfold("run", "flight-delays", "--json", environment=aws.environment)
    if ended.code:
        raise SystemExit(ended.stderr)
    document = json.loads(ended.stdout)
    return document["seconds"], document["result"]


def run_pool(aws: EmbeddedAws) -> tuple[float, Any]:
    """The seconds from no process to the folded answer, and the answer."""
    started = time.perf_counter()
    items = manifest(aws)
    # Spawned, not forked, as a fresh process is what a worker of Lambda is too.
    with multiprocessing.get_context("spawn").Pool(PROCESSES, connect, (aws,)) as pool:
        partials = pool.imap_unordered(count_day, items)
        answer = flight_delays.report(reduce(flight_delays.add, partials))
    return time.perf_counter() - started, answer


def manifest(aws: EmbeddedAws) -> list[dict[str, str]]:
    bucket, _, key = flight_delays.MANIFEST.removeprefix("s3://").partition("/")
    body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(body), ("bucket", "key")))


def connect(aws: EmbeddedAws) -> None:
    """Once in each process of the pool: clients for the same S3 and DynamoDB."""
    global _context
    _context = Context(
        storage=Storage(aws.s3),
        dynamodb=aws.dynamodb,
        tables=flight_delays.job.tables,
    )


def count_day(item: dict[str, str]) -> dict[str, dict[str, int]]:
    return flight_delays.count_day(item, _context)


if __name__ == "__main__":
    sys.exit(main())
