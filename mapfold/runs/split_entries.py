"""The list of a run over `Splits`: what Plan writes down for the Map to read, and how many of it make a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.job import Job
from mapfold.runs.deadline import RESERVE_SECONDS, OutOfTime, SecondsLeft
from mapfold.runs.names import Names
from mapfold.runs.unique import LookedThrough, look_through
from mapfold.sources import Manifest
from mapfold.splits import Splits
from mapfold.splits.cutting import cut
from mapfold.splits.objects import Found, listed_objects, named_objects, one_object
from mapfold.splits.sizes import BatchSizes, largest_piece

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mapfold.runs.folder import RunFolder
    from mapfold.runs.plan import PlanRequest

_MORE_TIME = (
    "Raise the memory of the job's functions (`others_memory_mb` of the stage), which comes with more of a processor, or "
    "start a run for each part of what SOURCE names"
)


class SplitEntries:
    """(index, split) of every split of a source, found as they are taken; once.

    SplitError says what cannot be cut, and why; OutOfTime. Memory does not grow with their number.
    looked: what was found in a manifest, where that was looked through for duplicates.
    """

    def __init__(
        self,
        splits: Splits,
        source: Mapping[str, str],
        s3: S3Client,
        *,
        largest: int,
        looked: LookedThrough | None = None,
        seconds_left: SecondsLeft = lambda: math.inf,
    ) -> None:
        self._splits, self._source, self._s3, self._largest = splits, source, s3, largest
        self._looked, self._seconds_left = looked, seconds_left
        self._sizes, self._objects = BatchSizes(), 0

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        for found in find_objects(self._s3, self._splits, self._source, looked=self._looked):
            self._check_time()
            for piece in cut(self._s3, found, self._splits, largest=self._largest, check_time=self._check_time):
                yield self._sizes.splits, piece.split
                self._sizes.add(piece.bytes)
                self._check_time()
            self._objects += 1

    @property
    def batch_items(self) -> int:
        """Splits in a batch, once all have been taken: many small objects together are worth a worker."""
        return self._sizes.choose(self._largest, given=self._splits.split_bytes)

    @property
    def duplicates(self) -> Mapping[str, Any] | None:
        """{"items", "first"} of what a manifest names twice; None where nobody looked."""
        return self._looked.report if self._looked else None

    def _check_time(self) -> None:
        if self._seconds_left() < RESERVE_SECONDS:
            after = f"{self._objects:,} objects and {self._sizes.splits:,} splits of {self._source['uri']}"
            raise OutOfTime("objects were cut into splits", after=after, fix=_MORE_TIME)


def find_objects(
    s3: S3Client, splits: Splits, source: Mapping[str, str], *, looked: LookedThrough | None = None
) -> Iterator[Found]:
    """What SOURCE names, one after the other. SplitError or SourceError names what is missing or wrong."""
    if splits.objects == "prefix":
        return listed_objects(s3, source)
    if splits.objects == "manifest":
        named = looked.entries() if looked else enumerate(_names(s3, source).items())
        return named_objects(s3, named, manifest=source["uri"])
    return iter([one_object(s3, source)])


def split_entries(
    job: Job,
    request: PlanRequest,
    *,
    s3: S3Client,
    folder: RunFolder,
    expected: int,
    seconds_left: SecondsLeft,
) -> SplitEntries | None:
    """The splits of what SOURCE names, None where the job's source is another. DuplicateItems; OutOfTime."""
    if not isinstance(job.source, Splits):
        return None
    looked = None
    if job.source.names_objects and job.on_duplicate != "ignore":
        looked = look_through(_names(s3, request.source), job, expected=expected, seconds_left=seconds_left)
    largest = largest_piece(memory_mb=job.memory_mb, timeout_seconds=job.timeout_seconds)
    return SplitEntries(job.source, request.source, s3, largest=largest, looked=looked, seconds_left=seconds_left)


def _names(s3: S3Client, source: Mapping[str, str]) -> Names:
    """Of the current manifest, as long as it is the one that Plan saw."""
    where = {name: source[name] for name in ("uri", "bucket", "key")}
    return Names.of_manifest(s3, Manifest(), where, etag=source.get("etag", ""))
