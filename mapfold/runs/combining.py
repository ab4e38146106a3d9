"""A retry's result and that of the run before it, folded into one.

The newest run of a chain is the complete picture: its partial is that of all items that have succeeded in any of the
chain's runs, and its failures.jsonl lists all that have not: first those that failed again, then those that were not
selected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.errors import MapfoldError
from mapfold.runs.folder import RunFolder
from mapfold.runs.last import Counts, Last, read_last
from mapfold.runs.objects import read_lines
from mapfold.runs.partials import Partials
from mapfold.runs.retry import RetryError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Json = Any


@dataclass(frozen=True, slots=True)
class Combined:
    """One partial for a run and all that it stands on, packed. It means nothing if no item `succeeded`."""

    packed: Json
    succeeded: int


def find_previous(s3: S3Client, folder: RunFolder) -> Last:
    """How the run in `folder` ended. RetryError if that was deleted while its failed items were tried again."""
    last = read_last(s3, folder)
    if last is None:
        raise RetryError(
            f"{folder.uri(folder.last)} was deleted while the retry of that run was going on. Start a new run."
        )
    return last


def combine(partials: Partials, folded: Mapping[str, Any], previous: Last | None) -> Combined:
    """Fold what a run found ({"partial", "items", "failed"}) onto what the run before it had found.

    Parts and shards are combined by Fold itself, which has read those of the run before (`$.plan.previous`).
    """
    new = folded["items"] - folded["failed"]
    if previous is None or not previous.items.succeeded:
        return Combined(folded["partial"], new)
    succeeded = previous.items.succeeded + new
    if partials.job.result_kind != "value":
        return Combined(folded["partial"], succeeded)
    both = _unpack_previous(partials, previous)
    if new:
        both = partials.job.fold_function(both, partials.unpack(folded["partial"]))
    # Packed anew also where nothing is new: the folder of the run before may be deleted earlier than this one's.
    return Combined(partials.pack(both, function="fold", stage="last", number=0), succeeded)


def _unpack_previous(partials: Partials, previous: Last) -> Any:
    try:
        return partials.unpack(previous.partial)
    except (MapfoldError, TypeError, ValueError) as error:
        raise RetryError(
            f"the partial of {previous.run_id} is none that today's job {partials.job.name!r} can fold: {str(error).rstrip('.')}. "
            "Give its partial the shape that it had, or start a new run."
        ) from error


def left_out(s3: S3Client, folder: RunFolder, previous: Last) -> Iterator[bytes]:
    """The lines of the previous run's failures.jsonl of items that the run in `folder` did not try again.

    Its item list has the others, in the same order: two streams are read side by side.
    """
    before = RunFolder(folder.bucket, previous.run_id)
    listed = (json.loads(line)["i"] for line in read_lines(s3, folder.bucket, folder.items))
    selected = next(listed, None)
    for line in read_lines(s3, before.bucket, before.failures):
        if selected is not None and json.loads(line)["index"] == selected:
            selected = next(listed, None)
        else:
            yield line
    if selected is not None:
        raise RetryError(
            f"item {selected} of {folder.uri(folder.items)} is not in {before.uri(before.failures)}, from which it was "
            "selected: one of the two was changed while the run was going on. Start a new run."
        )


def total_of(previous: Last | None, *, succeeded: int, failed: int) -> Counts:
    """The counts of a run with all that it stands on. RetryError if they are not those of the same items."""
    counts = Counts(total=succeeded + failed, succeeded=succeeded, failed=failed)
    if previous is not None and counts.total != previous.items.total:
        raise RetryError(
            f"{previous.run_id} had {previous.items.total:,} items, and with this retry {succeeded:,} have succeeded and "
            f"{failed:,} failed, which are {counts.total:,}: items were lost, or counted twice. No result was written; "
            "start a new run, and keep both folders for whoever looks into it."
        )
    return counts
