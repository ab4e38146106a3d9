"""Fold: the outputs of many children to one partial, level by level.

The children's outputs lie as lines in the files of ResultWriters. Where all are few enough for one Lambda, they are
streamed through the job's fold one after the other. Where they are more, the files are cut into groups (byte ranges),
a Distributed Map folds each group to one output, and the next level starts from the files of that map run.

**Levels.** A group of 16 MiB holds at least 80 outputs, for a partial in a payload has at most 200,000 bytes, and leaves
one. So n outputs take 1 + log80(n) levels at most, and all later levels together cost less than a fortieth of the first.

**Memory.** At any time a fold holds two partials and one read buffer (256 KiB), whatever their number: what was folded
so far and what comes next, of which, where it lies in S3, its JSON text too while it is parsed.

**Time.** A fold that runs low on time does not lose what it has done: its output is what it folded so far, and names
the range of outputs that it left (`rest`). The next level cuts that range into groups of half of what one worker
managed, which are then folded in parallel. So a run needs more levels where the job's fold is slow, and fails only
where a single call takes Lambda's 15 minutes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mapfold.runs.objects import LineWriter, read_lines, read_lines_and_ends
from mapfold.runs.outcome import MapOutcome
from mapfold.runs.outputs import (
    Group,
    cut,
    done_answer,
    listing_failures,
    read_outputs,
    split_answer,
    whole,
    write_groups,
)
from mapfold.runs.partials import Partials, dumps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


GROWTH = 8
RESERVE_SECONDS = 60.0
"""Kept for writing the partial when the time runs low; a tenth of what there was at the start, if that is less."""

SecondsLeft = Callable[[], float]


@dataclass(frozen=True, slots=True)
class FoldSizes:
    """How much one Lambda folds. Bytes of outputs: 32 MiB take a few seconds to parse, far from 15 minutes.

    `referenced_partials`, `referenced_bytes`: where partials are so large that they lie in S3, an output is only their
    key, and their number and size count: each costs an S3 request of some 20 ms, and 512 MiB half a minute of parsing.
    """

    direct_bytes: int = 32 * 1024 * 1024
    group_bytes: int = 16 * 1024 * 1024
    referenced_partials: int = 500
    referenced_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rest:
    """Outputs that a fold left: pieces of files, and how many bytes of them a worker is to be given."""

    pieces: tuple[Group, ...]
    at_once: int

    @property
    def size(self) -> int:
        """Bytes of outputs."""
        return sum(piece.end - piece.start for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold gives. `partial` is packed, and means nothing if all `items` failed. `rest`: what it had no time for."""

    partial: Any
    items: int
    failed: int
    rest: Rest | None = None

    def as_output(self) -> dict[str, Any]:
        """In the shape of `work`'s outputs, so that the next level reads both alike."""
        output = {"partial": self.partial, "items": self.items, "failed": self.failed}
        if self.rest is None:
            return output
        (piece,) = self.rest.pieces  # a child has one group
        return {**output, "rest": {**piece.as_item(), "at_once": self.rest.at_once}}


def fold_or_split(
    partials: Partials,
    outcome: MapOutcome,
    *,
    level: int,
    sizes: FoldSizes | None = None,
    seconds_left: SecondsLeft = lambda: math.inf,
) -> dict[str, Any]:
    """Level `level` of the fold: all in one go, or the groups to fold first.

    Either way all of {"done", "level", "partial", "items", "failed", "bucket", "key"}: the state machine selects them.
    """
    s3, folder = partials.s3, partials.folder
    direct, group_bytes = _bytes_at_once(s3, outcome, sizes or FoldSizes(), level)
    rests: Iterable[Rest] = _rests(s3, outcome) if level else ()
    if outcome.succeeded_bytes <= direct and _workers_for(rests) <= 1:
        left = (piece for rest in _rests(s3, outcome) for piece in rest.pieces) if level else ()
        pieces = [*whole(outcome.succeeded), *left]
        folded = fold_groups(partials, pieces, stage=f"folded-{level}", number=0, seconds_left=seconds_left)
        if folded.rest is None:
            return done_answer(level, partial=folded.partial, items=folded.items, failed=folded.failed)
        files, rests = iter([_write_so_far(partials, folded, level + 1)]), [folded.rest]
    else:
        files, rests = cut(whole(outcome.succeeded), group_bytes), _rests(s3, outcome) if level else ()
    write_groups(s3, folder.bucket, folder.groups(level + 1), _numbered(files, rests))
    return split_answer(folder, level + 1)


def fold_groups(
    partials: Partials,
    groups: Sequence[Group],
    *,
    stage: str,
    number: int,
    seconds_left: SecondsLeft = lambda: math.inf,
) -> Folded:
    """Fold the outputs of `groups`; the keys of failed items that they name go into a list of the run.

    `stage` and `number` name the partial and the list in S3. No two folds of a run may share them: a retry reads its
    input again.
    """
    reserve = min(RESERVE_SECONDS, seconds_left() / 10)
    folding, rest = Folding(partials), None
    with listing_failures(partials.s3, partials.folder, stage, number) as failures:
        for place, end, output in _outputs(partials.s3, groups):
            failures.note(output)
            folding.add(output)
            if folding.folds and seconds_left() < reserve:
                rest = _rest(groups, place, end, outputs=folding.folds + 1)
                break
    return folding.folded(stage=stage, number=number, rest=rest)


