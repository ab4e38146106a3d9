"""Rows a second that a Distributed Map reads and batches, and the memory that it takes: `python -m benchmarks.readers`.

A whole map run reads one object and makes child inputs of 1,000 rows each; the children do nothing. Beside it, over the
same bytes and in the same run, the bare loop of the parsing library: csv.reader, orjson.loads for each line, pyarrow's
iter_batches(1000) with to_pylist. The bare loop makes no JSON: that is what the rest of a map run's time buys.

The files are made anew, the same in each run. S3 is a file that is read in this process, because another process would
be measured as well. Each loop has a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.machine import keep, peak_memory_mib, progress
from mapfold.local.garbage import rare_collections
from mapfold.local.map_run import Child, ChildResult, MapRun, MapRunIdentity, name_uuid
from mapfold.local.turns import short_turns
from mapfold.states.effects import BatcherSpec, ReaderSpec, RunMap, TaskSucceeded

ROWS = 10_000_000
ROUNDS = 2
BATCH_ITEMS = 1_000
BLOCK_ROWS = 100_000
"""Rows that are written at once; also the rows of a Parquet file's row group."""
FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = ("id", "carrier", "origin", "destination", "delay")
LIMIT_SECONDS = 600
"""When a loop is given up; ten million rows take some 10 to 60 s."""
NO_PROCESSOR: Any = None
"""The children do nothing."""


@dataclass(frozen=True, slots=True)
class Loop:
    """What one process measured of one loop over the rows."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def main(arguments: list[str] | None = None) -> int:
    """Measure all formats, print and keep the numbers."""
    options = parser().parse_args(arguments)
    if options.loop:
        print(json.dumps(measure(options.loop, Path(options.file), options.rows)))
        return 0
    numbers: dict[str, float | int] = {"rows": options.rows}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name in options.formats:
            progress(f"{name}: writing {options.rows:,} rows")
            file = Path(folder) / f"rows.{name}"
            write_rows(file, options.rows)
            numbers |= compare(name, file, options.rows, options.rounds)
            file.unlink()
    keep("readers", numbers)
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    result.add_argument("--rows", type=int, default=ROWS)
    result.add_argument("--rounds", type=int, default=ROUNDS, help="how often each loop is run; the median counts")
    result.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    result.add_argument("--folder", help="where the files are written for the time being (1 GB for 10 million rows)")
    result.add_argument("--loop", choices=("bare", "map-run"), help=argparse.SUPPRESS)  # one process of the above
    result.add_argument("--file", help=argparse.SUPPRESS)
    return result


def compare(name: str, file: Path, rows: int, rounds: int) -> dict[str, float | int]:
    """Both loops in turns: a machine's speed drifts more than they differ."""
    bare, ours = [], []
    for number in range(1, rounds + 1):
        progress(f"{name}: the bare loop, {number} of {rounds}")
        bare.append(in_a_process("bare", file, rows))
        progress(f"{name}: the map run, {number} of {rounds}")
        ours.append(in_a_process("map-run", file, rows))
    rate, limit = (rows / statistics.median(loop.seconds for loop in loops) for loops in (ours, bare))
    cpu, bare_cpu = (statistics.median(loop.cpu_seconds for loop in loops) for loops in (ours, bare))
    return {
        f"{name}_rows_per_second": rate,
        f"{name}_bare_rows_per_second": limit,
        f"{name}_ratio": rate / limit,
        f"{name}_ratio_of_cpu": bare_cpu / cpu,
        f"{name}_cpu_microseconds_a_row": cpu / rows * 1e6,
        f"{name}_peak_memory_mib": max(loop.peak_mib for loop in ours),
        f"{name}_bare_peak_memory_mib": max(loop.peak_mib for loop in bare),
        f"{name}_file_bytes": file.stat().st_size,
    }


def in_a_process(loop: str, file: Path, rows: int) -> Loop:
    command = [sys.executable, "-m", "benchmarks.readers", "--loop", loop, "--file", str(file), "--rows", str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS)
    return Loop(**json.loads(done.stdout))


# --- in the process of one loop ---------------------------------------------------------------------------


def measure(loop: str, file: Path, rows: int) -> Mapping[str, float]:
    """Run one loop. A wrong number of rows is no measurement."""
    name = file.suffix.removeprefix(".")
    run = BARE[name] if loop == "bare" else read_by_map_run
    began, cpu = time.perf_counter(), time.process_time()
    counted = run(file)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if counted != rows:
        raise SystemExit(f"the {loop} loop over {name} saw {counted:,} of {rows:,} rows")
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak_memory_mib()}


def bare_csv(file: Path) -> int:
    with file.open(newline="") as lines:
        return sum(1 for _ in csv.reader(lines)) - 1


