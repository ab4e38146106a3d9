"""A result by key: the batches' records to part files, with memory that depends neither on records nor on batches.

    few objects      cut the hash slots into parts of at most `part_bytes`; FoldGroups folds a part each; Fold writes the
                     index. Where all of it is small there is one part, and Fold makes it itself.
    many objects     FoldGroups first merges `merge_objects` of them into one, level by level: a part reads from each.

A part holds the keys of its slots, sorted, as lines {"key", "value"}. `result/index.json` says which slots are where.

For a retry: `previous` is the key of the `result/index.json` of the run that is retried. The new parts then have the slots
of the previous ones, and each is given the previous part as one more input. So the new result is whole by itself, and any
number of retries in a row may follow. Without `previous` nothing else is read.
"""

from __future__ import annotations

import heapq
import json
import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mapfold.errors import MapfoldError
from mapfold.job import Job
from mapfold.runs.folder import RunFolder
from mapfold.runs.grouped import (
    SLOTS,
    Grouped,
    Piece,
    RecordFold,
    folded_line,
    folded_lines,
    merged_lines,
    read_starts,
    sort_key,
    write_grouped,
)
from mapfold.runs.objects import LineWriter, read_lines
from mapfold.runs.outcome import MapOutcome
from mapfold.runs.outputs import (
    FailureList,
    Group,
    done_answer,
    listing_failures,
    read_outputs,
    split_answer,
    whole,
    write_groups,
)
from mapfold.runs.partials import dumps
from mapfold.runs.sorting import SortedLines, TmpFull

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESERVE_SECONDS = 15.0
"""Left to say that a part takes too long; a tenth of what there was at the start, if that is less."""

LONGEST_TOGETHER = 128 * 1024 * 1024
"""Bytes of the longest lines of all objects of a merge: it holds a line of each."""


@dataclass(frozen=True, slots=True)
class PartSizes:
    """How much one Lambda merges.

    A merge reads some 10 MB a second, and calls the job's fold for every two records of one key: 16 MiB of records of 50
    bytes are 330,000 calls, which may take 2 ms each in Lambda's 15 minutes.
    """

    merge_objects: int = 256
    merge_bytes: int = 32 * 1024 * 1024
    part_bytes: int = 16 * 1024 * 1024
    direct_bytes: int = 16 * 1024 * 1024


class PartTooLarge(MapfoldError):
    """A part does not fit into the `/tmp` in which its keys are sorted."""

    def __init__(self, job: Job, number: int, *, needed: int, there_is: str) -> None:
        super().__init__(
            f"job {job.name!r}: part {number} of the result has {needed:,} bytes or more to sort, and {there_is}. A hash "
            f"slot of the keys, of {SLOTS:,}, is never cut. Let the map function give smaller records, or @job.group_by "
            "fewer keys, or run the job over one piece of the source after the other."
        )
        self.number, self.needed = number, needed


class PartTooSlow(MapfoldError):
    """A part is not made within the time of a function."""

    def __init__(self, job: Job, number: int, keys: int) -> None:
        super().__init__(
            f"job {job.name!r}: part {number} of the result took more time than a function has, with {keys:,} keys done. "
            "Make @job.fold faster, or let the map function merge the records of one key before it returns them, "
            "or set a larger batch_items, so that fewer are left to merge."
        )
        self.number, self.keys = number, keys