@dataclass(slots=True)
class Folding:
    """Outputs folded one by one: two partials are in memory at a time, and that only during a call of the job's fold."""

    partials: Partials
    items: int = 0
    failed: int = 0
    folds: int = 0
    _partial: Any = None
    _empty: bool = field(default=True)

    def add(self, output: Mapping[str, Any]) -> None:
        """Fold an output in. One of which every item failed has no partial."""
        self.items += output["items"]
        self.failed += output["failed"]
        if output["items"] == output["failed"]:
            return
        found = self.partials.unpack(output["partial"])
        if self._empty:
            self._partial, self._empty = found, False
            return
        self._partial = self.partials.job.fold_function(self._partial, found)
        self.folds += 1

    def folded(self, *, stage: str, number: int, rest: Rest | None = None) -> Folded:
        """What it came to; the partial goes to S3 if it is large."""
        if self._empty:
            return Folded(None, self.items, self.failed, rest)
        packed = self.partials.pack(self._partial, function="fold", stage=stage, number=number)
        return Folded(packed, self.items, self.failed, rest)


def _outputs(s3: S3Client, groups: Sequence[Group]) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """Outputs with their place: which group, and the byte behind them in its file."""
    for place, group in enumerate(groups):
        lines = read_lines_and_ends(s3, group.bucket, group.key, start=group.start, end=group.end)
        for end, line in lines:
            yield place, end, json.loads(line)


def _rest(groups: Sequence[Group], place: int, end: int, *, outputs: int) -> Rest | None:
    """What is left behind byte `end` of a group, before which `outputs` were folded; None if that was the last one.

    The next worker is given half as much, but two outputs at least: one alone would be handed on as it is.
    """
    at = groups[place]
    left = [Group(0, at.bucket, at.key, end, at.end)] if end < at.end else []
    pieces = (*left, *groups[place + 1 :])
    done = sum(group.end - group.start for group in groups[:place]) + end - at.start
    return Rest(pieces, max(done // 2, math.ceil(2 * done / outputs))) if pieces else None


def _rests(s3: S3Client, outcome: MapOutcome) -> Iterator[Rest]:
    """What folds of the level before left."""
    for output in read_outputs(s3, whole(outcome.succeeded)):
        if "rest" in output:
            rest = dict(output["rest"])
            at_once = rest.pop("at_once")
            yield Rest((Group(**rest),), at_once)


def _workers_for(rests: Iterable[Rest]) -> float:
    """How many workers what was left is for."""
    return sum(rest.size / rest.at_once for rest in rests)


def _numbered(files: Iterator[Group], rests: Iterable[Rest]) -> Iterator[dict[str, Any]]:
    """All groups of a level as items: pieces of files, then of what was left."""
    number = 0
    for group in files:
        yield {**group.as_item(), "number": number}
        number += 1
    for rest in rests:
        for group in cut(rest.pieces, rest.at_once):
            yield {**group.as_item(), "number": number}
            number += 1


def _write_so_far(partials: Partials, folded: Folded, level: int) -> Group:
    """What Fold itself had merged when its time ran low, as a file of one output: a group of the next level."""
    folder = partials.folder
    output = {"partial": folded.partial, "items": folded.items, "failed": folded.failed}
    with LineWriter(partials.s3, folder.bucket, folder.folded_so_far(level)) as writer:
        writer.write(dumps(output))
    return Group(0, folder.bucket, folder.folded_so_far(level), 0, writer.bytes)


def _bytes_at_once(s3: S3Client, outcome: MapOutcome, sizes: FoldSizes, level: int) -> tuple[int, int]:
    """What is folded directly, and in one group; fewer bytes where the first output only refers to its partial.

    The others may be partials themselves, and one of them larger than such a group: then a level leaves as many as it
    was given. So each level takes GROWTH times the bytes of the one before, and the fold comes to its end.
    """
    for file in outcome.succeeded:
        for line in read_lines(s3, file.bucket, file.key, end=1):
            partial = json.loads(line)["partial"]
            if isinstance(partial, dict) and partial.keys() == {"$s3"}:
                size = s3.head_object(Bucket=file.bucket, Key=partial["$s3"])["ContentLength"]
                at_once = max(2, min(sizes.referenced_partials, sizes.referenced_bytes // size))
                most = at_once * (len(line) + 1) * GROWTH**level
                return min(most, sizes.direct_bytes), min(most, sizes.group_bytes)
            return sizes.direct_bytes, sizes.group_bytes
    return sizes.direct_bytes, sizes.group_bytes
