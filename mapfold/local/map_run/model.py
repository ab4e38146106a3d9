"""What a map run is made of: who it is, its children, what became of them, and how a run can break.

Times are epoch seconds (float); texts are JSON; sizes are bytes of UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from mapfold.states.effects import Json

PAYLOAD_LIMIT_BYTES = 262_144
"""The most that a child's input, or a Map state's output, may hold (Step Functions service quotas)."""

MAX_CONCURRENCY = 10_000
"""Children of one map run at once: the hard maximum, and what 0 stands for."""

MAX_ITEMS = 100_000_000
"""Where reading stops, whatever MaxItems says (ItemReader, Map)."""


class MapRunStatus(StrEnum):
    """The status of a map run, as DescribeMapRun spells it."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"


class ChildStatus(StrEnum):
    """How a child execution ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class FormerLife:
    """What a child that goes on was before: its history so far, and how often it has been redriven.

    `redriven`: it had ended without success and is redriven now; otherwise it was running when the engine ended.
    """

    start: float
    events: list[dict[str, Any]]
    redrive_count: int
    redrive_date: float | None
    redriven: bool

    @property
    def waits_for_redrive(self) -> bool:
        """It counts as pendingRedrive until it runs: a child that was ever redriven has an unsuccessful row."""
        return self.redriven or self.redrive_count > 0


@dataclass(slots=True)
class Child:
    """A child execution to run. `index` counts from 0 in the order of the items; `input_text` is its whole input.

    `former` is None but for a child that goes on from where it was.
    """

    index: int
    item_count: int
    input_text: str
    former: FormerLife | None = None


@dataclass(slots=True)
class ChildResult:
    """What became of a child. `output_text` is set only when it succeeded; `start` and `stop` are epoch seconds.

    `status` is a `ChildStatus` or its text. `redrive_count`: how often this child has been redriven;
    `not_redrivable`: why it cannot be again, where that is so though it did not succeed.
    """

    status: str
    output_text: str | None
    error: str | None
    cause: str | None
    name: str
    arn: str
    start: float
    stop: float
    redrive_count: int = 0
    not_redrivable: str | None = None


@dataclass(slots=True)
class Chunk:
    """Items in the order in which they were read. `keys` is set when they are the members of an object.

    `source` is their `$$.Map.Item.Source`, where it is another than `source_name` gives for the whole reader.
    """

    values: list[Json]
    keys: list[str] | None = None
    source: str | None = None

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self.values)

    def first(self, count: int) -> Chunk:
        """The first `count` items."""
        return Chunk(self.values[:count], self.keys and self.keys[:count], self.source)


@dataclass(slots=True)
class EncodedChunk:
    """`count` items as the whole input of the child that gets them: `{"BatchInput":…,"Items":[…]}`."""

    input_text: str
    count: int

    def first(self, count: int) -> Chunk:
        """The first `count` items."""
        return self.decoded().first(count)

    def decoded(self) -> Chunk:
        """The items themselves."""
        return Chunk(orjson.loads(self.input_text)["Items"])


Chunks = Iterator[Chunk]
"""What a reader gives: made, and read from, in one thread of its own; it may block."""

ReadChunks = Iterator[Chunk] | Iterator[Chunk | EncodedChunk]
"""What the event loop gets of it."""


class MapRunError(Exception):
    """The whole map run fails with this error name and cause. It never leaves this package: it becomes a value."""

    error = "States.Runtime"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class ItemReaderError(MapRunError):
    """The items could not be read: the cause names the object, the line and the field, and what was expected."""

    error = "States.ItemReaderFailed"


class ResultWriterError(MapRunError):
    """A result file could not be written: the cause names the bucket and the key."""

    error = "States.ResultWriterFailed"


class DataLimitError(MapRunError):
    """A child's input or the Map's output is over 262,144 bytes."""

    error = "States.DataLimitExceeded"


class S3Client(Protocol):
    """The calls of boto3's S3 client that a map run makes, always from a thread."""

    def get_object(self, **kwargs: Any) -> Any: ...
    def list_objects_v2(self, **kwargs: Any) -> Any: ...
    def put_object(self, **kwargs: Any) -> Any: ...
    def create_multipart_upload(self, **kwargs: Any) -> Any: ...
    def upload_part(self, **kwargs: Any) -> Any: ...
    def complete_multipart_upload(self, **kwargs: Any) -> Any: ...
    def abort_multipart_upload(self, **kwargs: Any) -> Any: ...
    def list_multipart_uploads(self, **kwargs: Any) -> Any: ...


S3Factory = Callable[[], S3Client]
"""Gives an S3 client. It is called in a thread, because building a boto3 client takes some 100 ms."""
