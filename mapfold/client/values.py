"""What the client gives back: AWS's answers as values, parsed once in `aws.py`. Times are epoch seconds (float)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

Json = Any
"""A JSON value: None, bool, int, float, str, list[Json] or dict[str, Json]."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list that the service pages, and the service's own token of the one behind it."""

    items: tuple[T, ...]
    next: str | None = None


class Status(StrEnum):
    """The status of an execution or a map run (service-api.md 3)."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended (a redrive may still reopen it)."""
        return self not in (Status.RUNNING, Status.PENDING_REDRIVE)


FAILURES = (Status.FAILED, Status.TIMED_OUT, Status.ABORTED)


@dataclass(frozen=True, slots=True)
class StateMachine:
    """The state machine of a job."""

    arn: str
    job: str


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """A line of ListExecutions. `items` only for the children of a map run."""

    arn: str
    name: str
    status: Status
    started: float
    stopped: float | None = None
    items: int | None = None
    redrive_count: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """What DescribeExecution says. `input` and `output` are JSON texts, as the service keeps them.

    redriven: when it was last redriven. redrive_status: whether it may be; not_redrivable_because: why not, in AWS's
    words.
    """

    arn: str
    name: str
    state_machine_arn: str
    status: Status
    started: float
    stopped: float | None = None
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrive_count: int = 0
    redriven: float | None = None
    redrive_status: str | None = None
    not_redrivable_because: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it ran, or None while it runs."""
        return None if self.stopped is None else self.stopped - self.started


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a run stands on, by its record, and the run that stands on it.

    runs: those whose results are in its own, the first one first. retried_by: the run that tried its failed items again.
    """

    runs: tuple[str, ...] = ()
    retried_by: str | None = None

    @property
    def retry_of(self) -> str | None:
        """The run whose failed items it tried again, if it did."""
        return self.runs[-1] if self.runs else None

    def as_document(self) -> dict[str, Json]:
        """As `--json` and the API tell it."""
        return {"retry_of": self.retry_of, "lineage": list(self.runs), "retried_by": self.retried_by}


@dataclass(frozen=True, slots=True)
class Counts:
    """Items or child executions of a map run, by where they are (DescribeMapRun).

    pending_redrive: those that ended badly before the map run was redriven, and wait to run again.
    """

    total: int = 0
    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    aborted: int = 0
    pending_redrive: int = 0

    @property
    def done(self) -> int:
        """How many have ended, well or badly."""
        return self.succeeded + self.failed + self.timed_out + self.aborted


@dataclass(frozen=True, slots=True)
class MapRunSummary:
    """A line of ListMapRuns. `label` is the Map state's Label, or what the service made up."""

    arn: str
    label: str
    started: float
    stopped: float | None = None


@dataclass(frozen=True, slots=True)
class MapRun:
    """What DescribeMapRun says. `children` counts child executions: batches, where the Map has an ItemBatcher."""

    arn: str
    execution_arn: str
    label: str
    status: Status
    started: float
    stopped: float | None
    max_concurrency: int
    items: Counts
    children: Counts
    redrive_count: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a history. `details` is its one details object, without the name that depends on the type."""

    id: int
    previous: int
    type: str
    at: float
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What GetFunction says of a Lambda function, as far as a deployment compares it."""

    arn: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]


def decode(text: str | None) -> Json:
    """The value of a JSON text of the service, or None where there is none or it is not JSON."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def explain_cause(cause: str | None) -> tuple[str, str | None]:
    """Message and traceback of a cause, for people.

    The cause of a Lambda error is its whole payload as JSON text (service-api.md 6); of any other, the text itself.
    """
    payload = decode(cause)
    if not isinstance(payload, Mapping) or "errorMessage" not in payload:
        return cause or "", None
    trace = payload.get("stackTrace")
    return str(payload["errorMessage"]), "".join(trace) if isinstance(trace, list) and trace else None
