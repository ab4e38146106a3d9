"""A job some of whose items kill their worker: they end the process, or do not come to an end."""

from __future__ import annotations

import os
import time
from typing import Any

from mapfold import Context, Job, JsonLines

job = Job(
    "poison",
    source=JsonLines(),
    batch_items=8,
    timeout_seconds=2,
    tolerated_failure_count=2,
)


@job.map
def number(item: dict[str, Any], context: Context) -> list[int]:
    if item.get("does") == "exit":
        os._exit(3)
    if item.get("does") == "hang":
        time.sleep(60)  # far beyond the job's timeout of 2 s: it is cut off, as what hangs is
    return [item["n"]]


@job.fold
def join(a: list[int], b: list[int]) -> list[int]:
    return sorted([*a, *b])
