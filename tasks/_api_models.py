"""The documents of the HTTP API: what a request may say, and what answers look like. Of these its OpenAPI is made.

Answers are made by `mapfold.client.documents`, which `--json` prints too, and are not validated again on their way out:
the tests hold them against these models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mapfold.client import Status, check_run_name
from mapfold.errors import UsageError
from mapfold.runs.partials import dumps
from mapfold.runs.plan import PARAMS_BYTES, ParamsTooLarge
from mapfold.runs.selection import parse_selection
from mapfold.sources import Objects

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-27T03:21:09.120Z"])]
Arn = Annotated[
    str, Field(examples=["arn:aws:states:eu-west-1:123456789012:execution:mapfold-dev-flight-delays:first"])
]
RunId = Annotated[str, Field(description="The run's name: that of its execution.", examples=["first"])]
Next = Annotated[
    str | None, Field(description="Give it back as `next` to get the page behind this one; null behind the last.")
]


RetryOf = Annotated[
    str | None, Field(description="The run whose failed items it tried again; null where it is no retry.")
]
RetriedBy = Annotated[str | None, Field(description="The run that tried its failed items again; null where none did.")]


_SHOWN = 100
"""Characters of a wrong value that are repeated."""


class Document(BaseModel):
    """A document that has these members and no others."""

    model_config = ConfigDict(extra="forbid")


RunName = Annotated[
    str | None,
    Field(
        description="The run's name: 1 to 80 letters, digits, `.`, `_` and `-`, the first one a letter or digit. Asking "
        "again with the same name starts nothing. Without it, the run is called JOB-DATE-TIME-xxxx.",
        examples=["first"],
    ),
]


class StartRun(Document):
    """Which job to run over what. A message of the start queue says the same."""

    job: str = Field(description="A job that is deployed.", examples=["flight-delays"])
    source: str = Field(
        max_length=1_100,
        description="The S3 URI of what the job reads: an object, or a prefix for a job over a listing.",
        examples=["s3://mapfold-data/manifests/flight-delays/flights-2013.csv"],
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        description=f"For the job's functions: `context.params`. At most {PARAMS_BYTES:,} bytes as JSON.",
        examples=[{"year": "2013"}],
    )
    name: RunName = None

    @field_validator("source")
    @classmethod
    def _is_uri(cls, source: str) -> str:
        try:
            Objects().parse_uri(source)  # whether it must name an object, the job says: Plan asks it
        except UsageError as error:
            raise ValueError(str(error)) from error
        return source

    @field_validator("params")
    @classmethod
    def _are_small(cls, params: dict[str, Any]) -> dict[str, Any]:
        if (size := len(dumps(params))) > PARAMS_BYTES:
            raise ValueError(str(ParamsTooLarge(size)))
        return params

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str | None) -> str | None:
        return _run_name(name)


class RetryRun(Document):
    """Which failed items of a run to try again; without `where`, all."""

    where: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="Conditions FIELD=VALUE: error, message and key with a pattern, item.FIELD with a pattern, signature with "
        "6 to 8 hexadecimal digits, index with a number or FIRST-LAST. Those of one field are alternatives, those of several "
        "must all hold.",
        examples=[["error=ValueError", "key=logs/2013-*"]],
    )
    name: RunName = None
    again: bool = Field(default=False, description="Also if the run was retried before.")

    @field_validator("where")
    @classmethod
    def _are_conditions(cls, where: list[str]) -> list[str]:
        try:
            parse_selection(where)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return where

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str | None) -> str | None:
        return _run_name(name)


def _run_name(name: str | None) -> str | None:
    try:
        return None if name is None else check_run_name(name)
    except UsageError as error:
        raise ValueError(str(error)) from error


def explain(problems: Iterable[Mapping[str, Any]], *, document: type[Document] = StartRun) -> str:
    """What is wrong with a document, by pydantic: where, what is allowed, what was found; all of it."""
    return "; ".join(_explained(problem, document) for problem in problems)


def _explained(problem: Mapping[str, Any], document: type[Document]) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "it"
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    match problem["type"]:
        case "json_invalid":
            return f"the body is no JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}"
        case "extra_forbidden":
            return f"{where}: there is no such field; there are {', '.join(document.model_fields)}"
        case "missing" | "value_error":
            return f"{where}: {message}"
        case _:
            found = repr(problem.get("input"))
            return f"{where}: {message}, not {found if len(found) <= _SHOWN else found[:_SHOWN] + '…'}"


class Problem(Document):
    """Why a request was not carried out."""

    error: str = Field(description="A word that a program can tell it by.", examples=["UnknownRun"])
    message: str = Field(
        description="What is wrong, and what to do.", examples=["there is no run 'fist'. Did you mean first?"]
    )


class Description(BaseModel):
    """The OpenAPI document of this API."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class JobLine(Document):
    """A job that is deployed."""

    name: str = Field(examples=["flight-delays"])
    state_machine_arn: str = Field(
        examples=["arn:aws:states:eu-west-1:123456789012:stateMachine:mapfold-dev-flight-delays"]
    )


class Jobs(Document):
    """The jobs that are deployed, by name."""

    jobs: list[JobLine]


class RunStatus(Document):
    """A run after it was started, stopped or redriven."""

    run_id: RunId
    status: Status
    execution_arn: Arn


