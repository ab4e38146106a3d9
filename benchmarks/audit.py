"""An audit of ten million items: `python -m benchmarks.audit`.

A run is made up of its results alone, in S3 in this process (no server, no network): a manifest of ten million objects, the
outputs of batches of a thousand with their ranges and digests in random order, and a failed item in each hundredth batch.
`mapfold audit` reads the manifest again and holds it against them. Beside it, in the same run, the limit: reading the manifest
alone, each line to its item. Peak memory is that of the process, without what it held before the audit began.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from benchmarks.machine import keep, peak_memory_mib, progress
from mapfold.client.audit import Audit
from mapfold.client.target import Target
from mapfold.client.values import Event, Execution, Status
from mapfold.job import Job
from mapfold.runs.identity import add_up, as_text, item_digest
from mapfold.runs.source_items import read_items
from mapfold.sources import Manifest

ITEMS = 10_000_000
BATCH = 1_000
SOURCE = {"uri": "s3://data/manifest.csv", "bucket": "data", "key": "manifest.csv", "etag": "seen"}
RUN = "arn:aws:states:us-east-1:123456789012:execution:mapfold-audited:audited"


def main(arguments: list[str] | None = None) -> int:
    """Make the run, measure, print and keep the numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--items", type=int, default=ITEMS, help="items of the manifest")
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="items of a batch: with 1, each item has a claim of its own"
    )
    options = parser.parse_args(arguments)
    items = options.items
    with tempfile.TemporaryDirectory() as folder:
        progress("the run is made up")
        aws = MadeUp(Path(folder))
        aws.make(items, options.batch)
        job = Job("audited", source=Manifest())
        before = peak_memory_mib()
        progress("the manifest alone")
        began, used = time.perf_counter(), time.process_time()
        read = sum(1 for _ in read_items(aws.s3_client(), job.source, SOURCE))
        reading, reading_cpu = time.perf_counter() - began, time.process_time() - used
        progress("the audit")
        began, used = time.perf_counter(), time.process_time()
        audit = Audit(cast(Any, aws), aws.execution, job)
        found = list(audit.findings())
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        if found or read != items or audit.totals.compared != items:
            raise SystemExit(f"the audit found {found[:3]} in {audit.totals}")
        keep(
            "audit",
            {
                "items": items,
                "seconds": seconds,
                "items_per_second": items / seconds,
                "reading_alone_seconds": reading,
                "reading_alone_items_per_second": items / reading,
                "cpu_seconds": cpu,
                "reading_alone_cpu_seconds": reading_cpu,
                "ratio_to_reading_alone": reading_cpu / cpu,
                "peak_memory_mib": peak_memory_mib(),
                "peak_memory_before_mib": before,
            },
        )
    return 0


class MadeUp:
    """The AWS of one run that has ended, with its objects in a folder."""

    def __init__(self, folder: Path) -> None:
        self.target = Target(region="us-east-1", account="123456789012")
        self.execution = Execution(RUN, "audited", "machine", Status.SUCCEEDED, 0.0, 1.0)
        self._folder = folder
        self._counted: dict[str, int] = {}

    def make(self, items: int, size: int) -> None:
        """Write the manifest and what the batches answered."""
        starts = list(range(0, items, size))
        with self.path("manifest.csv").open("w") as manifest:
            for index in range(items):
                manifest.write(f"data,{key_of(index)}\n")
        random.Random(5).shuffle(starts)
        failed = []
        with self.path("runs/audited/map/SUCCEEDED_0.jsonl").open("w") as outputs:
            for start in starts:
                batch = range(start, min(start + size, items))
                digest = as_text(add_up(item_digest(index, item_of(index)) for index in batch))
                bad = int(start % (100 * size) == 0)
                failed += [start] * bad
                output = {"partial": {"n": 1}, "items": len(batch), "failed": bad, "digest": digest}
                outputs.write(json.dumps({**output, "ranges": [[batch[0], batch[-1]]]}) + "\n")
        with self.path("runs/audited/failures.jsonl").open("w") as failures:
            for index in failed:
                failures.write(json.dumps({"index": index, "item": item_of(index), "error": "ValueError"}) + "\n")
        files = {"SUCCEEDED": [{"Key": "runs/audited/map/SUCCEEDED_0.jsonl", "Size": 1}], "FAILED": [], "PENDING": []}
        self.path("runs/audited/map/manifest.json").write_text(json.dumps({"ResultFiles": files}))
        self._counted = {"total": items, "succeeded": items - len(failed), "failed": len(failed)}

    def path(self, key: str) -> Path:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def s3_client(self) -> Any:
        return self

    def get_object(self, *, Key: str, Range: str = "bytes=0-", **_: Any) -> dict[str, Any]:
        path, start = self.path(Key), int(re.findall(r"\d+", Range)[0])
        file = path.open("rb")
        file.seek(start)
        return {"Body": file, "ContentLength": path.stat().st_size - start, "ETag": '"seen"'}

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> dict[str, Any]:
        return {"Contents": [{"Key": Prefix}] if self.path(Prefix).exists() else []}

    def find_definition_of(self, execution_arn: str) -> str | None:
        return None

    def find_record(self, run_id: str) -> dict[str, Any]:
        return {"items": self._counted}

    def events(self, arn: str, **_: Any) -> Iterator[Event]:
        plan = {"source": SOURCE, "listed": False, "retry_of": None}
        outcome = {"bucket": "runs", "key": "runs/audited/map/manifest.json", "stopped": False}
        state = {"plan": plan, "isolate": {"done": True, "outcomes": [outcome]}}
        yield Event(1, 0, "TaskStateExited", 0.0, {"name": "Isolate", "output": json.dumps(state)})


def key_of(index: int) -> str:
    return f"objects/{index % 997:03}/{index:08}.json"


def item_of(index: int) -> dict[str, str]:
    return {"bucket": "data", "key": key_of(index)}


if __name__ == "__main__":
    sys.exit(main())
