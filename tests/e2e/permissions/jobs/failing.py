"""A job for tests that fails in all ways: items, batches, so many that the run stops early, and their list is long."""

from __future__ import annotations

from mapfold import Context, Job, JsonLines

job = Job("failing", source=JsonLines(), batch_items=100, concurrency=1, stop_early=True, tolerated_failure_count=1_300)


@job.map
def fail(item: int, context: Context) -> int:
    """The first hundred succeed. Of others the error fills what Mapfold keeps of a message and a traceback."""
    if item >= 100:
        raise ValueError("no " * 5_000)
    return item


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return one + other
