"""A job for tests: adds up the column `n` of each object of a manifest. Two items may fail."""

from __future__ import annotations

from mapfold import Context, Job, Manifest

job = Job("sums", source=Manifest(), tolerated_failure_count=2)


@job.map
def total(item: dict[str, str], context: Context) -> int:
    """The sum of one object's numbers; ValueError for what is no number."""
    return sum(int(row["n"]) for row in context.storage.rows(item))


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return one + other


@job.example
def three_objects(context: Context) -> str:
    """Three objects of one number each, 1, 2 and 3, and their manifest."""
    for n in (1, 2, 3):
        context.storage.put(f"s3://mapfold-data/sums/{n}.csv", f"n\n{n}\n")
    lines = "".join(f"mapfold-data,sums/{n}.csv\n" for n in (1, 2, 3))
    return context.storage.put("s3://mapfold-data/manifests/sums.csv", lines)