def free_tmp_bytes() -> int:
    """Room in the function's `/tmp`."""
    return shutil.disk_usage(tempfile.gettempdir()).free


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of a run of `job` are made."""

    job: Job
    s3: S3Client
    folder: RunFolder
    sizes: PartSizes = PartSizes()
    seconds_left: Callable[[], float] = lambda: float("inf")
    tmp_bytes: Callable[[], int] = free_tmp_bytes


@dataclass(slots=True)
class Inputs:
    """The outputs of a level, counted. `objects` are held only while one worker may read them all."""

    objects: list[Grouped]
    parts: list[dict[str, Any]]
    count: int = 0
    longest: int = 0
    items: int = 0
    failed: int = 0


def fold_parts_or_split(
    parts: Parts, outcome: MapOutcome, *, level: int, previous: str | None = None
) -> dict[str, Any]:
    """Level `level` of a fold by key: the index if the parts are made, or the groups to fold first."""
    with listing_failures(parts.s3, parts.folder, f"folded-{level}") as failures:
        inputs = _read_inputs(parts, outcome, failures)
    if inputs.parts:
        return _finished(parts, inputs, level)
    if inputs.count > len(inputs.objects):
        return _merge_first(parts, outcome, level + 1)
    starts = [array("q", read_starts(parts.s3, parts.folder.bucket, each)) for each in inputs.objects]
    earlier = _Earlier(_bounds(starts, parts.sizes.part_bytes)) if previous is None else _earlier(parts, previous)
    if len(earlier.bounds) == 2 and earlier.bytes + sum(each[SLOTS] for each in starts) <= parts.sizes.direct_bytes:
        everything = [Piece(each.key, 0, each.bytes) for each in inputs.objects if each.key is not None]
        part = make_part(parts, everything, number=0, slots=(0, SLOTS), previous=earlier.part(0))
        inputs.parts.append(part)
        return _finished(parts, inputs, level)
    _check_room(parts, inputs.objects, starts, earlier.bounds)
    _write_cuts(parts, inputs.objects, starts, earlier.bounds, level + 1)
    write_groups(
        parts.s3, parts.folder.bucket, parts.folder.groups(level + 1), _part_groups(parts, inputs, earlier, level + 1)
    )
    return split_answer(parts.folder, level + 1)


def fold_part_group(parts: Parts, group: Mapping[str, Any], *, level: int) -> dict[str, Any]:
    """What a child of FoldGroups does: one part, or one object of many. Gives its output."""
    if "slots" not in group:
        return _merge(parts, Group(**group), level)
    number = group["number"]
    pieces = list(_pieces(parts, group["inputs"], number))
    slots = (group["slots"][0], group["slots"][1])
    partial = make_part(parts, pieces, number=number, slots=slots, previous=group["previous"])
    return {"partial": partial, "items": group["items"], "failed": group["failed"]}


def parts_result(s3: S3Client, folder: RunFolder, partial: Mapping[str, Any]) -> dict[str, Any]:
    """What result.json says, from the last fold's partial: {"parts": [{"uri", "records", "bytes"}], "records"}."""
    index = json.loads(s3.get_object(Bucket=folder.bucket, Key=partial["index"])["Body"].read())
    shown = ("uri", "records", "bytes")
    entries = [{name: entry[name] for name in shown} for entry in index["parts"] if entry["uri"] is not None]
    return {"parts": entries, "records": index["records"]}


def make_part(
    parts: Parts, pieces: Sequence[Piece], *, number: int, slots: tuple[int, int], previous: str | None
) -> dict[str, Any]:
    """Fold the records of `pieces`, and those of the part `previous` of an earlier run, to part `number`.

    Gives its entry in the index. No object is written where there is no record.
    """
    fold = RecordFold(parts.job)
    key = parts.folder.part(number)
    reserve = min(RESERVE_SECONDS, parts.seconds_left() / 10)
    with SortedLines[str](_key_of) as by_key, LineWriter(parts.s3, parts.folder.bucket, key) as writer:
        try:
            for keys, line in enumerate(folded_lines(merged_lines(parts.s3, parts.folder.bucket, pieces), fold)):
                if parts.seconds_left() < reserve:
                    raise PartTooSlow(parts.job, number, keys)
                _, name, text = line.split(b"\t", 2)
                by_key.add(json.loads(name), name + b"\t" + text)
        except TmpFull as full:
            needed, there_is = full.lines_bytes, "the /tmp of its function is full"
            raise PartTooLarge(parts.job, number, needed=needed, there_is=there_is) from full
        streams: list[Iterable[tuple[str, bytes]]] = [by_key]
        if previous is not None:
            streams.append(_part_lines(parts, previous))
        for name, text in _folded(heapq.merge(*streams, key=itemgetter(0)), fold):
            if parts.seconds_left() < reserve:
                raise PartTooSlow(parts.job, number, writer.lines)
            writer.write(b'{"key":%b,"value":%b}' % (name, text))
    uri = parts.folder.uri(key) if writer.lines else None
    return {"part": number, "uri": uri, "slots": list(slots), "records": writer.lines, "bytes": writer.bytes}


def _folded(lines: Iterable[tuple[str, bytes]], fold: RecordFold) -> Iterator[tuple[bytes, bytes]]:
    """One record for each key; a line is `key TAB record` as JSON."""
    for key, same in groupby(lines, itemgetter(0)):
        yield dumps(key), fold.folded_text(line.partition(b"\t")[2] for _, line in same)


