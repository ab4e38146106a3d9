"""Huge folds within the memory of one function: `python -m benchmarks.fold [CASE]`.

A million partials of 1 KiB, and a thousand of 5 MiB, are folded by `tasks.fold.handler` itself, as the states Fold and
FoldGroups call it: in two warm workers, processes that load the code once, and whose peak of resident memory is read with every
answer.

S3 is moto's. It cannot hold 5 GB of objects in memory, so of the large partials a few distinct ones lie there, and the
outputs refer to them again and again: each reference is read, parsed and folded like any other. The small ones stand in a
ResultWriter's files, which are real ones, 1 GB together.

The limit is what one process needs for the same texts in one plain loop: `json.loads` and the job's fold, no S3, no levels.
Seconds are those of the clock, in which two workers share the cores with S3, and those of CPU, of the workers alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import given_up_after, keep, peak_memory_mib, progress
from tests.e2e.embedded import serving

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "mapfold-runs"
FUNCTION_MIB = 512
AT_ONCE = 2
DISTINCT = 8
NAME_BYTES = 48
"""Of a name with its quotes, its colon, a count of four digits, and a comma."""
FILE_BYTES = 64 * 1024 * 1024
"""Of a ResultWriter's file: moto answers a range from the whole object, which has to fit into its memory."""
LIMIT_SECONDS = 3600
"""When it is given up; on two quiet cores it takes a few minutes."""

JOB = '''"""Counts by name, of which some are large."""

from mapfold import Job, JsonLines

job = Job("counts", source=JsonLines())


@job.map
def count(item, context):
    return item


@job.fold
def add(one, other):
    for name, times in other.items():
        one[name] = one.get(name, 0) + times
    return one
'''


@dataclass(frozen=True, slots=True)
class Case:
    """So many partials of so many bytes."""

    name: str
    partials: int
    partial_bytes: int


SMALL = Case("million_of_1_KiB", 1_000_000, 1024)
LARGE = Case("thousand_of_5_MiB", 1_000, 5 * 1024 * 1024)


@dataclass(slots=True)
class Measured:
    """One case: seconds from the first call of Fold to its last answer, CPU of its workers, what they had resident at most."""

    seconds: float = 0.0
    levels: int = 0
    calls: int = 0
    peak_mib: float = 0.0
    total: int = 0
    cpu_seconds: float = 0.0
    plain_seconds: float = 0.0
    plain_cpu_seconds: float = 0.0
    peaks: list[float] = field(default_factory=list)


def main() -> int:
    """Fold both, print and keep the numbers; 1 if an answer is wrong or a worker needs more than a function has."""
    numbers: dict[str, float | int] = {"function_MiB": FUNCTION_MIB, "workers_at_once": AT_ONCE}
    wrong = []
    with given_up_after(LIMIT_SECONDS), tempfile.TemporaryDirectory() as folder, stand_in(Path(folder)) as s3:
        for case in [case for case in (SMALL, LARGE) if case.name in (sys.argv[1:] or (SMALL.name, LARGE.name))]:
            measured, expected = measure(case, s3)
            size = case.partials * case.partial_bytes
            numbers |= {
                f"{case.name}_levels": measured.levels,
                f"{case.name}_calls": measured.calls,
                f"{case.name}_seconds": measured.seconds,
                f"{case.name}_MiB_per_second": size / measured.seconds / 2**20,
                f"{case.name}_peak_MiB": measured.peak_mib,
                f"{case.name}_plain_loop_seconds": measured.plain_seconds,
                f"{case.name}_ratio_to_plain_loop": measured.seconds / measured.plain_seconds,
                f"{case.name}_cpu_seconds": measured.cpu_seconds,
                f"{case.name}_plain_loop_cpu_seconds": measured.plain_cpu_seconds,
                f"{case.name}_cpu_ratio": measured.cpu_seconds / measured.plain_cpu_seconds,
            }
            if measured.total != expected or measured.peak_mib > FUNCTION_MIB:
                wrong.append(f"{case.name}: {measured.total:,} of {expected:,}, {measured.peak_mib:.0f} MiB")
    keep("fold", numbers)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
    return int(bool(wrong))


def measure(case: Case, s3: S3Client) -> tuple[Measured, int]:
    """Fold one case through its levels; gives also the sum that is right."""
    texts = [partial_text(case, number) for number in range(DISTINCT)]
    sums = [sum(json.loads(text).values()) for text in texts]
    progress(f"{case.name}: writing the outputs")
    outcome = write_outputs(case, texts, s3)
    measured = Measured()
    began = time.perf_counter()
    answer = fold_in_levels(case, outcome, s3, measured)
    measured.seconds = time.perf_counter() - began
    measured.levels = answer["level"]
    measured.peak_mib = max(measured.peaks)
    measured.total = sum(unpacked(answer["partial"], s3).values())
    progress(f"{case.name}: the plain loop")
    measured.plain_seconds, measured.plain_cpu_seconds = plain_loop(case, texts)
    return measured, sum(sums[number % DISTINCT] for number in range(case.partials))


def partial_text(case: Case, number: int) -> bytes:
    """A partial as compact JSON of the case's size: counts by names of 40 letters, a tenth of them its own."""
    chosen = random.Random(number)
    counts: dict[str, int] = {}
    while len(counts) * NAME_BYTES < case.partial_bytes - NAME_BYTES:
        own = number * 10**6 if chosen.random() < 0.1 else 0
        counts[f"{own + len(counts):040}"] = chosen.randrange(1000, 10_000)
    return json.dumps(counts, separators=(",", ":")).encode()


