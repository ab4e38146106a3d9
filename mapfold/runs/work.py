"""Work: run the map function on every item of a batch, collect what it gives, keep failed items apart.

An item fails alone: whatever the map function raises, or returns that JSON cannot carry, is noted with its traceback,
and the next item's turn comes. When the time runs low, the items that are left are noted as failed too (OutOfTime),
so that what was done is not lost. A fold that raises fails the batch: its partials can no longer be told apart.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mapfold.codec import Place, decode, holds_dataclass
from mapfold.context import Context
from mapfold.job import Job
from mapfold.runs.collecting import Collector, collector
from mapfold.runs.folder import RunFolder
from mapfold.runs.identity import add_up, as_text, item_digest, ranges, source_id
from mapfold.runs.partials import dumps
from mapfold.runs.shown_item import shown_item

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MESSAGE_CHARACTERS = 2_000
TRACEBACK_CHARACTERS = 8_000
RESERVE_SECONDS = 2.0
"""Kept for writing the partial and the failures when the time runs low; a tenth of a short timeout, if that is less."""

RANGES_BYTES = 20_000
"""Of a payload of 262,144 bytes, beside a partial of up to 200,000. A batch without gaps has one range."""

OUT_OF_TIME = "Mapfold.OutOfTime"

_OURS = str(Path(__file__).parent)


class BatchFailed(Exception):
    """Every item of the batch failed. The class's name is the error that Step Functions sees."""

    def __init__(self, items: int, first: str, uri: str) -> None:
        super().__init__(f"all items of the batch failed ({items}), the first with {first}; they are in {uri}")
        self.items = items


@dataclass(frozen=True, slots=True)
class Batch:
    """One child execution's input. `items` are `{"i": index, "v": what the reader gave}`.

    listed: Plan listed the items, and `v` is the author's already.
    """

    run_id: str
    source: Mapping[str, str]
    items: Sequence[Mapping[str, Any]]
    execution: str
    listed: bool = False

    @property
    def first_index(self) -> int:
        """With that of the last item it names the batch's objects in S3."""
        return int(self.items[0]["i"])

    @property
    def last_index(self) -> int:
        """The index of its last item."""
        return int(self.items[-1]["i"])


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch of which at least one item succeeded.

    output: the child execution's, {"partial", "items", "failed", "failures"?, "ranges", "digest"} (see `identity`). In the
    place of the partial, a job whose result is in parts or shards has where the batch's records or values lie.
    partial_bytes: of all that as JSON.
    """

    output: dict[str, Any]
    partial_bytes: int


@dataclass(slots=True)
class Tally:
    """A batch as it goes."""

    succeeded: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)


def run_batch(job: Job, batch: Batch, context: Context, *, s3: S3Client, folder: RunFolder) -> BatchDone:
    """Map, fold, and write what does not fit into the output. BatchFailed if no item succeeded."""
    with collector(job) as collected:
        tally = map_items(job, batch, context, collected)
        key = write_failed(tally, batch, s3=s3, folder=folder) if tally.failures else None
        if key and not tally.succeeded:
            first = tally.failures[0]
            raise BatchFailed(len(batch.items), f"{first['error']}: {first['message'][:200]}", folder.uri(key))
        packed, size = collected.packed(s3, folder, first=batch.first_index, last=batch.last_index)
    output = {"partial": packed, "items": len(batch.items), "failed": len(tally.failures)}
    output |= batch_identity(job, batch, s3=s3, folder=folder)
    return BatchDone({**output, "failures": key} if key else output, size)


def write_failed(tally: Tally, batch: Batch, *, s3: S3Client, folder: RunFolder) -> str:
    """Write the failed items of a batch; gives the key. Finish finds those of a BatchFailed without being told."""
    text = b"".join(dumps(failure) + b"\n" for failure in tally.failures)
    digest = blake2b(text, digest_size=8).hexdigest() if tally.succeeded else ""
    key = folder.failed(batch.first_index, batch.last_index, digest)
    s3.put_object(Bucket=folder.bucket, Key=key, Body=text)
    return key


def batch_identity(job: Job, batch: Batch, *, s3: S3Client, folder: RunFolder) -> dict[str, Any]:
    """Which items the batch had: {"ranges", "digest"} (see `identity`).

    Ranges that are too many for a state's payload, of a list with gaps, go to S3: {"$s3": key}.
    """
    digests = (item_digest(entry["i"], _shown_item(job, batch, entry)) for entry in batch.items)
    digest = as_text(add_up(digests))
    found = ranges(entry["i"] for entry in batch.items)
    text = dumps(found)
    if len(text) <= RANGES_BYTES:
        return {"ranges": found, "digest": digest}
    key = folder.ranges(batch.first_index, digest)
    s3.put_object(Bucket=folder.bucket, Key=key, Body=text)
    return {"ranges": {"$s3": key}, "digest": digest}


def map_items(job: Job, batch: Batch, context: Context, collected: Collector) -> Tally:
    """Map and collect every item, until the time runs low."""
    tally = Tally()
    map_item = item_mapper(job, batch.source, listed=batch.listed)
    available = context.seconds_left()
    reserve = min(RESERVE_SECONDS, available / 10)
    from_source = source_id(batch.source)
    for entry in batch.items:
        context.item_id = f"{from_source}#{entry['i']}"
        if context.seconds_left() < reserve + min(collected.seconds_to_write, available / 3):
            tally.failures.append(_out_of_time(job, batch, entry, len(batch.items)))
            continue
        try:
            accepted = collected.accept(entry["i"], map_item(entry["v"], context))
        except Exception as error:  # noqa: BLE001 - the author's code: it must not take the other items with it
            context.logger.warning("item failed", extra={"index": entry["i"], "error": type(error).__name__})
            tally.failures.append(_failure(job, batch, entry, error))
            continue
        collected.take(accepted)
        tally.succeeded += 1
    return tally


def item_mapper(job: Job, source: Mapping[str, str], *, listed: bool = False) -> Callable[[Any, Context], Any]:
    """From what the reader gave to what the map function returns. listed: it gave the author's item."""
    function, annotation = job.map_function, job.item_type
    place = Place(job.name, "map")
    builds, from_text = holds_dataclass(annotation), job.source.items_are_text

    def map_item(raw: Any, context: Context) -> Any:
        item = raw if listed else job.source.item(raw, source)
        if builds:
            item = decode(annotation, item, place, "item", from_text=from_text)
        return function(item, context)

    return map_item


