"""Children of one Pass state a second, and the memory that they take: `python -m benchmarks.pass_children`.

A Distributed Map of STANDARD children with histories, one for each row of a CSV object in S3, through plain boto3
against `mapfold local` in a process of its own, a fresh one for each number of children. Nothing waits for Lambda here:
what is measured is the engine itself, that it goes as fast with a million children as with ten thousand, and in as
little memory (the most that the server's process ever had resident, moto's not counted).

The limit, in the same run: one thread reads the same CSV bytes with csv.reader, and writes the very rows and histories
that the engine has kept to a new SQLite file with the same settings, in the same many-row statements. It builds no input,
no event and no name, so that no engine that keeps the same can be faster on one core.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from urllib.request import urlopen

from benchmarks.machine import cpu_seconds, given_up_after, keep, peak_memory_mib, progress
from mapfold.local.store.schema import connect, prepare
from mapfold.local.store.store import CHILDREN, FILE
from mapfold.local.store.writer import TRANSACTION_ROWS
from tests.e2e.embedded import EmbeddedAws, serving

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = {10_000: 5, 100_000: 2}
"""How often a size is run, once if it is not here: the median of short runs says what a single one does not."""
WARM_UP = 1_000
SLOWEST = 3_000
"""Children a second below which a run is given up."""
START_SECONDS = 60
"""How long a server may take to start and to warm up."""
ROLE = "arn:aws:iam::123456789012:role/any"
BUCKET, KEY = "benchmark", "rows.csv"
HEADER = "id,carrier,origin,destination,delay\n"
ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of children. Memory is in MiB, `cpu_microseconds` and `bytes` are those of one child."""

    rate: float
    peak_mib: float
    cpu_microseconds: float
    file_bytes: float
    limit: float


def main(arguments: list[str] | None = None) -> int:
    """Measure each size, print and keep the numbers."""
    options = parser().parse_args(arguments)
    numbers: dict[str, float | int] = {}
    measured: dict[int, Measured] = {}
    for size in options.sizes:
        measured[size] = run_size(size, options)
        numbers |= named(size, measured[size])
    smallest, largest = measured[min(measured)], measured[max(measured)]
    again = run_size(
        min(measured), options
    )  # before and after: a machine that others use meanwhile shows as a difference
    numbers[f"children_per_second_of_{min(measured)}_again"] = again.rate
    numbers["rate_of_largest_to_smallest"] = largest.rate / statistics.mean((smallest.rate, again.rate))
    numbers["cpu_of_largest_to_smallest"] = largest.cpu_microseconds / smallest.cpu_microseconds
    numbers["peak_of_largest_to_smallest"] = largest.peak_mib / smallest.peak_mib
    keep("pass-children" + ("-written" if options.writer else ""), numbers)
    return 0


def run_size(size: int, options: argparse.Namespace) -> Measured:
    rounds = options.rounds or ROUNDS.get(size, 1)
    with given_up_after(START_SECONDS + rounds * size / SLOWEST):
        return measure(size, rounds, writer=options.writer)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m benchmarks.pass_children", description=__doc__)
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    result.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of children")
    result.add_argument("--rounds", type=int, help="how often each size is run (5, 2 and 1)")
    result.add_argument("--writer", action="store_true", help="with a ResultWriter, whose files go to moto")
    return result


def named(size: int, measured: Measured) -> dict[str, float | int]:
    return {
        f"children_per_second_of_{size}": measured.rate,
        f"limit_per_second_of_{size}": measured.limit,
        f"ratio_to_limit_of_{size}": measured.rate / measured.limit,
        f"peak_memory_mib_of_{size}": measured.peak_mib,
        f"cpu_microseconds_a_child_of_{size}": measured.cpu_microseconds,
        f"file_bytes_a_child_of_{size}": measured.file_bytes,
    }


def measure(size: int, rounds: int, *, writer: bool) -> Measured:
    """Run `size` children `rounds` times on a fresh server, then the limit over what the last one left."""
    rows = csv_rows(size)
    with tempfile.TemporaryDirectory() as folder:
        with serving(Path(folder)) as aws:
            pid = server_pid(aws)
            machine = create_machine(aws, writer=writer)
            aws.s3.create_bucket(Bucket=BUCKET)
            put_rows(aws, csv_rows(WARM_UP))
            run_map(aws, machine, WARM_UP)
            put_rows(aws, rows)
            file = Path(folder) / FILE
            before, cpu = file.stat().st_size, cpu_seconds(pid)
            rates = [size / run_map(aws, machine, size) for _ in range(rounds)]
            cpu, peak = cpu_seconds(pid) - cpu, peak_memory_mib(pid)
        growth = file.stat().st_size - before  # closed: the write-ahead log is in the file
        progress(f"{size:,} children: the limit")
        limit = size / bare_seconds(rows, file, Path(folder) / "bare.sqlite", size)
    children = size * rounds
    return Measured(statistics.median(rates), peak, cpu / children * 1e6, growth / children, limit)