def _key_of(line: bytes) -> str:
    return str(json.loads(line[: line.index(b"\t")]))


def _part_lines(parts: Parts, key: str) -> Iterator[tuple[str, bytes]]:
    """The records of an earlier run's part, which is sorted by key."""
    for line in read_lines(parts.s3, parts.folder.bucket, key):
        record = json.loads(line)
        yield record["key"], dumps(record["key"]) + b"\t" + dumps(record["value"])


def _read_inputs(parts: Parts, outcome: MapOutcome, failures: FailureList) -> Inputs:
    inputs = Inputs([], [])
    most = parts.sizes.merge_objects
    for output in read_outputs(parts.s3, whole(outcome.succeeded)):
        failures.note(output)
        inputs.items += output["items"]
        inputs.failed += output["failed"]
        partial = output["partial"]
        if partial is None or partial.get("key", "") is None:
            continue  # of these items none succeeded, or none gave a record
        if "part" in partial:
            inputs.parts.append(partial)
            continue
        inputs.count += 1
        inputs.longest = max(inputs.longest, partial["longest"])
        if inputs.count <= most and inputs.count * inputs.longest <= LONGEST_TOGETHER:
            inputs.objects.append(Grouped(**partial))
    if inputs.count == 1 and not inputs.objects:
        inputs.objects.append(Grouped(**_only(parts, outcome)))
    return inputs


def _only(parts: Parts, outcome: MapOutcome) -> dict[str, Any]:
    """The one object whose longest line is so long that not even two such could be merged."""
    for output in read_outputs(parts.s3, whole(outcome.succeeded)):
        if output["partial"] is not None and output["partial"]["key"] is not None:
            return dict(output["partial"])
    raise LookupError("no output names an object of records")


def _merge_first(parts: Parts, outcome: MapOutcome, level: int) -> dict[str, Any]:
    """Write the outputs as one list, and its pieces as groups, each of what one worker merges."""
    folder, groups = parts.folder, _Groups(parts.sizes)
    key = folder.inputs(level)
    with (
        LineWriter(parts.s3, folder.bucket, key) as inputs,
        LineWriter(parts.s3, folder.bucket, folder.groups(level)) as writer,
    ):
        number = start = 0
        for output in read_outputs(parts.s3, whole(outcome.succeeded)):
            if not groups.takes(output["partial"]):
                writer.write(dumps(Group(number, folder.bucket, key, start, inputs.bytes).as_item()))
                number, start = number + 1, inputs.bytes
            inputs.write(dumps({name: output[name] for name in ("partial", "items", "failed")}))
        writer.write(dumps(Group(number, folder.bucket, key, start, inputs.bytes).as_item()))
    return split_answer(folder, level)


class _Groups:
    """Whether the next object still goes into the group at hand: two always do, so that each level leaves fewer."""

    def __init__(self, sizes: PartSizes) -> None:
        self._sizes = sizes
        self._count = self._bytes = self._longest = 0

    def takes(self, partial: Mapping[str, Any] | None) -> bool:
        """Count an object in; False where it is the first of a new group."""
        if partial is None or partial["key"] is None:
            return True
        count, size = self._count + 1, self._bytes + partial["bytes"]
        longest = max(self._longest, partial["longest"])
        fits = count <= self._sizes.merge_objects and size <= self._sizes.merge_bytes
        if count <= 2 or (fits and count * longest <= LONGEST_TOGETHER):
            self._count, self._bytes, self._longest = count, size, longest
            return True
        self._count, self._bytes, self._longest = 1, partial["bytes"], partial["longest"]
        return False


def _merge(parts: Parts, group: Group, level: int) -> dict[str, Any]:
    """Many objects to one. Where the time runs low, records of one key are left to a later level, beside each other."""
    items = failed = 0
    pieces = []
    for output in read_outputs(parts.s3, [group]):
        items += output["items"]
        failed += output["failed"]
        if output["partial"] is not None and output["partial"]["key"] is not None:
            pieces.append(Piece(output["partial"]["key"], 0, output["partial"]["bytes"]))
    lines = merged_lines(parts.s3, parts.folder.bucket, pieces)
    key = parts.folder.grouped_level(level, group.number)
    made = write_grouped(parts.s3, parts.folder.bucket, key, _folded_in_time(parts, lines))
    return {"partial": made.as_partial(), "items": items, "failed": failed}