def _failure(job: Job, batch: Batch, entry: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    text = "".join(traceback.format_exception(type(error), error, _without_our_frames(error)))
    return {
        "item": _shown_item(job, batch, entry),
        "index": entry["i"],
        "error": type(error).__name__,
        "message": ". ".join((str(error), *getattr(error, "__notes__", ())))[:MESSAGE_CHARACTERS],
        "traceback": text if len(text) <= TRACEBACK_CHARACTERS else f"…{text[-TRACEBACK_CHARACTERS:]}",
        "execution": batch.execution,
    }


def _without_our_frames(error: Exception) -> TracebackType | None:
    """The traceback from where it leaves this folder's modules: what the author can do something about."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None and _is_ours(frame):
        frame = frame.tb_next
    return frame


def _is_ours(frame: TracebackType) -> bool:
    return frame.tb_frame.f_code.co_filename.startswith(_OURS)


def _out_of_time(job: Job, batch: Batch, entry: Mapping[str, Any], count: int) -> dict[str, Any]:
    message = (
        f"the time ran out before this item's turn: {count} items do not fit into {job.timeout_seconds} s. "
        "Lower the job's batch_items or raise its timeout_seconds."
    )
    item = _shown_item(job, batch, entry)
    facts = {"item": item, "index": entry["i"], "error": OUT_OF_TIME, "message": message}
    return {**facts, "traceback": None, "execution": batch.execution}


def _shown_item(job: Job, batch: Batch, entry: Mapping[str, Any]) -> Any:
    """The author's item, or what the reader gave if that cannot be made one."""
    return shown_item(job, entry["v"], {"source": batch.source, "listed": batch.listed})