def csv_rows(size: int) -> bytes:
    carriers, airports = ("AA", "B6", "DL", "EV", "UA", "WN"), ("ATL", "BOS", "LAX", "MCO", "ORD", "SFO", "SJU")
    lines = (
        f"{number},{carriers[number % 6]},{airports[number % 7]},{airports[number % 5]},{number * 7919 % 300}\n"
        for number in range(size)
    )
    return (HEADER + "".join(lines)).encode()


def put_rows(aws: EmbeddedAws, rows: bytes) -> None:
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=rows)


def server_pid(aws: EmbeddedAws) -> int:
    with urlopen(f"http://127.0.0.1:{aws.port}/health", timeout=10) as answer:
        return int(json.load(answer)["pid"])


def create_machine(aws: EmbeddedAws, *, writer: bool) -> str:
    """A state machine that maps a Pass state over the rows; gives its ARN.

    Without a ResultWriter the children's outputs are the Map's own, of which 256 KiB may be kept: so each is an empty
    array, and FLATTEN leaves nothing of it. With one each output is the row.
    """
    leaf = {"Type": "Pass", "End": True} if writer else {"Type": "Pass", "Result": [], "End": True}
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Nothing",
        "States": {"Nothing": leaf},
    }
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
        "Parameters": {"Bucket": BUCKET, "Key": KEY},
    }
    written = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "results"}}
    results = written if writer else {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSON"}}
    each = {"Type": "Map", "ItemReader": reader, "ItemProcessor": processor, "ResultWriter": results, "End": True}
    definition = {"StartAt": "Each", "States": {"Each": each}}
    machine = aws.stepfunctions.create_state_machine(name="rows", definition=json.dumps(definition), roleArn=ROLE)
    return machine["stateMachineArn"]


def run_map(aws: EmbeddedAws, machine: str, size: int) -> float:
    """Seconds of one execution by the service's own clock. A wrong count of children is no measurement."""
    client = aws.stepfunctions
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]
    ended = client.describe_execution(executionArn=arn)
    while ended["status"] == "RUNNING":
        time.sleep(min(1.0, max(0.05, size / 200_000)))  # AWS has no way to wait but to ask; seldom costs the run less
        ended = client.describe_execution(executionArn=arn)
        if size > WARM_UP:
            progress(f"{size:,} children: {time.time() - ended['startDate'].timestamp():.0f} s")
    if ended["status"] != "SUCCEEDED":
        raise SystemExit(f"the execution ended {ended['status']}: {ended.get('error')}: {ended.get('cause')}")
    run = client.describe_map_run(mapRunArn=client.list_map_runs(executionArn=arn)["mapRuns"][0]["mapRunArn"])
    if run["executionCounts"]["succeeded"] != size:
        raise SystemExit(f"of {size:,} children {run['executionCounts']['succeeded']:,} succeeded")
    return (ended["stopDate"] - ended["startDate"]).total_seconds()


def bare_seconds(rows: bytes, file: Path, copy: Path, size: int) -> float:
    """Seconds to read the CSV and to insert the last `size` children of `file` into a new one; fetching them left out."""
    began = time.perf_counter()
    for _ in csv.reader(io.StringIO(rows.decode(), newline="")):
        pass
    seconds = time.perf_counter() - began
    source = connect(file, read_only=True)
    target = connect(copy)
    try:
        prepare(target, copy)
        for transaction in children_of(source, size):
            began = time.perf_counter()
            insert(target, transaction)
            seconds += time.perf_counter() - began
    finally:
        source.close()
        target.close()
    return seconds


def children_of(source: sqlite3.Connection, size: int) -> Iterator[list[tuple[object, ...]]]:
    """The rows of the last map run, as many at a time as one transaction of the store's writer takes at the most."""
    (first,) = source.execute("SELECT max(id) FROM children").fetchone()
    found = source.execute("SELECT * FROM children WHERE id > ? ORDER BY id", (first - size,))
    while transaction := list(islice(found, TRANSACTION_ROWS)):
        yield transaction


def insert(target: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    target.execute("BEGIN")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        target.execute(CHILDREN.insert(len(part)), list(chain.from_iterable(part)))
    target.execute("COMMIT")


if __name__ == "__main__":
    sys.exit(main())
