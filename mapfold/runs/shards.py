"""An ordered result: the batches' values to shards, each a JSON Lines file of a range of indexes.

Fold sorts what the batches say of their objects (a line each, in files where they are many) and cuts the indexes into
ranges of about `shard_bytes`; a child of FoldGroups writes the shard of each, and Fold their index. Where all of it is
small there is one shard, and Fold writes it itself.

Batches are mostly disjoint, so a shard is one object after the other. Where they overlap (a batch was cut after its worker
died; a retry's items lie among those of the run before) the lines are merged by index, and an object that reaches over
the end of a shard is read for both. Open at a time are the objects that overlap at one place, READ_AHEAD bytes of each: of
one map run's batches one, of a retry two.

For a retry: `previous` is the key of the `result/index.json` of the run that is retried. Its shards are then read like
batches, and the new result is whole by itself. Of an item in both, the new value counts.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mapfold.runs.folder import RunFolder
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
)
from mapfold.runs.partials import dumps
from mapfold.runs.sorting import SortedLines
from mapfold.runs.values import Values, read_values

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NEW, _OLD = 0, 1
"""Of equal indexes the new value comes first."""


@dataclass(frozen=True, slots=True)
class ShardSizes:
    """How much one Lambda writes. `shard_objects`: each costs a request of some 20 ms, so 5,000 take 100 s."""

    shard_bytes: int = 256 * 1024 * 1024
    shard_objects: int = 5_000
    direct_bytes: int = 16 * 1024 * 1024
    direct_objects: int = 200


@dataclass(frozen=True, slots=True)
class Shards:
    """Where the shards of a run are made."""

    s3: S3Client
    folder: RunFolder
    sizes: ShardSizes = ShardSizes()


@dataclass(slots=True)
class _Counted:
    """All inputs of a level, in numbers."""

    objects: int = 0
    bytes: int = 0
    items: int = 0
    failed: int = 0
    has_shards: bool = False


@dataclass(slots=True)
class _Cut:
    """The shard at hand while the sorted inputs pass by: indexes from `low` on."""

    low: int = 0
    bytes: int = 0
    inputs: list[dict[str, Any]] = field(default_factory=list)


def fold_shards_or_split(
    shards: Shards, outcome: MapOutcome, *, level: int, previous: str | None = None
) -> dict[str, Any]:
    """Level `level` of an ordered result: the index if the shards are written, or the groups that write them."""
    counted = _Counted()
    with SortedLines[int](_first_of) as entries:
        with listing_failures(shards.s3, shards.folder, f"folded-{level}") as failures:
            for entry in _entries(shards, outcome, counted, failures):
                entries.add(entry["first"], dumps(entry))
        if counted.has_shards:
            return _finished(shards, (json.loads(line) for _, line in entries), counted, level)
        for entry in _shards_before(shards, previous):
            counted.objects += 1
            counted.bytes += entry["bytes"]
            entries.add(entry["first"], dumps(entry))
        ordered = (json.loads(line) for _, line in entries)
        sizes = shards.sizes
        if counted.bytes <= sizes.direct_bytes and counted.objects <= sizes.direct_objects:
            written = [write_shard(shards, list(ordered), number=0, low=0, high=None)] if counted.objects else []
            return _finished(shards, iter(written), counted, level)
        _write_groups(shards, ordered, counted, level + 1)
    return split_answer(shards.folder, level + 1)


def fold_shard_group(shards: Shards, group: Mapping[str, Any]) -> dict[str, Any]:
    """What a child of FoldGroups does: one shard. Gives its output."""
    lines = read_lines(shards.s3, shards.folder.bucket, group["key"], start=group["start"], end=group["end"])
    shard = write_shard(shards, map(json.loads, lines), number=group["number"], low=group["low"], high=group["high"])
    return {"partial": shard, "items": group["items"], "failed": group["failed"]}


def shards_result(folder: RunFolder, partial: Mapping[str, Any]) -> dict[str, Any]:
    """What result.json says, from the last fold's partial: where the index is, and how much it lists."""
    totals = {name: partial[name] for name in ("shards", "lines", "bytes")}
    return {"index": folder.uri(partial["index"]), **totals}


def write_shard(
    shards: Shards, inputs: Iterable[Mapping[str, Any]], *, number: int, low: int, high: int | None
) -> dict[str, Any]:
    """Write the lines of indexes from `low` to before `high` of the inputs, which are sorted by their first index.

    Gives the shard's entry in the index.
    """
    key = shards.folder.shard(number)
    first: int | None = None
    index = low - 1
    with LineWriter(shards.s3, shards.folder.bucket, key) as writer:
        for index, line in _in_order(shards, inputs, low, _ENDLESS if high is None else high):
            first = index if first is None else first
            writer.write(line)
    facts = {"lines": writer.lines, "bytes": writer.bytes, "uri": shards.folder.uri(key)}
    return {"shard": number, "first": low if first is None else first, "last": index, **facts}


_ENDLESS = 1 << 62


