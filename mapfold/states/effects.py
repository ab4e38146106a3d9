"""What a state asks of the world, and what the world answers.

A state decides and does nothing: `State.run` is a generator that yields one of these effects whenever it
has to wait for something outside (a task, the clock, branches, a map run), is sent the answer, and returns the
`Transition` to take. One small driver (`mapfold.local.engine`) performs effects; a test performs them from a dict.

Plain slotted classes, not frozen ones, where a value is made once per child execution: on Python 3.11 a frozen
dataclass of two fields costs 0.75 µs to make, a plain one 0.33 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapfold.states.machine import Scope
    from mapfold.states.standing import Inner

Json = Any
"""A JSON value: None, bool, int, float, str, list[Json] or dict[str, Json]."""


# --- what a state ends with -------------------------------------------------------------------------------


@dataclass(slots=True)
class Goto:
    """Go on with the state `name` of the same scope; `data` is its raw input."""

    name: str
    data: Json


@dataclass(slots=True)
class EndScope:
    """The scope (execution, branch, iteration) has succeeded with `data`."""

    data: Json


@dataclass(slots=True)
class FailScope:
    """The scope has failed. `None` means that the field is absent, as it is from AWS's events.

    `catchable` is False for the errors that AWS lets no enclosing Parallel or Map catch (States.Runtime).
    """

    error: str | None
    cause: str | None
    catchable: bool = True


Transition = Goto | EndScope | FailScope


# --- what a state asks for --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resource:
    """A Task's Resource ARN, parsed once.

    family: "lambda" for a function ARN (events LambdaFunction…), "activity", or "task" for `arn:aws:states:::…`.
    service / action: `lambda` / `invoke`, `aws-sdk:dynamodb` / `putItem`; for family "lambda" the action is "".
    pattern: "" (request-response), "sync", "sync:2" or "waitForTaskToken".
    """

    arn: str
    family: str
    service: str
    action: str
    pattern: str


@dataclass(slots=True)
class RunTask:
    """Do a task's work. Answer: `TaskSucceeded` or `TaskFailed` (a timeout too: error States.Timeout, no cause).

    The state has recorded `…Scheduled`; the driver records `…Started` when the work really starts, and starts the
    clock of `timeout_seconds` there. The state records what follows.
    """

    resource: Resource
    arguments: Json
    timeout_seconds: float | None = None
    heartbeat_seconds: float | None = None
    token: str | None = None
    """The token of an activity's task or a `.waitForTaskToken` attempt, as `$$.Task.Token` showed it to the arguments."""
    role_arn: str | None = None
    """The role of the state's Credentials."""
    text: str | None = None
    """The JSON text of `arguments`, for an activity's worker."""
    worker: str | None = None
    """Who took an activity's task, if they gave a name: set by whoever does the task, before it starts."""
    went_on: WentOn | None = None
    """The task was cut off while somebody outside worked on it: it is waited for, not done again."""
    trace: HttpTrace | None = None
    """Where an HTTP Task that is tested by itself leaves its request and the answer."""


@dataclass(slots=True)
class HttpTrace:
    """The request of an HTTP Task and its answer, as TestState tells them; None: there was none.

    Without `reveals` the request is shown without what its connection has added.
    """

    reveals: bool
    request: dict[str, str] | None = None
    response: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class WentOn:
    """When the work on a task began that goes on after a restart (epoch seconds). None: it has not begun."""

    started: float | None


@dataclass(slots=True)
class FindActivity:
    """Ask whether there is an activity. Answer: False if there is none."""

    arn: str


@dataclass(slots=True)
class CheckTask:
    """Ask whether a task with these arguments can be scheduled. Answer: None, or the cause why it cannot."""

    resource: Resource
    arguments: Json


@dataclass(slots=True)
class Sleep:
    """Wait until `until` (epoch seconds). Answer: None."""

    until: float


@dataclass(slots=True)
class RunBranches:
    """Run the branches of a Parallel at once, each with the same input. Answer: `list[Json]` or `TaskFailed`.

    Every branch has a `Frame.fork` that starts at the frame's `previous`. Before the driver answers it sets the
    frame's `previous` to the last inner event (on failure: the failing one), which later events point back to.
    `inner` says where the branches stand that have begun, by their index (`mapfold.states.standing`).
    """

    branches: Sequence[Scope]
    data: Json
    inner: Mapping[int, Inner] = field(default_factory=dict)


