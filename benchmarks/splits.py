"""How fast rows of a split are read, and what Plan makes of an object of many gigabytes: `python -m benchmarks.splits`.

Rows: `context.rows` over all splits of an object, and beside it the plain loop that anybody would write, over the same bytes
in memory: csv.DictReader, json.loads for each line, the lines of a text file, pyarrow's iter_batches with to_pylist. MB are
those of the text (of Parquet and gzip: before compression). S3 is memory in this process: nothing but reading is measured.

Plan: an object of `--plan-gb` gigabytes that is generated as it is read, without a request's time: of CSV the head alone is
looked at; with quoted_newlines all of it is read, and so is a gzip file of one member.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import keep, progress
from mapfold import Context, Splits
from mapfold.runs.split_entries import SplitEntries
from mapfold.splits.gzip_members import MAGIC
from mapfold.splits.sizes import largest_piece
from mapfold.storage import Storage

ROWS = 500_000
ROUNDS = 3
PLAN_GB = 10
LARGEST = largest_piece(memory_mb=512, timeout_seconds=60)
SOURCE = {"uri": "s3://data/rows", "bucket": "data", "key": "rows"}


@dataclass(frozen=True, slots=True)
class Case:
    """One format: an object, how to read it as splits, and the plain loop over it. size: of the text, in bytes."""

    name: str
    data: bytes
    size: int
    splits: Splits
    plain: Callable[[bytes], Iterable[Any]]


class S3:
    """One object, of which ranges are read. Each range is made by `part`."""

    meta = SimpleNamespace(config=SimpleNamespace(max_pool_connections=2))

    def __init__(self, size: int, part: Callable[[int, int], Any]) -> None:
        self._size, self._part = size, part

    def get_object(self, *, Range: str, **_: str) -> dict[str, Any]:
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        body = self._part(first, min(last + 1, self._size))
        return {"ETag": '"etag"', "ContentRange": f"bytes {first}-{last}/{self._size}", "Body": body}


class Repeated:
    """From one byte to another of a block that is repeated, as the body of an answer."""

    def __init__(self, block: bytes, first: int, stop: int) -> None:
        self._block, self._at, self._stop = block, first, stop

    def read(self, size: int | None = None) -> bytes:
        begin = self._at % len(self._block)
        length = min(len(self._block) - begin, self._stop - self._at, size or self._stop)
        self._at += length
        return self._block[begin : begin + length]

    def close(self) -> None:
        pass


def main(arguments: list[str] | None = None) -> int:
    """Measure rows and plans, print and keep the numbers."""
    options = parser().parse_args(arguments)
    numbers: dict[str, float | int] = {"rows": options.rows}
    for case in cases(options.rows):
        numbers |= compare(case, options.rounds)
    numbers |= plans(int(options.plan_gb * 1e9))
    keep("splits", numbers)
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m benchmarks.splits", description=__doc__)
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    result.add_argument("--rows", type=int, default=ROWS)
    result.add_argument("--rounds", type=int, default=ROUNDS, help="of which the best counts")
    result.add_argument("--plan-gb", type=float, default=PLAN_GB)
    return result


def cases(rows: int) -> Iterator[Case]:
    """Every format over the same rows of eight columns."""
    values = [
        {
            "id": number,
            "carrier": ("UA", "AA", "B6")[number % 3],
            "origin": "JFK",
            "destination": "LAX",
            "delay": number % 100 - 20,
            "distance": 2475,
            "tail": f"N{number % 9999}",
            "note": "on time, more or less" if number % 5 == 0 else "on time",
        }
        for number in range(rows)
    ]
    quoted = as_csv(values)
    bare = quoted.replace(b'"', b"").replace(b"on time, more", b"on time  more")
    lines = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    yield Case("csv", bare, len(bare), Splits("csv"), dict_reader)
    yield Case("csv_quoted", quoted, len(quoted), Splits("csv"), dict_reader)
    yield Case("csv_quoted_newlines", quoted, len(quoted), Splits("csv", quoted_newlines=True), dict_reader)
    yield Case("jsonl", lines, len(lines), Splits("jsonl"), lambda data: map(json.loads, io.BytesIO(data)))
    yield Case("text", bare, len(bare), Splits("text"), text_lines)
    members = as_members(bare)
    unzipped = Splits("csv", compression="gzip")
    yield Case("csv_gzip", members, len(bare), unzipped, lambda data: dict_reader(gzip.decompress(data)))
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(values), file, row_group_size=100_000)
    yield Case("parquet", file.getvalue(), len(bare), Splits("parquet"), arrow_rows)


def as_csv(values: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, values[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(values)
    return text.getvalue().encode()


def as_members(data: bytes) -> bytes:
    """Members of about a megabyte of whole lines."""
    ends = [0]
    while ends[-1] < len(data):
        ends.append(data.find(b"\n", min(ends[-1] + 1_000_000, len(data) - 1)) + 1)
    return b"".join(gzip.compress(data[a:b], 6) for a, b in itertools.pairwise(ends))


def dict_reader(data: bytes) -> Iterable[Any]:
    return csv.DictReader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))


def text_lines(data: bytes) -> Iterable[Any]:
    return (line.rstrip("\n") for line in io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def arrow_rows(data: bytes) -> Iterable[Any]:
    batches = pq.ParquetFile(pa.BufferReader(data)).iter_batches(1_000)
    return itertools.chain.from_iterable(batch.to_pylist() for batch in batches)


def compare(case: Case, rounds: int) -> dict[str, float | int]:
    """MB a second of both, and their ratio; in turns, the best of each."""
    s3: Any = S3(len(case.data), lambda first, stop: io.BytesIO(case.data[first:stop]))
    context = Context(storage=Storage(s3))
    splits = [split for _, split in SplitEntries(case.splits, SOURCE, s3, largest=LARGEST)]
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    counted = set()
    for _ in range(rounds):
        for name, rows in (
            ("plain", case.plain(case.data)),
            ("ours", itertools.chain.from_iterable(map(context.rows, splits))),
        ):
            began = time.perf_counter()
            counted.add(sum(1 for _ in rows))
            seconds[name].append(time.perf_counter() - began)
    assert len(counted) == 1, f"{case.name}: both should have read as many rows: {counted}"
    ours, plain = case.size / min(seconds["ours"]) / 1e6, case.size / min(seconds["plain"]) / 1e6
    progress(
        f"{case.name}: {ours:.0f} MB/s in {len(splits)} splits, the plain loop {plain:.0f}, ratio {ours / plain:.2f}"
    )
    return {
        f"{case.name}_mb_a_second": round(ours, 1),
        f"{case.name}_plain_mb_a_second": round(plain, 1),
        f"{case.name}_ratio": round(ours / plain, 2),
    }


def plans(size: int) -> dict[str, float | int]:
    """Children and seconds of the plan for an object of this size, of three kinds."""
    block = b"".join(b"%07d,plain,text of a row\n" % number for number in range(10_000))
    quoted = b"".join(b'%07d,"one\nor ""two""",text of a row\n' % number for number in range(10_000))
    return {
        **planned("csv", size, block, Splits("csv", headers=("a", "b", "c"))),
        **planned("quoted_newlines", size, quoted, Splits("csv", headers=("a", "b", "c"), quoted_newlines=True)),
        **planned("gzip_member", size, one_member(), Splits("text", compression="gzip")),
    }


def one_member() -> bytes:
    """Begins as a gzip member does, and goes on as its deflated bytes look: like chance."""
    return gzip.compress(b"")[:10] + random.Random(7).randbytes(8_000_000).replace(MAGIC, b"abc")


def planned(name: str, size: int, block: bytes, splits: Splits) -> dict[str, float | int]:
    s3: Any = S3(size // len(block) * len(block), lambda first, stop: Repeated(block, first, stop))
    entries = SplitEntries(splits, SOURCE, s3, largest=LARGEST)
    began = time.perf_counter()
    count = sum(1 for _ in entries)
    seconds = time.perf_counter() - began
    children = -(-count // entries.batch_items)
    progress(
        f"plan of {size / 1e9:g} GB, {name}: {children} children, {seconds:.2f} s, {size / seconds / 1e6:,.0f} MB/s"
    )
    return {f"plan_{name}_children": children, f"plan_{name}_seconds": round(seconds, 2)}


if __name__ == "__main__":
    raise SystemExit(main())
