"""The outputs of children, one a line, in the ResultWriter's files or in lists of ours; and pieces of such files.

An output is {"partial", "items", "failed", "failures"?, "rest"?}. `failures` is the key of a list of failed items; `rest`
is a range of outputs that a fold left because its time ran low (`mapfold.runs.fold`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.folder import RunFolder
from mapfold.runs.objects import LineWriter, read_lines
from mapfold.runs.outcome import ResultFile
from mapfold.runs.partials import dumps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Group:
    """A piece of a file of outputs: the lines that begin from byte `start` to before `end`. `number` counts the groups."""

    number: int
    bucket: str
    key: str
    start: int
    end: int

    def as_item(self) -> dict[str, Any]:
        """An item of FoldGroups."""
        return {name: getattr(self, name) for name in self.__slots__}


def whole(files: Iterable[ResultFile]) -> Iterator[Group]:
    """The files, each as one group without a number of its own."""
    return (Group(0, file.bucket, file.key, 0, file.size) for file in files)


def cut(pieces: Iterable[Group], group_bytes: int, *, first: int = 0) -> Iterator[Group]:
    """Groups of at most `group_bytes` that cover every byte of every piece once, numbered from `first` on."""
    number = first
    for piece in pieces:
        for start in range(piece.start, piece.end, group_bytes):
            yield Group(number, piece.bucket, piece.key, start, min(start + group_bytes, piece.end))
            number += 1


def read_outputs(s3: S3Client, groups: Iterable[Group]) -> Iterator[Mapping[str, Any]]:
    """The outputs of groups, as they are read."""
    for group in groups:
        for line in read_lines(s3, group.bucket, group.key, start=group.start, end=group.end):
            yield json.loads(line)


@contextmanager
def listing_failures(s3: S3Client, folder: RunFolder, stage: str, number: int = 0) -> Iterator[FailureList]:
    """Write the keys of failed items that outputs name into a list of the run; no list if there are none."""
    with LineWriter(s3, folder.bucket, folder.failed_list(stage, number)) as writer:
        yield FailureList(writer)


@dataclass(frozen=True, slots=True)
class FailureList:
    """Notes the lists of failed items that outputs name: no payload holds them all."""

    writer: LineWriter

    def note(self, output: Mapping[str, Any]) -> None:
        """Note an output's, if it has one."""
        if "failures" in output:
            self.writer.write(output["failures"].encode())


def write_groups(s3: S3Client, bucket: str, key: str, items: Iterable[Mapping[str, Any]]) -> int:
    """Write what FoldGroups is to read; gives the number of groups."""
    with LineWriter(s3, bucket, key) as writer:
        for item in items:
            writer.write(dumps(item))
    return writer.lines


def split_answer(folder: RunFolder, level: int) -> dict[str, Any]:
    """What Fold answers when there are groups to fold first, for level `level`."""
    nothing = {"partial": None, "items": 0, "failed": 0}
    return {"done": False, "level": level, **nothing, "bucket": folder.bucket, "key": folder.groups(level)}


def done_answer(level: int, *, partial: Any, items: int, failed: int) -> dict[str, Any]:
    """What Fold answers with the last partial. It has the same members: the state machine selects them."""
    counts = {"items": items, "failed": failed}
    return {"done": True, "level": level, "partial": partial, **counts, "bucket": None, "key": None}