@dataclass(slots=True)
class RunIterations:
    """Run an inline Map: one iteration per input, `at_once` at a time (0: no bound of its own).

    Answer: `list[Json]` in the order of the items, or `TaskFailed`. The driver records MapIteration… events.
    `select(index)` gives the iteration's input (ItemSelector applied) and may raise `StateError`: the driver answers
    with its error, cause and `catchable` as they are. The frame's `previous` is set as for `RunBranches`, and `inner`
    is the same for iterations.
    """

    name: str
    processor: Scope
    count: int
    select: Callable[[int], Json]
    at_once: int
    inner: Mapping[int, Inner] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    """An ItemReader, evaluated. `resource`: "s3:getObject" or "s3:listObjectsV2".

    config: ReaderConfig as written (InputType, CSVHeaderLocation, CSVHeaders, CSVDelimiter, ItemsPointer,
    ManifestType, Transformation), MaxItems taken out. arguments: Bucket, Key or Prefix, VersionId, …
    """

    resource: str
    config: Mapping[str, Json]
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class BatcherSpec:
    """An ItemBatcher, evaluated. Without a limit a batch has as many items as fit. `batch_input` None: not defined."""

    max_items: int | None
    max_bytes: int | None
    batch_input: Json = None


@dataclass(frozen=True, slots=True)
class WriterSpec:
    """A ResultWriter, evaluated. `bucket` is None when only WriterConfig was given (nothing goes to S3)."""

    bucket: str | None
    prefix: str
    output_type: str = "JSON"  # JSON | JSONL
    transformation: str = "NONE"  # NONE | COMPACT | FLATTEN
    expected_bucket_owner: str | None = None


@dataclass(slots=True)
class RunMap:
    """Run a distributed Map. Answer: `MapSucceeded` (its output is the Map's result) or `TaskFailed`.

    Where there is no map run, as for a state that is tested, `TaskSucceeded` will do.

    The state has recorded MapStateEntered and MapStateStarted; the driver records MapRunStarted and how it ended.
    `select(index, value, key, source)` applies ItemSelector (None: items go as they are); `key` is None but for
    the members of an object. It may raise `StateError`, whose error, cause and `catchable` stand as they are.

    `map_run_arn`: the map run that the state has started before, and now goes on with. `redriven` says that the
    history has its end (MapRunFailed, MapRunAborted), and that the execution was redriven since: it is redriven too,
    and MapRunRedriven is recorded. Otherwise it was cut off in the middle, and nothing is recorded.
    """

    state_name: str
    label: str | None
    processor: Scope
    child_type: str  # STANDARD | EXPRESS
    reader: ReaderSpec | None
    items: Json  # list or dict; None with a reader
    max_items: int | None
    select: Callable[[int, Json, str | None, str], Json] | None
    batcher: BatcherSpec | None
    writer: WriterSpec | None
    max_concurrency: int = 0
    tolerated_count: int | None = None
    tolerated_percentage: float | None = None
    processor_definition: Mapping[str, Json] = field(default_factory=dict)
    map_run_arn: str | None = None
    redriven: bool = False


Effect = RunTask | CheckTask | FindActivity | Sleep | RunBranches | RunIterations | RunMap


# --- what the world answers -------------------------------------------------------------------------------


@dataclass(slots=True)
class TaskSucceeded:
    """The work is done; `output` is its result. `text` is its JSON text where the driver already has it."""

    output: Json
    text: str | None = None


@dataclass(slots=True)
class MapSucceeded(TaskSucceeded):
    """A map run has succeeded that began (last) with the event `begun`: what follows the Map's state points back there."""

    begun: int = field(kw_only=True)


@dataclass(slots=True)
class TaskFailed:
    """The work failed. `timed_out`: record …TimedOut, not …Failed. `catchable` as in `FailScope`.

    `in_submission`: record …SubmitFailed, for the job that was to be waited for was not accepted.
    """

    error: str | None
    cause: str | None
    timed_out: bool = False
    catchable: bool = True
    in_submission: bool = False


class StateError(Exception):
    """A failure inside a state: raised by compiled expressions and fields, turned into a failed transition.

    `error` is a name such as States.Runtime; `cause` the text that AWS gives for it.
    """

    def __init__(self, error: str, cause: str | None, *, location: str | None = None) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause, self.location = error, cause, location

    @property
    def catchable(self) -> bool:
        """Whether a Retry, a Catch, or an enclosing Parallel or Map may handle it: all but States.Runtime."""
        return self.error != "States.Runtime"
