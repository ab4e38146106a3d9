"""What the store keeps, one class a table. Times are epoch seconds; inputs and outputs are JSON text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WireEvent = dict[str, Any]
"""A history event as GetExecutionHistory sends it: timestamp (epoch seconds), type, id, previousEventId, details."""


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A state machine at one revision. `revision` is our number, unique over all machines; `revision_id` is AWS's
    (None until the first update). `options` holds loggingConfiguration, tracingConfiguration and
    encryptionConfiguration as they were given. `version_arn` and `alias_arn` say by which version, and by which alias, an
    execution that is about to start was asked for; they are not kept with the machine.
    """

    arn: str
    name: str
    type: str  # STANDARD | EXPRESS
    definition: str
    role_arn: str
    created: float
    updated: float
    revision: int
    revision_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    version_arn: str | None = None
    alias_arn: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """An execution. `id` comes from `Store.next_execution_id`; 0 for a map run's child, which has no row of its own.

    `machine_revision` is the revision of the definition that it runs. `map_run_arn` and `item_count` are set for
    children only. `version_arn` and `alias_arn` are those that it was started by.
    """

    id: int
    arn: str
    machine_arn: str
    machine_revision: int
    name: str
    start: float
    input: str
    type: str = "STANDARD"
    status: str = "RUNNING"
    stop: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrive_count: int = 0
    redrive_date: float | None = None
    trace_header: str | None = None
    map_run_arn: str | None = None
    item_count: int | None = None
    version_arn: str | None = None
    alias_arn: str | None = None


@dataclass(frozen=True, slots=True)
class MapRunRow:
    """A map run. `item_counts` and `execution_counts` are DescribeMapRun's, by its names (pending, running, …).

    `machine_arn` is the plain one, without the label. `definition` is the ItemProcessor's text, which
    DescribeStateMachineForExecution shows for a child. `execution_arn` may itself be a child's (nested maps).

    `source_etag` identifies the one object that the items were read from (None: none, or many). `all_started`: the
    items were read to their end, and every child has been started. `result_files` are the manifest's SUCCEEDED
    entries of attempts that have ended: [{"Key", "Size"}]. `child_head` is what the names of the children have in
    common, by which a child's map run is found.
    """

    id: int
    arn: str
    execution_arn: str
    machine_arn: str
    label: str
    start: float
    child_type: str = "STANDARD"
    status: str = "RUNNING"
    stop: float | None = None
    max_concurrency: int = 0
    tolerated_percentage: float = 0.0
    tolerated_count: int = 0
    item_counts: Mapping[str, int] = field(default_factory=dict)
    execution_counts: Mapping[str, int] = field(default_factory=dict)
    redrive_count: int = 0
    redrive_date: float | None = None
    definition: str = "{}"
    source_etag: str | None = None
    all_started: bool = False
    result_files: Sequence[Mapping[str, Any]] = ()
    child_head: str = ""


@dataclass(slots=True)
class ChildRow:
    """A child execution of a map run: the `index`-th, from 0. Its ARN follows from the map run's and the index.

    Listings for people leave `input`, `output` and `cause` out (None), which may be long. `attempt` is the map run's
    redrive count at which the child last ended.
    """

    map_run_id: int
    index: int
    status: str
    start: float
    stop: float | None
    item_count: int
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrive_count: int = 0
    redrive_date: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Redrive:
    """Which unsuccessful children a map run's redrive runs again: whose `attempt` is less, and who stopped and started
    no earlier.
    """

    attempt: int
    stopped_since: float
    started_since: float

    def runs_again(self, child: ChildRow) -> bool:
        """Whether a child with this row does, or waits for it."""
        return (
            child.status in ("FAILED", "TIMED_OUT", "ABORTED")
            and child.attempt < self.attempt
            and (child.stop is None or child.stop >= self.stopped_since)
            and child.start >= self.started_since
        )


@dataclass(frozen=True, slots=True)
class ChildFilter:
    """Which ended children a listing is of; None: any.

    `redriven`: those that were redriven, or that were not. `waiting`: those that this redrive runs again; `settled`:
    those that it does not.
    """

    redriven: bool | None = None
    waiting: Redrive | None = None
    settled: Redrive | None = None


EVERY_CHILD = ChildFilter()


@dataclass(frozen=True, slots=True)
class Page:
    """Where a listing goes on: rows after (in the listing's order) `after`, at most `limit`."""

    limit: int
    after: int | None = None