def bare_jsonl(file: Path) -> int:
    count = 0
    with file.open("rb") as lines:
        for line in lines:
            orjson.loads(line)
            count += 1
    return count


def bare_parquet(file: Path) -> int:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as rows:
        return sum(len(batch.to_pylist()) for batch in rows.iter_batches(BATCH_ITEMS))


BARE: Mapping[str, Callable[[Path], int]] = {"csv": bare_csv, "jsonl": bare_jsonl, "parquet": bare_parquet}


def read_by_map_run(file: Path) -> int:
    """Read the file by a map run as the engine has it: its reader's thread, its batches, its slots, its settings."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, rare_collections(), short_turns():
        return runner.run(_read_by_map_run(file))


async def _read_by_map_run(file: Path) -> int:
    items = 0

    async def nothing(child: Child) -> ChildResult:
        nonlocal items
        items += child.item_count
        return ChildResult("SUCCEEDED", "1", None, None, "child", "arn", 0.0, 0.0)

    run = MapRun(map_over(file), identity(), run_child=nothing, s3=lambda: FileS3(file), clock=time.time)
    answer = await run.run()
    if not isinstance(answer, TaskSucceeded):
        raise SystemExit(f"the map run failed: {answer.error}: {answer.cause}")
    return items


def map_over(file: Path) -> RunMap:
    name = file.suffix.removeprefix(".").upper()
    config = {"InputType": name} | ({"CSVHeaderLocation": "FIRST_ROW"} if name == "CSV" else {})
    return RunMap(
        state_name="Each",
        label=None,
        processor=NO_PROCESSOR,
        child_type="STANDARD",
        reader=ReaderSpec("s3:getObject", config, {"Bucket": "benchmark", "Key": file.name}),
        items=None,
        max_items=None,
        select=None,
        batcher=BatcherSpec(BATCH_ITEMS, None),
        writer=None,
    )


def identity() -> MapRunIdentity:
    arn = f"arn:aws:states:us-east-1:123456789012:mapRun:rows/Each:{name_uuid('benchmark')}"
    return MapRunIdentity(arn, "rows", "Each", "arn:aws:states:us-east-1:123456789012:execution:rows:one")


class FileS3:
    """One file as an object of S3, as much as readers ask of it: GetObject, with and without a range."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size = file.stat().st_size

    def get_object(self, **request: Any) -> dict[str, Any]:
        first, _, last = request.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, self._size - int(last))
        end = min(int(last) + 1, self._size) if first and last else self._size
        return {
            "Body": _Body(self._file, start, end - start),
            "ContentLength": end - start,
            "ContentRange": f"bytes {start}-{end - 1}/{self._size}",
            "ETag": '"the-same"',
        }

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a reader called {name}; this S3 answers get_object only")


class _Body(io.FileIO):
    """The bytes of the file from `start`, `size` of them."""

    def __init__(self, file: Path, start: int, size: int) -> None:
        super().__init__(file)
        self.seek(start)
        self._left = size

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(self._left if size is None or size < 0 else min(size, self._left)) or b""
        self._left -= len(data)
        return data


# --- the files --------------------------------------------------------------------------------------------


def write_rows(file: Path, rows: int) -> None:
    """Write the file, a block of rows at a time."""
    {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}[file.suffix.removeprefix(".")](file, rows)


def blocks_of_rows(rows: int) -> Iterator[list[tuple[int, str, str, str, int]]]:
    carriers, airports = ("AA", "B6", "DL", "EV", "UA", "WN"), ("ATL", "BOS", "LAX", "MCO", "ORD", "SFO", "SJU")
    for start in range(0, rows, BLOCK_ROWS):
        yield [
            (number, carriers[number % 6], airports[number % 7], airports[number % 5], number * 7919 % 300)
            for number in range(start, min(start + BLOCK_ROWS, rows))
        ]


def write_csv(file: Path, rows: int) -> None:
    with file.open("w", newline="") as output:
        write = csv.writer(output, lineterminator="\n").writerows
        write([COLUMNS])
        for block in blocks_of_rows(rows):
            write(block)


def write_jsonl(file: Path, rows: int) -> None:
    with file.open("wb") as output:
        for block in blocks_of_rows(rows):
            output.writelines(orjson.dumps(dict(zip(COLUMNS, row, strict=True))) + b"\n" for row in block)


def write_parquet(file: Path, rows: int) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema(
        [(name, pyarrow.int64() if name in ("id", "delay") else pyarrow.string()) for name in COLUMNS]
    )
    with pyarrow.parquet.ParquetWriter(file, schema) as output:
        for block in blocks_of_rows(rows):
            columns = [list(column) for column in zip(*block, strict=True)]
            output.write_table(pyarrow.table(columns, schema=schema), row_group_size=BLOCK_ROWS)


if __name__ == "__main__":
    sys.exit(main())
