"""The values of a batch's items, in the order of the source: how a worker writes them, and how they are read again.

A line is {"index": …, "value": …} with the index first, so that a merge need not parse the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.codec import Place, encode
from mapfold.job import Job
from mapfold.runs.objects import LineWriter, open_range
from mapfold.runs.partials import dumps
from mapfold.runs.sorting import SortedLines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_AHEAD = 1024 * 1024
_HEAD = b'{"index":'


@dataclass(frozen=True, slots=True)
class Values:
    """An object of values. `first` and `last` are the smallest and the largest index in it; between may be gaps."""

    key: str
    bytes: int
    lines: int
    first: int
    last: int

    def as_partial(self) -> dict[str, Any]:
        """As it stands in an output in the place of a partial, and in lists."""
        return {name: getattr(self, name) for name in self.__slots__}


def value_line(job: Job, index: int, value: Any) -> bytes:
    """The line of an item's value; JobError where JSON cannot carry it."""
    return b'%b%d,"value":%b}' % (_HEAD, index, dumps(encode(value, Place(job.name, "map"), "value")))


def index_of(line: bytes) -> int:
    """The index at a line's head."""
    return int(line[len(_HEAD) : line.index(b",", len(_HEAD))])


def write_values(s3: S3Client, bucket: str, key: str, lines: SortedLines[int]) -> Values:
    """Write a batch's lines in order. There is at least one: a batch without is a failed one."""
    first: int | None = None
    index = -1
    with LineWriter(s3, bucket, key) as writer:
        for index, line in lines:
            first = index if first is None else first
            writer.write(line)
    assert first is not None
    return Values(key, writer.bytes, writer.lines, first, index)


def read_values(s3: S3Client, bucket: str, values: Values, *, low: int, high: int) -> Iterator[tuple[int, bytes]]:
    """The lines of indexes from `low` to before `high`, with their indexes."""
    at_once = min(READ_AHEAD, values.bytes)
    with open_range(s3, bucket, values.key, start=0, end=values.bytes, at_once=at_once) as file:
        for line in file:
            index = index_of(line)
            if index >= high:
                return
            if index >= low:
                yield index, line.rstrip(b"\n")
