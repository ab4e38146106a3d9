"""Fold: the outputs of many children to one partial, level by level.

The children's outputs lie as lines in the files of a ResultWriter. Where all are few enough for one Lambda, they are
streamed through the job's fold one after the other. Where they are more, the files are cut into groups (byte ranges),
a Distributed Map folds each group to one output, and the next level starts from the files of that map run. At any
time a fold holds two partials, whatever their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.objects import LineWriter, read_lines
from mapfold.runs.outcome import MapOutcome, ResultFile
from mapfold.runs.partials import Partials, dumps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


GROWTH = 8


@dataclass(frozen=True, slots=True)
class FoldSizes:
    """How much one Lambda folds. Bytes of outputs: 32 MiB take a few seconds to parse, far from 15 minutes.

    `referenced_partials`: where partials are so large that they lie in S3, an output is only their key, and their
    number counts: each costs an S3 request of some 20 ms and the parsing of at least 200 KB.
    """

    direct_bytes: int = 32 * 1024 * 1024
    group_bytes: int = 16 * 1024 * 1024
    referenced_partials: int = 500


@dataclass(frozen=True, slots=True)
class Group:
    """A piece of a result file: the lines that begin from byte `start` to before `end`. `number` counts the groups."""

    number: int
    bucket: str
    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold gives. `partial` is packed, and means nothing if all `items` failed."""

    partial: Any
    items: int
    failed: int

    def as_output(self) -> dict[str, Any]:
        """In the shape of `work`'s outputs, so that the next level reads both alike."""
        return {"partial": self.partial, "items": self.items, "failed": self.failed}


def fold_or_split(
    partials: Partials, outcome: MapOutcome, *, level: int, sizes: FoldSizes | None = None
) -> dict[str, Any]:
    """Level `level` of the fold: all in one go, or the groups to fold first.

    Either way all of {"done", "level", "partial", "items", "failed", "bucket", "key"}: the state machine selects them.
    """
    direct, group_bytes = _bytes_at_once(partials.s3, outcome, sizes or FoldSizes(), level)
    if outcome.succeeded_bytes <= direct:
        groups = (Group(0, file.bucket, file.key, 0, file.size) for file in outcome.succeeded)
        folded = fold_groups(partials, groups, stage=f"folded-{level}", number=0)
        return {"done": True, "level": level, **folded.as_output(), "bucket": None, "key": None}
    folder = partials.folder
    key = folder.groups(level + 1)
    with LineWriter(partials.s3, folder.bucket, key) as writer:
        for group in cut(outcome.succeeded, group_bytes):
            writer.write(dumps({name: getattr(group, name) for name in Group.__slots__}))
    nothing = {"partial": None, "items": 0, "failed": 0}
    return {"done": False, "level": level + 1, **nothing, "bucket": folder.bucket, "key": key}


def cut(files: Iterable[ResultFile], group_bytes: int) -> Iterator[Group]:
    """Groups of at most `group_bytes` that cover every byte of every file once."""
    number = 0
    for file in files:
        for start in range(0, file.size, group_bytes):
            yield Group(number, file.bucket, file.key, start, min(start + group_bytes, file.size))
            number += 1


def fold_groups(partials: Partials, groups: Iterable[Group], *, stage: str, number: int) -> Folded:
    """Fold the outputs of `groups`; the keys of failed items that they name go into list `number` of the run.

    `stage` and `number` name the partial in S3. No two folds of a run may share them: a retry reads its input again.
    """
    folder = partials.folder
    with ExitStack() as opened:
        failed = opened.enter_context(LineWriter(partials.s3, folder.bucket, folder.failed_list(number)))
        outputs = _outputs(partials.s3, groups, failed)
        return fold_outputs(partials, outputs, stage=stage, number=number)


def fold_outputs(partials: Partials, outputs: Iterable[Mapping[str, Any]], *, stage: str, number: int) -> Folded:
    """Fold outputs one by one, two partials in memory at a time."""
    fold = partials.job.fold_function
    partial: Any = None
    items = failed = 0
    empty = True
    for output in outputs:
        items += output["items"]
        failed += output["failed"]
        if output["items"] == output["failed"]:
            continue
        found = partials.unpack(output["partial"])
        partial = found if empty else fold(partial, found)
        empty = False
    packed = None if empty else partials.pack(partial, function="fold", stage=stage, number=number)
    return Folded(packed, items, failed)


def _outputs(s3: S3Client, groups: Iterable[Group], failed: LineWriter) -> Iterator[Mapping[str, Any]]:
    for group in groups:
        for line in read_lines(s3, group.bucket, group.key, start=group.start, end=group.end):
            output = json.loads(line)
            if "failures" in output:
                failed.write(output["failures"].encode())
            yield output


def _bytes_at_once(s3: S3Client, outcome: MapOutcome, sizes: FoldSizes, level: int) -> tuple[int, int]:
    """What is folded directly, and in one group; fewer bytes where the first output only refers to its partial.

    The others may be partials themselves, and one of them larger than such a group: then a level leaves as many as it
    was given. So each level takes GROWTH times the bytes of the one before, and the fold comes to its end.
    """
    for file in outcome.succeeded:
        for line in read_lines(s3, file.bucket, file.key, end=1):
            partial = json.loads(line)["partial"]
            if isinstance(partial, dict) and partial.keys() == {"$s3"}:
                most = sizes.referenced_partials * (len(line) + 1) * GROWTH**level
                return min(most, sizes.direct_bytes), min(most, sizes.group_bytes)
            return sizes.direct_bytes, sizes.group_bytes
    return sizes.direct_bytes, sizes.group_bytes