def _folded_in_time(parts: Parts, lines: Iterator[bytes]) -> Iterator[bytes]:
    reserve, fold = parts.seconds_left() / 2, RecordFold(parts.job)
    for prefix, same in groupby(lines, sort_key):
        if parts.seconds_left() < reserve:
            yield from same
        else:
            yield folded_line(prefix, same, fold)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Where parts begin and end, in slots; of a retry the parts of the earlier run, and their bytes together."""

    bounds: Sequence[int]
    keys: Sequence[str | None] = ()
    bytes: int = 0

    def part(self, number: int) -> str | None:
        """The key of the earlier run's part, if there is one."""
        return self.keys[number] if self.keys else None


def _bounds(starts: Sequence[Sequence[int]], part_bytes: int) -> list[int]:
    """Parts of at most `part_bytes`, but of one slot at least."""
    bounds, held = [0], 0
    for slot in range(SLOTS):
        size = sum(each[slot + 1] - each[slot] for each in starts)
        if held and held + size > part_bytes:
            bounds.append(slot)
            held = 0
        held += size
    return [*bounds, SLOTS]


def _earlier(parts: Parts, previous: str) -> _Earlier:
    index = json.loads(parts.s3.get_object(Bucket=parts.folder.bucket, Key=previous)["Body"].read())
    entries = index["parts"]
    keys = [entry["uri"] and entry["uri"].removeprefix(f"s3://{parts.folder.bucket}/") for entry in entries]
    return _Earlier([*(entry["slots"][0] for entry in entries), SLOTS], keys, index["bytes"])


def _part_groups(parts: Parts, inputs: Inputs, earlier: _Earlier, level: int) -> Iterator[dict[str, Any]]:
    """The items of FoldGroups, a part each. The first carries the counts of the run's items."""
    for number, slots in enumerate(pairwise(earlier.bounds)):
        yield {
            "number": number,
            "slots": list(slots),
            "inputs": parts.folder.inputs(level) if inputs.objects else None,
            "previous": earlier.part(number),
            "items": 0 if number else inputs.items,
            "failed": 0 if number else inputs.failed,
        }


def _check_room(
    parts: Parts, objects: Sequence[Grouped], starts: Sequence[Sequence[int]], bounds: Sequence[int]
) -> None:
    """PartTooLarge where a part is certain not to fit, before any is made: the keys of one object are distinct.

    A sorted line has no slot, four bytes less than its object's. What comes from several objects may be folded.
    """
    free = parts.tmp_bytes()
    for number, (low, high) in enumerate(pairwise(bounds)):
        for each, begins in zip(objects, starts, strict=True):
            needed = begins[high] - begins[low] - 4 * each.records
            if needed > free:
                raise PartTooLarge(parts.job, number, needed=needed, there_is=f"/tmp has {free:,} bytes free")


def _write_cuts(
    parts: Parts, objects: Sequence[Grouped], starts: Sequence[Sequence[int]], bounds: Sequence[int], level: int
) -> None:
    """For every object where the parts begin in it: a part then opens its own ranges and no others."""
    with LineWriter(parts.s3, parts.folder.bucket, parts.folder.inputs(level)) as writer:
        for each, begins in zip(objects, starts, strict=True):
            writer.write(dumps({"key": each.key, "cuts": [begins[bound] for bound in bounds]}))


def _pieces(parts: Parts, inputs: str | None, number: int) -> Iterator[Piece]:
    if inputs is None:
        return
    for line in read_lines(parts.s3, parts.folder.bucket, inputs):
        entry = json.loads(line)
        start, end = entry["cuts"][number], entry["cuts"][number + 1]
        if start < end:
            yield Piece(entry["key"], start, end)


def _finished(parts: Parts, inputs: Inputs, level: int) -> dict[str, Any]:
    """Write the index. Its size is bounded: there are no more parts than slots."""
    entries = sorted(inputs.parts, key=itemgetter("part"))
    totals = {name: sum(entry[name] for entry in entries) for name in ("records", "bytes")}
    folder = parts.folder
    parts.s3.put_object(
        Bucket=folder.bucket,
        Key=folder.index,
        Body=dumps({"kind": "parts", **totals, "parts": entries}),
        ContentType="application/json",
    )
    partial = {"index": folder.index, "parts": len(entries), **totals}
    return done_answer(level, partial=partial, items=inputs.items, failed=inputs.failed)
