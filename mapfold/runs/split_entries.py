"""The list of a run over `Splits`: what Plan writes down for the Map to read, and how many of it make a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.job import Job
from mapfold.splits import Splits
from mapfold.splits.cutting import cut
from mapfold.splits.objects import find_objects
from mapfold.splits.sizes import BatchSizes, largest_piece

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mapfold.runs.folder import RunFolder
    from mapfold.runs.plan import PlanRequest


class SplitEntries:
    """(index, split) of every split of a source, found as they are taken; once.

    SplitError says what cannot be cut, and why. Memory does not grow with their number.
    """

    def __init__(self, splits: Splits, source: Mapping[str, str], s3: S3Client, *, largest: int) -> None:
        self._splits, self._source, self._s3, self._largest = splits, source, s3, largest
        self._sizes = BatchSizes()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        for found in find_objects(self._s3, self._splits.objects, self._source):
            for piece in cut(self._s3, found, self._splits, largest=self._largest):
                yield self._sizes.splits, piece.split
                self._sizes.add(piece.bytes)

    @property
    def batch_items(self) -> int:
        """Splits in a batch, once all have been taken: many small objects together are worth a worker."""
        return self._sizes.choose(self._largest, given=self._splits.split_bytes)


def split_entries(job: Job, request: PlanRequest, *, s3: S3Client, folder: RunFolder) -> SplitEntries | None:
    """The splits of what SOURCE names, None where the job's source is another."""
    if not isinstance(job.source, Splits):
        return None
    largest = largest_piece(memory_mb=job.memory_mb, timeout_seconds=job.timeout_seconds)
    return SplitEntries(job.source, request.source, s3, largest=largest)
