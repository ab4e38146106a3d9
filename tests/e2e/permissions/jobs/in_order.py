"""A job for tests without a fold: 18 MB of values are more than Fold makes one shard of itself."""

from __future__ import annotations

from mapfold import Context, Job, JsonLines

job = Job("in-order", source=JsonLines(), batch_items=90)


@job.map
def text(item: int, context: Context) -> str:
    return "x" * 100_000
