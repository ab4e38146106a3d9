"""The job `poison`, one batch at a time, stopped as soon as more items have failed than it tolerates."""

from __future__ import annotations

import os
from typing import Any

from mapfold import Context, Job, JsonLines

job = Job(
    "poison-early",
    source=JsonLines(),
    batch_items=8,
    concurrency=1,
    tolerated_failure_count=1,
    stop_early=True,
)


@job.map
def number(item: dict[str, Any], context: Context) -> list[int]:
    if item.get("does") == "exit":
        os._exit(3)
    if item.get("does") == "raise":
        raise ValueError(f"{item['n']} is bad")
    return [item["n"]]


@job.fold
def join(a: list[int], b: list[int]) -> list[int]:
    return sorted([*a, *b])
