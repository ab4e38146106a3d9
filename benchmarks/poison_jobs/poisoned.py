"""The job of `benchmarks.poison`: items that end their worker among others, and a count of how often any was begun."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mapfold import Context, Job, JsonLines

job = Job("poisoned", source=JsonLines(), batch_items=1000, tolerated_failure_percentage=100)


@job.map
def begin(item: dict[str, Any], context: Context) -> int:
    """A byte more in the run's file, which outlives the worker; then the end of it, if the item is bad."""
    with Path(context.params["begun"]).open("ab") as file:
        file.write(b".")
    if item["bad"]:
        os._exit(3)
    return 1


@job.fold
def add(a: int, b: int) -> int:
    """How many items succeeded."""
    return a + b
