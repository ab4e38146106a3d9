"""What a worker makes of what the map function returns, item by item: by what the job's result is.

In two steps. `accept` looks at what one item gave; what it raises costs that item alone, and leaves no trace. `take` adds
it to the batch's; an error there (the job's fold raised) fails the batch, for its items can no longer be told apart.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from mapfold.codec import Place, encode
from mapfold.job import Job
from mapfold.runs.folder import RunFolder
from mapfold.runs.grouped import write_grouped
from mapfold.runs.grouping import Grouping
from mapfold.runs.partials import Partials
from mapfold.runs.sorting import AT_ONCE_BYTES, SortedLines
from mapfold.runs.values import index_of, value_line, write_values

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITTEN_PER_SECOND = 5 * 1024 * 1024
"""Bytes of records or values: a merge and an upload of a function of 512 MB do at least that."""


class Collector(Protocol):
    """Collects a batch's items. Used in a `with` block: leaving it removes what it keeps in files."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    @property
    def seconds_to_write(self) -> float:
        """How long `packed` will take, beyond what every batch has for it."""
        ...

    def accept(self, index: int, returned: Any) -> Any:
        """What `take` wants of an item, or the error that is the item's own."""
        ...

    def take(self, accepted: Any) -> None:
        """Add an item."""
        ...

    def packed(self, s3: S3Client, folder: RunFolder, *, first: int, last: int) -> tuple[Any, int]:
        """What the batch of these indexes puts into its output in the place of the partial, and the bytes of it all."""
        ...


def collector(job: Job) -> Collector:
    """The one for the job's kind of result."""
    match job.result_kind:
        case "value":
            return OnePartial(job)
        case "parts":
            return RecordsByKey(job)
        case "shards":
            return ValuesInOrder(job)


class OnePartial:
    """Items' partials folded to one as they come."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._place = Place(job.name, "map")
        self._partial: Any = None
        self._is_empty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is in files."""

    @property
    def seconds_to_write(self) -> float:
        """A partial is small."""
        return 0.0

    def accept(self, index: int, returned: Any) -> Any:
        """A partial that is known to be JSON."""
        encode(returned, self._place, "partial")
        return returned

    def take(self, accepted: Any) -> None:
        """Fold it in."""
        self._partial = accepted if self._is_empty else self._job.fold_function(self._partial, accepted)
        self._is_empty = False

    def packed(self, s3: S3Client, folder: RunFolder, *, first: int, last: int) -> tuple[Any, int]:
        """The partial, or where it lies."""
        partials = Partials(self._job, s3, folder)
        return partials.pack_and_measure(self._partial, function="fold", stage="map", number=first)


class RecordsByKey:
    """Items' records folded by key."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._batch = Grouping(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._batch.__exit__(kind, error, at)

    @property
    def seconds_to_write(self) -> float:
        """For the merge of what was spilled."""
        return self._batch.held_bytes / WRITTEN_PER_SECOND

    def accept(self, index: int, returned: Any) -> Grouping:
        """The item's records, folded by themselves: all of them or none."""
        return self._batch.of_item(returned)

    def take(self, accepted: Grouping) -> None:
        """Fold them into the batch's."""
        self._batch.absorb(accepted)

    def packed(self, s3: S3Client, folder: RunFolder, *, first: int, last: int) -> tuple[Any, int]:
        """Write them; what lies where."""
        grouped = write_grouped(s3, folder.bucket, folder.grouped(first, last), self._batch.lines())
        return grouped.as_partial(), grouped.bytes


class ValuesInOrder:
    """Items' values as they are."""

    def __init__(self, job: Job) -> None:
        self._job = job
        most = min(AT_ONCE_BYTES, job.memory_mb * 1024 * 1024 // 8)
        self._lines: SortedLines[int] = SortedLines(index_of, at_once=most)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.__exit__(kind, error, at)

    @property
    def seconds_to_write(self) -> float:
        """For all lines."""
        return self._lines.bytes / WRITTEN_PER_SECOND

    def accept(self, index: int, returned: Any) -> tuple[int, bytes]:
        """The line of its value."""
        return index, value_line(self._job, index, returned)

    def take(self, accepted: tuple[int, bytes]) -> None:
        """Keep it."""
        self._lines.add(*accepted)

    def packed(self, s3: S3Client, folder: RunFolder, *, first: int, last: int) -> tuple[Any, int]:
        """Write them; what lies where."""
        values = write_values(s3, folder.bucket, folder.values(first, last), self._lines)
        return values.as_partial(), values.bytes
