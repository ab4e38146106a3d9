"""What items that kill their worker cost: `python -m benchmarks.poison`.

A batch of B items of which k end their worker runs on the embedded AWS, and every call of the work function and every item
that was begun is counted. Beside it stands what a retry of the whole batch costs: the same call, three times, which is what
a Retry of the Task does. It finds nothing, and loses all B items.

Splitting has to make at least some k·log2(B) calls: each tells one bit of where k items are among B.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import given_up_after, keep, progress
from tests.e2e.embedded import EmbeddedAws, mapfold, serving

JOBS = Path(__file__).with_name("poison_jobs")
CASES = ((64, 1), (64, 4), (1000, 1), (1000, 4))
"""B and k."""
TRIES = 3
LIMIT_SECONDS = 600
"""When it is given up; it takes about a minute on two cores."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls of the work function, items that were begun in them, and items that succeeded."""

    calls: int
    begun: int
    succeeded: int


def main() -> int:
    """Measure all, print and keep the numbers; 1 if an item was lost that is not bad."""
    numbers: dict[str, float | int] = {}
    is_whole = True
    with given_up_after(LIMIT_SECONDS), tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as aws:
        aws.s3.create_bucket(Bucket="mapfold-data")
        for size, bad in CASES:
            progress(f"{bad} bad of {size}")
            items = put_items(aws, size, bad)
            split, again = isolate(aws, folder, size, bad), rerun(aws, folder, items)
            is_whole = is_whole and split.succeeded == size - bad and again.succeeded == 0
            name = f"{bad}_of_{size}"
            numbers |= {
                f"{name}_calls": split.calls,
                f"{name}_calls_by_k_log_b": split.calls / (bad * math.log2(size)),
                f"{name}_items_begun": split.begun,
                f"{name}_items_begun_by_b": split.begun / size,
                f"{name}_calls_rerun": again.calls,
                f"{name}_items_begun_rerun": again.begun,
                f"{name}_items_lost": size - bad - split.succeeded,
                f"{name}_items_lost_rerun": size - bad - again.succeeded,
            }
    keep("poison", numbers)
    return 0 if is_whole else 1


def put_items(aws: EmbeddedAws, size: int, bad: int) -> list[dict[str, Any]]:
    """The batch in S3: the bad items are spread evenly, each in the middle of its part."""
    places = {size * (2 * n + 1) // (2 * bad) for n in range(bad)}
    items = [{"n": n, "bad": n in places} for n in range(size)]
    body = "\n".join(map(json.dumps, items)).encode()
    aws.s3.put_object(Bucket="mapfold-data", Key=f"{bad}-of-{size}.jsonl", Body=body)
    return items


def isolate(aws: EmbeddedAws, folder: str, size: int, bad: int) -> Cost:
    """A run of the job, to its end."""
    begun = Path(folder) / f"begun-{bad}-of-{size}"
    options = ("--jobs", str(JOBS), "--json", "--param", f"begun={begun}")
    ended = mapfold(
        "run", "poisoned", f"s3://mapfold-data/{bad}-of-{size}.jsonl", *options, environment=aws.environment
    )
    if ended.code:
        raise SystemExit(ended.stderr)
    document = json.loads(ended.stdout)
    return Cost(calls_of(aws, document["execution_arn"]), begun.stat().st_size, document["result"])


def calls_of(aws: EmbeddedAws, execution_arn: str) -> int:
    """The children of the run's map runs: each has called the work function once."""
    runs = aws.stepfunctions.list_map_runs(executionArn=execution_arn)["mapRuns"]
    described = (aws.stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"]) for run in runs)
    return sum(run["executionCounts"]["total"] for run in described)


def rerun(aws: EmbeddedAws, folder: str, items: list[dict[str, Any]]) -> Cost:
    """The whole batch, called as a Retry of its Task calls it."""
    begun = Path(folder) / f"rerun-{sum(item['bad'] for item in items)}-of-{len(items)}"
    run = {"run_id": begun.name, "params": {"begun": str(begun)}, "source": {}, "listed": False}
    batch = [{"i": n, "v": item} for n, item in enumerate(items)]
    event = json.dumps({"run": run, "items": batch, "execution": "rerun"}).encode()
    for tries in range(1, TRIES + 1):
        answer = aws.functions.invoke(FunctionName="mapfold-poisoned-work", Payload=event)
        if "FunctionError" not in answer:
            return Cost(tries, begun.stat().st_size, json.loads(answer["Payload"].read())["items"])
    return Cost(TRIES, begun.stat().st_size, 0)


if __name__ == "__main__":
    sys.exit(main())
