"""A job for tests whose items are splits of the objects under a prefix: adds up numbers."""

from __future__ import annotations

from typing import Any

from mapfold import Context, Job, Splits

job = Job("splitting", source=Splits("csv", "prefix", split_bytes=40), reads=("s3://elsewhere/in/",))


@job.map
def total(split: dict[str, Any], context: Context) -> int:
    """Of the column `n`."""
    return sum(int(row["n"]) for row in context.rows(split))


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return one + other
