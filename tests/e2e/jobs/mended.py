"""A job for tests whose code is mended between runs: adds up numbers, but for those that its code cannot take yet."""

from __future__ import annotations

from mapfold import Context, Job, JsonLines

REFUSED = ("odd", "round")

job = Job("mended", source=JsonLines(), batch_items=4, tolerated_failure_percentage=90)


@job.map
def number(item: dict[str, int], context: Context) -> int:
    """The number of one item."""
    n = item["n"]
    if "odd" in REFUSED and n % 2 == 1:
        raise ValueError(f"{n} is odd")
    if "round" in REFUSED and n % 10 == 0:
        raise KeyError(f"{n} is a round number")
    return n


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return one + other