def _in_order(shards: Shards, inputs: Iterable[Mapping[str, Any]], low: int, high: int) -> Iterator[tuple[int, bytes]]:
    """Lines by index. An object is opened when its first index comes and closed at its end."""
    waiting = iter(inputs)
    coming = next(waiting, None)
    heads: list[tuple[int, int, int, bytes, Iterator[tuple[int, bytes]]]] = []
    opened = 0
    last = -1
    while heads or coming is not None:
        while coming is not None and (not heads or coming["first"] <= heads[0][0]):
            age = _OLD if "shard" in coming else _NEW
            stream = read_values(shards.s3, shards.folder.bucket, _values(shards, coming), low=low, high=high)
            if (head := next(stream, None)) is not None:
                heapq.heappush(heads, (head[0], age, opened, head[1], stream))
            opened += 1
            coming = next(waiting, None)
        if not heads:
            continue
        index, age, number, line, stream = heads[0]
        if index != last:
            yield index, line
            last = index
        if (head := next(stream, None)) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (head[0], age, number, head[1], stream))


def _values(shards: Shards, entry: Mapping[str, Any]) -> Values:
    """An input: a batch's object, or a shard of an earlier run."""
    key = entry["key"] if "key" in entry else entry["uri"].removeprefix(f"s3://{shards.folder.bucket}/")
    return Values(key, entry["bytes"], entry["lines"], entry["first"], entry["last"])


def _first_of(line: bytes) -> int:
    return int(json.loads(line)["first"])


def _entries(
    shards: Shards, outcome: MapOutcome, counted: _Counted, failures: FailureList
) -> Iterator[Mapping[str, Any]]:
    for output in read_outputs(shards.s3, whole(outcome.succeeded)):
        failures.note(output)
        counted.items += output["items"]
        counted.failed += output["failed"]
        partial = output["partial"]
        if partial is None:
            continue
        counted.objects += 1
        counted.bytes += partial["bytes"]
        counted.has_shards = counted.has_shards or "shard" in partial
        yield partial


def _shards_before(shards: Shards, previous: str | None) -> Iterator[Mapping[str, Any]]:
    """The shards of an earlier run's index, whose lines are read as they come: there may be thousands."""
    if previous is None:
        return
    for line in read_lines(shards.s3, shards.folder.bucket, previous):
        if line.startswith(b'{"shard":'):
            yield json.loads(line.rstrip(b","))


def _write_groups(shards: Shards, ordered: Iterable[Mapping[str, Any]], counted: _Counted, level: int) -> None:
    """Write the inputs of every shard as a range of one list, and the ranges as groups."""
    folder = shards.folder
    key = folder.inputs(level)
    with (
        LineWriter(shards.s3, folder.bucket, key) as inputs,
        LineWriter(shards.s3, folder.bucket, folder.groups(level)) as groups,
    ):
        for number, (cut, high) in enumerate(_cuts(ordered, shards.sizes)):
            start = inputs.bytes
            for entry in cut.inputs:
                inputs.write(dumps(entry))
            piece = Group(number, folder.bucket, key, start, inputs.bytes).as_item()
            counts = {"items": 0 if number else counted.items, "failed": 0 if number else counted.failed}
            groups.write(dumps({**piece, "low": cut.low, "high": high, **counts}))


def _cuts(ordered: Iterable[Mapping[str, Any]], sizes: ShardSizes) -> Iterator[tuple[_Cut, int | None]]:
    """The shards with their ends, in order. An input that reaches over an end is also one of the next shard.

    In memory are the inputs of one shard: a line of some 150 bytes for each.
    """
    cut = _Cut()
    for entry in ordered:
        first = entry["first"]
        is_full = cut.bytes + entry["bytes"] > sizes.shard_bytes or len(cut.inputs) >= sizes.shard_objects
        if cut.inputs and is_full and first > cut.low:
            yield cut, first
            cut = _Cut(low=first, inputs=[each for each in cut.inputs if each["last"] >= first])
        cut.inputs.append(dict(entry))
        cut.bytes += entry["bytes"]
    if cut.inputs:
        yield cut, None


def _finished(shards: Shards, entries: Iterator[Mapping[str, Any]], counted: _Counted, level: int) -> dict[str, Any]:
    """Write the index: a JSON document that has a line for each shard, written as they come."""
    folder = shards.folder
    totals = {"shards": 0, "lines": 0, "bytes": 0}
    with LineWriter(shards.s3, folder.bucket, folder.index) as writer:
        writer.write(b'{"kind":"shards","shards":[')
        held: Mapping[str, Any] | None = None
        for entry in entries:
            if held is not None:
                writer.write(dumps(held) + b",")
            held = entry
            totals["shards"] += 1
            totals["lines"] += entry["lines"]
            totals["bytes"] += entry["bytes"]
        if held is not None:
            writer.write(dumps(held))
        writer.write(b'],"lines":%d,"bytes":%d}' % (totals["lines"], totals["bytes"]))
    return done_answer(level, partial={"index": folder.index, **totals}, items=counted.items, failed=counted.failed)