def write_outputs(case: Case, texts: list[bytes], s3: S3Client) -> dict[str, str]:
    """A ResultWriter's files and their manifest, with an output for each partial."""
    from mapfold.runs.objects import LineWriter
    from mapfold.runs.partials import INLINE_BYTES

    if case.partial_bytes > INLINE_BYTES:
        for number, text in enumerate(texts):
            s3.put_object(Bucket=BUCKET, Key=f"runs/{case.name}/partials/map/{number:012}.json", Body=text)
        texts = [b'{"$s3":"runs/%b/partials/map/%012d.json"}' % (case.name.encode(), n) for n in range(DISTINCT)]
    lines = [b'{"partial":%b,"items":1,"failed":0}' % text for text in texts]
    files: list[dict[str, Any]] = []
    folder, number = f"runs/{case.name}/map/uuid", 0
    while number < case.partials:
        key = f"{folder}/SUCCEEDED_{len(files)}.jsonl"
        with LineWriter(s3, BUCKET, key) as writer:
            while number < case.partials and writer.bytes < FILE_BYTES:
                writer.write(lines[number % DISTINCT])
                number += 1
        files.append({"Key": key, "Size": writer.bytes})
    return write_manifest(s3, folder, files)


def write_manifest(s3: S3Client, folder: str, files: list[dict[str, Any]]) -> dict[str, str]:
    body = json.dumps({"DestinationBucket": BUCKET, "ResultFiles": {"SUCCEEDED": files}}).encode()
    s3.put_object(Bucket=BUCKET, Key=f"{folder}/manifest.json", Body=body)
    return {"bucket": BUCKET, "key": f"{folder}/manifest.json"}


def fold_in_levels(case: Case, outcome: dict[str, str], s3: S3Client, measured: Measured) -> dict[str, Any]:
    """What the states Fold, Folded? and FoldGroups do; gives Fold's last answer."""
    plan = {"run_id": case.name, "execution": "benchmark", "params": {}}
    state: dict[str, Any] = {"plan": plan, "isolate": {"outcomes": [outcome]}}
    with multiprocessing.get_context("spawn").Pool(AT_ONCE) as workers:
        while True:
            progress(f"{case.name}: level {state.get('fold', {}).get('level', 0)}")
            (answer,) = called(workers, [state], measured)
            if answer["done"]:
                return answer
            state["fold"] = answer
            body = s3.get_object(Bucket=answer["bucket"], Key=answer["key"])["Body"].read()
            events = [{"plan": plan, "level": answer["level"], "group": json.loads(line)} for line in body.splitlines()]
            outputs = called(workers, events, measured)
            folder = f"runs/{case.name}/fold/level-{answer['level']}"
            text = "".join(json.dumps(output) + "\n" for output in outputs).encode()
            s3.put_object(Bucket=BUCKET, Key=f"{folder}/SUCCEEDED_0.jsonl", Body=text)
            state["groups"] = write_manifest(s3, folder, [{"Key": f"{folder}/SUCCEEDED_0.jsonl", "Size": len(text)}])


def called(workers: Pool, events: list[dict[str, Any]], measured: Measured) -> list[dict[str, Any]]:
    """What the handler answers to each."""
    outputs = []
    for answer, peak, cpu in workers.imap(handle, events):
        outputs.append(answer)
        measured.peaks.append(peak)
        measured.calls += 1
        measured.cpu_seconds += cpu
    return outputs


def handle(event: dict[str, Any]) -> tuple[dict[str, Any], float, float]:
    """In the worker: the handler's answer, the peak of this process's memory so far, and the CPU of the call."""
    began = time.process_time()
    from tasks import fold

    return fold.handler(event, _Lambda()), peak_memory_mib(), time.process_time() - began


class _Lambda:
    """What Lambda hands a handler of 15 minutes."""

    function_name = "mapfold-counts-fold"
    memory_limit_in_mb = FUNCTION_MIB
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:mapfold-counts-fold"
    aws_request_id = "benchmark"

    def __init__(self) -> None:
        self._ends = time.monotonic() + 900

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - time.monotonic()) * 1000)


def plain_loop(case: Case, texts: list[bytes]) -> tuple[float, float]:
    """Seconds, and those of CPU, of `json.loads` and the fold of as many of the same texts, in one process and nothing else."""
    total: dict[str, int] = {}
    began, began_cpu = time.perf_counter(), time.process_time()
    for number in range(case.partials):
        for name, times in json.loads(texts[number % DISTINCT]).items():
            total[name] = total.get(name, 0) + times
    return time.perf_counter() - began, time.process_time() - began_cpu


def unpacked(packed: Any, s3: S3Client) -> dict[str, int]:
    """The last partial."""
    if packed.keys() == {"$s3"}:
        packed = json.loads(s3.get_object(Bucket=BUCKET, Key=packed["$s3"])["Body"].read())
    return dict(packed)


@contextmanager
def stand_in(folder: Path) -> Iterator[S3Client]:
    """The embedded AWS with a bucket, and this process's environment as that of the job's functions."""
    jobs, data = folder / "jobs", folder / "data"
    jobs.mkdir()
    data.mkdir()
    (jobs / "counts.py").write_text(JOB)
    with serving(data) as aws:
        os.environ.update(
            {name: value for name, value in aws.environment.items() if name.startswith("AWS_")},
            MAPFOLD_JOB="counts",
            MAPFOLD_JOBS=str(jobs),
            MAPFOLD_RUNS_BUCKET=BUCKET,
            MAPFOLD_RUNS_TABLE="mapfold-runs",
            POWERTOOLS_TRACE_DISABLED="true",
            POWERTOOLS_LOG_LEVEL="ERROR",
        )
        aws.s3.create_bucket(Bucket=BUCKET)
        yield aws.s3


if __name__ == "__main__":
    sys.exit(main())
