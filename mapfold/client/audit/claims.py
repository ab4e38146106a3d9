"""What a run says of its items: which batches had which, and which failed; sorted by their place in the source.

A claim is a range of places that a batch had. There is one for each output of a child that succeeded (usually it has one
range) and for each child that did not and was not run again. Claims and failed items are sorted on disk: of claims some
40 bytes each, of failed items their JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mapfold.client.audit.values import CannotAudit
from mapfold.client.aws import speaking
from mapfold.client.values import Json
from mapfold.errors import ServiceError
from mapfold.runs.endings import NOT_STARTED
from mapfold.runs.folder import RunFolder
from mapfold.runs.identity import add_up, item_digest, ranges
from mapfold.runs.isolate import final_records
from mapfold.runs.objects import exists, read_lines
from mapfold.runs.outcome import read_outcomes
from mapfold.runs.partials import dumps
from mapfold.runs.pieces import child_of
from mapfold.runs.sorting import SortedLines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GONE = ("NoSuchKey", "NoSuchBucket", "404")
"""What S3 says of an object that is not there."""

ShownItem = Callable[[Json, Mapping[str, Json]], Json]
"""The author's item of what a batch has, and the batch's BatchInput."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The places from `first` to `last`, that a batch had. What follows is of the batch, which may have more ranges."""

    first: int
    last: int
    batch: int
    ranges: int
    items: int
    failed: int
    digest: int

    def line(self) -> bytes:
        return f"{self.first} {self.last} {self.batch} {self.ranges} {self.items} {self.failed} {self.digest}".encode()

    @classmethod
    def of_line(cls, line: bytes) -> Self:
        return cls(*map(int, line.split()))


@dataclass(frozen=True, slots=True)
class Failed:
    """A line of failures.jsonl. is_reached: False of one that the run stopped before."""

    index: int
    item: Json
    is_reached: bool

    def line(self) -> bytes:
        return b"%d %d %b" % (self.index, self.is_reached, dumps(self.item))

    @classmethod
    def of_line(cls, line: bytes) -> Self:
        index, is_reached, item = line.split(b" ", 2)
        return cls(int(index), json.loads(item), is_reached == b"1")


def first_number(line: bytes) -> int:
    """The place that a line begins with."""
    return int(line[: line.index(b" ")])


class Told:
    """All that one run says. In a `with` block: leaving it removes what was sorted on disk."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._claims: SortedLines[int] = self._open.enter_context(SortedLines(first_number))
        self._failed: SortedLines[int] = self._open.enter_context(SortedLines(first_number))
        self._listed: SortedLines[int] = self._open.enter_context(SortedLines(first_number))
        self.spread: SortedLines[int] = self._open.enter_context(SortedLines(first_number))
        """What is known of batches with several ranges, by the batch's number: the walk adds what it saw of each."""
        self.batches = 0
        self.claimed_items = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def claim(self, found: Sequence[Sequence[int]], *, items: int, failed: int, digest: int) -> None:
        """Note a batch."""
        for first, last in found:
            claim = Claim(first, last, self.batches, len(found), items, failed, digest)
            self._claims.add(first, claim.line())
        self.batches += 1
        self.claimed_items += items

    def fail(self, failed: Failed) -> None:
        """Note a failed item."""
        self._failed.add(failed.index, failed.line())

    def list_item(self, index: int, item: Json) -> None:
        """Note an item of the run's list."""
        self._listed.add(index, b"%d %b" % (index, dumps(item)))

    def claims(self) -> Iterator[Claim]:
        return (Claim.of_line(line) for _, line in self._claims)

    def failed(self) -> Iterator[Failed]:
        return (Failed.of_line(line) for _, line in self._failed)

    def listed(self) -> Iterator[tuple[int, Json]]:
        """The run's list, in the order of the places in the source."""
        return ((index, json.loads(line[line.index(b" ") + 1 :])) for index, line in self._listed)


def gather(
    told: Told,
    s3: S3Client,
    folder: RunFolder,
    outcomes: list[Mapping[str, Json]],
    *,
    shown: ShownItem,
    progressed: Callable[[int], None],
) -> None:
    """Put into `told` what the map runs of a run left, and its failures.jsonl. CannotAudit where they say too little."""
    with _readable(folder.run_id, "the manifests of its map runs"):
        succeeded = read_outcomes(s3, outcomes).succeeded
    for file in succeeded:
        for output in _documents(folder.run_id, s3, file.bucket, file.key):
            with _readable(folder.run_id, f"outputs in s3://{file.bucket}/{file.key}"):
                _claim_of_output(told, s3, folder, output)
            progressed(told.claimed_items)
    with _readable(folder.run_id, "the records of its children that did not succeed"):
        for record in final_records(s3, outcomes):
            _claim_of_record(told, record, shown)
            progressed(told.claimed_items)
    if exists(s3, folder.bucket, folder.failures):
        for entry in _documents(folder.run_id, s3, folder.bucket, folder.failures):
            with _readable(folder.run_id, f"lines of {folder.uri(folder.failures)}"):
                told.fail(Failed(entry["index"], entry["item"], entry["error"] != NOT_STARTED))


def gather_list(told: Told, s3: S3Client, folder: RunFolder, bucket: str, key: str) -> None:
    """Put the list that Plan wrote into `told`."""
    for entry in _documents(folder.run_id, s3, bucket, key):
        with _readable(folder.run_id, f"lines of s3://{bucket}/{key}"):
            told.list_item(entry["i"], entry["v"])


def _documents(run_id: str, s3: S3Client, bucket: str, key: str) -> Iterator[Mapping[str, Json]]:
    """The lines of a file that the run wrote. CannotAudit names the file that is gone, and the line that is no JSON."""
    read = 0
    try:
        with speaking():
            for line in read_lines(s3, bucket, key):
                read += 1
                yield json.loads(line)
    except ServiceError as error:
        if error.code not in GONE:
            raise
        raise CannotAudit(run_id, f"s3://{bucket}/{key} is not there any more") from error
    except ValueError as error:
        raise CannotAudit(
            run_id, f"s3://{bucket}/{key}, line {read}, is not what was written there: {error}"
        ) from error


@contextmanager
def _readable(run_id: str, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise CannotAudit(run_id, f"{what} are not what was written there: {type(error).__name__}: {error}") from error


def _claim_of_output(told: Told, s3: S3Client, folder: RunFolder, output: Mapping[str, Json]) -> None:
    if "ranges" not in output:
        raise CannotAudit(
            folder.run_id, "its batches do not tell which items they had: it is of an earlier release of Mapfold"
        )
    found = output["ranges"]
    if isinstance(found, Mapping):
        found = json.loads(s3.get_object(Bucket=folder.bucket, Key=found["$s3"])["Body"].read())
    told.claim(found, items=output["items"], failed=output["failed"], digest=int(output["digest"], 16))


def _claim_of_record(told: Told, record: Mapping[str, Json], shown: ShownItem) -> None:
    """Of a child that did not succeed all items have failed, or were not reached; its input has them."""
    child = child_of(record)
    batch = child.get("BatchInput") or {}
    entries = [(int(entry["i"]), shown(entry["v"], batch)) for entry in child.get("Items") or ()]
    if entries:
        digest = add_up(item_digest(index, item) for index, item in entries)
        found = ranges(index for index, _ in entries)
        told.claim(found, items=len(entries), failed=len(entries), digest=digest)