class RunLine(Document):
    """A run in the list of runs."""

    run_id: RunId
    job: str = Field(examples=["flight-delays"])
    status: Status
    started: Moment
    stopped: Moment | None
    seconds: float | None = Field(description="From start to stop; null while it runs.")
    execution_arn: Arn
    redrive_count: int
    retry_of: RetryOf
    retried_by: RetriedBy


class Runs(Document):
    """A page of runs, newest first."""

    runs: list[RunLine]
    next: Next


class Counts(Document):
    """Items, or child executions (batches), by where they are."""

    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    timed_out: int
    aborted: int
    pending_redrive: int


class MapRunFacts(Document):
    """A map run. An item that failed within a batch that succeeded counts as succeeded here."""

    map_run_arn: str
    label: str = Field(
        description="The job's name: over the items. Listed: over items that Plan listed. Isolate: over pieces of batches "
        "whose worker died. FoldGroups: over groups of partials.",
        examples=["flight-delays"],
    )
    status: Status
    started: Moment
    stopped: Moment | None
    max_concurrency: int
    redrive_count: int
    items: Counts
    executions: Counts


class Items(Document):
    """The items of a run that has ended."""

    total: int
    succeeded: int
    failed: int


class Retried(Document):
    """Items that were tried again."""

    items: int
    succeeded: int
    failed: int


class ReplacedOutput(Document):
    """The state behind Finish that gave something else than it."""

    by: str | None = Field(description="null where it is not known.", examples=["Tell"])


class Run(Document):
    """One run. Members from `items` on are there only where the run has ended, `error` and `cause` where it failed."""

    run_id: RunId
    job: str
    status: Status
    execution_arn: Arn
    started: Moment
    stopped: Moment | None
    seconds: float | None
    redrive_count: int
    redriven: Moment | None = Field(description="When it was last redriven.")
    retry_of: RetryOf
    lineage: list[str] = Field(description="The runs whose results are in its own, the first one first.")
    retried_by: RetriedBy
    input: Any = Field(description="What the run was started with.")
    map_runs: list[MapRunFacts] = Field(description="Oldest first.")
    items: Items | None = Field(default=None, description="Of all runs that it stands on, each item once.")
    retried: Retried | None = Field(default=None, description="Where it is a retry: the items that it tried again.")
    result: Any = Field(default=None, description="Where it has no more than 100,000 bytes. `/result` has any.")
    result_kind: str | None = Field(
        default=None,
        description="parts or shards, where the result says in which files of S3 it is; left out where it is the result itself.",
        examples=["parts"],
    )
    result_uri: str | None = Field(default=None, examples=["s3://mapfold-runs/runs/first/result.json"])
    failures_uri: str | None = Field(default=None, description="Where items failed: the file that lists them all.")
    error: str | None = None
    cause: str | None = None
    failed_state: str | None = Field(
        default=None, description="The state whose error it ended with, where that is known.", examples=["Plan"]
    )
    output_replaced: ReplacedOutput | None = Field(
        default=None, description="Only where a state behind Finish replaced the execution's output."
    )


class IsolationFacts(Document):
    """How far a round of the isolation is: which one, and the pieces of batches that it runs."""

    round: int
    pieces: Counts


class ProgressFacts(Document):
    """How far a run is."""

    run_id: RunId
    status: Status
    stage: str = Field(description="The state that it is in.", examples=["Map"])
    items: Counts
    batches: Counts
    seconds: float = Field(description="Since it started; until it stopped.")
    items_per_second: float | None = Field(description="In the mean since its map run started.")
    seconds_left: float | None = Field(description="For the map run, at that rate.")
    isolation: IsolationFacts | None = Field(
        description="While pieces of batches whose worker died run. They are no new items."
    )


class FailureLine(Document):
    """An item that failed. `execution`: the child execution that failed with all its items."""

    item: Any
    index: int | None = Field(description="Its place in the source.")
    error: str = Field(examples=["ValueError"])
    message: str
    traceback: str | None
    execution: str | None = None


class Failures(Document):
    """A page of the items that failed. Of a run that goes on, those that are known by now."""

    run_id: RunId
    failures: list[FailureLine]
    next: Next


class EventLine(Document):
    """An event of the execution's history, in Step Functions' own words."""

    execution_arn: Arn
    id: int
    previous: int = Field(description="The event that it follows from; 0 where it follows from none.")
    type: str = Field(examples=["MapRunStarted"])
    at: Moment
    details: dict[str, Any]


class History(Document):
    """A page of the events of a run's execution, oldest first."""

    run_id: RunId
    execution_arn: Arn
    status: Status
    started: Moment
    stopped: Moment | None
    error: str | None = None
    cause: str | None = None
    events: list[EventLine]
    next: Next


class ChildLine(Document):
    """A child execution: a batch of items, or a group of partials."""

    name: str
    execution_arn: Arn
    status: Status
    started: Moment
    stopped: Moment | None
    items: int | None
    error: str | None = None
    cause: str | None = None


class Children(Document):
    """A page of the child executions of a run's map runs."""

    run_id: RunId
    children: list[ChildLine]
    next: Next


class Result(Document):
    """A run's result: itself where it is small, and a link in any case."""

    run_id: RunId
    status: Status
    result_uri: str = Field(examples=["s3://mapfold-runs/runs/first/result.json"])
    size: int = Field(description="Bytes.")
    is_inline: bool = Field(description="Whether `result` is the result: it may itself be null.")
    result: Any
    url: str = Field(description="Whoever has it may get the result with it, without credentials.")
    url_expires_seconds: int = Field(
        description="How long the link works; less where the credentials that signed it, the function's, end earlier."
    )
