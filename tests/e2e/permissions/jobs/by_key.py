"""A job for tests by key: 18 MB of records are more than Fold makes one part of itself."""

from __future__ import annotations

from mapfold import Context, Job, JsonLines

job = Job("by-key", source=JsonLines(), batch_items=90)


@job.map
def records(item: int, context: Context) -> list[dict[str, str]]:
    return [{"key": str(item % 100), "text": "x" * 100_000}]


@job.group_by
def key(record: dict[str, str]) -> str:
    return record["key"]


@job.fold
def either(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    return one
