"""A job for tests that runs each object of a manifest once: the sum of their sizes, as an unpacked manifest lists them."""

from __future__ import annotations

from mapfold import Context, Job, Manifest

job = Job("unique", source=Manifest(), on_duplicate="once", batch_items=2)


@job.map
def length(item: dict[str, str], context: Context) -> int:
    """The length of one object."""
    return len(context.storage.get(item))


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return one + other
