"""Retry and Catch: which failure is tried again, after how long, and where it goes in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from mapfold.states import problems
from mapfold.states.data_flow import Assign, Output, compile_assign, compile_result_path
from mapfold.states.definition import Node
from mapfold.states.effects import Json, StateError

DEFAULT_MAX_ATTEMPTS = 3
MOST_SECONDS = 99_999_999
MOST_DELAY_SECONDS = 31_622_400

ALL = "States.ALL"
STATES_ERRORS = frozenset(
    f"States.{name}"
    for name in (
        "ALL",
        "BranchFailed",
        "DataLimitExceeded",
        "ExceedToleratedFailureThreshold",
        "HeartbeatTimeout",
        "Http.Socket",
        "IntrinsicFailure",
        "ItemReaderFailed",
        "NoChoiceMatched",
        "ParameterPathFailure",
        "Permissions",
        "QueryEvaluationError",
        "ReferencePathConflict",
        "ResultPathMatchFailure",
        "ResultWriterFailed",
        "Runtime",
        "TaskFailed",
        "Timeout",
    )
)
"""All names that start with `States.`, but for those of HTTP tasks; definitions may not invent others."""

_NOT_TASK_FAILED = frozenset({"States.Timeout", "States.DataLimitExceeded"})


@dataclass(frozen=True, slots=True)
class Matcher:
    """The ErrorEquals of a retrier or catcher."""

    names: frozenset[str]

    def matches(self, error: str) -> bool:
        names = self.names
        return (
            error in names
            or "States.ALL" in names
            or ("States.TaskFailed" in names and error not in _NOT_TASK_FAILED)
            or (error == "States.HeartbeatTimeout" and "States.Timeout" in names)
        )


@dataclass(frozen=True, slots=True)
class Retrier:
    """One retrier. `max_delay` None: no bound; `full_jitter`: draw the delay from 0 up to it."""

    errors: Matcher
    interval: float
    max_attempts: int
    backoff: float
    max_delay: float | None
    full_jitter: bool

    def delay(self, retry: int, random: Random) -> float:
        """Seconds before the retry number `retry` (from 1)."""
        try:
            seconds = self.interval * self.backoff ** (retry - 1)
        except OverflowError:
            seconds = float(MOST_SECONDS)
        seconds = min(seconds, MOST_SECONDS if self.max_delay is None else self.max_delay)
        return random.random() * seconds if self.full_jitter else seconds


@dataclass(frozen=True, slots=True)
class Catcher:
    """One catcher. `give` makes the next state's input from the raw input and the error output."""

    errors: Matcher
    next: str
    give: Output | None
    assign: Assign | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """The Retry and Catch of a state. The counters of one visit are the caller's: `used[i]` for retrier i."""

    retriers: Sequence[Retrier] = ()
    catchers: Sequence[Catcher] = ()

    def next_delay(self, error: StateError, used: dict[int, int], random: Random) -> float | None:
        """Seconds to wait before trying again, or None. The first retrier that matches decides alone."""
        if not error.catchable:
            return None
        for index, retrier in enumerate(self.retriers):
            if retrier.errors.matches(error.error):
                count = used.get(index, 0)
                if count >= retrier.max_attempts:
                    return None
                used[index] = count + 1
                return retrier.delay(count + 1, random)
        return None

    def find_catcher(self, error: StateError) -> Catcher | None:
        if not error.catchable:
            return None
        return next((catcher for catcher in self.catchers if catcher.errors.matches(error.error)), None)


def error_output(error: str | None, cause: str | None) -> dict[str, Json]:
    """What a catcher sees. A cause that is absent is an empty string (seen on the service)."""
    return {"Error": error or "", "Cause": cause or ""}


def compile_recovery(node: Node) -> Recovery:
    """The Retry and Catch of a Task, Parallel or Map state."""
    retry = node.objects("Retry") if _is_filled(node, "Retry") else []
    catch = node.objects("Catch") if _is_filled(node, "Catch") else []
    return Recovery(
        tuple(_compile_retrier(retrier, is_last=retrier is retry[-1]) for retrier in retry),
        tuple(_compile_catcher(catcher, is_last=catcher is catch[-1]) for catcher in catch),
    )


def _is_filled(node: Node, name: str) -> bool:
    """An empty Retry or Catch is as good as none."""
    return name in node.fields and node.fields[name] != []


_RETRIER_FIELDS = (
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
)
_CATCHER_FIELDS = ("ErrorEquals", "Next", "Assign", "Comment")


def _compile_retrier(node: Node, *, is_last: bool) -> Retrier:
    node.require("ErrorEquals")
    node.check_fields(_RETRIER_FIELDS)
    node.string("Comment")
    errors = _compile_errors(node, is_last=is_last)
    interval = node.integer("IntervalSeconds", least=1, most=MOST_SECONDS)
    attempts = node.integer("MaxAttempts", least=0, most=MOST_SECONDS)
    backoff = node.number("BackoffRate", least=1.0)
    max_delay = node.integer("MaxDelaySeconds", least=1, most=MOST_DELAY_SECONDS)
    return Retrier(
        errors=errors,
        interval=1 if interval is None else interval,
        max_attempts=DEFAULT_MAX_ATTEMPTS if attempts is None else attempts,
        backoff=2.0 if backoff is None else backoff,
        max_delay=max_delay,
        full_jitter=node.one_of("JitterStrategy", ("NONE", "FULL")) == "FULL",
    )


def _compile_catcher(node: Node, *, is_last: bool) -> Catcher:
    own, other = ("Output", "ResultPath") if node.is_jsonata else ("ResultPath", "Output")
    node.require("ErrorEquals", "Next")
    node.check_fields((*_CATCHER_FIELDS, own), (other,))
    node.string("Comment")
    errors = _compile_errors(node, is_last=is_last)
    give = node.json("Output", extra="errorOutput") if node.is_jsonata else compile_result_path(node)
    return Catcher(errors, node.string("Next") or "", give, compile_assign(node, extra="errorOutput"))


def _compile_errors(node: Node, *, is_last: bool) -> Matcher:
    names = node.array("ErrorEquals") if node.has("ErrorEquals") else []
    for index, name in enumerate(names):
        if not isinstance(name, str):
            node.problem(problems.expected("String"), "ErrorEquals", index)
        elif name == ALL and (len(names) > 1 or not is_last):
            node.problem("States.ALL must appear alone and at end of list", "ErrorEquals", index)
        elif name.startswith("States.") and name not in STATES_ERRORS and not name.startswith("States.Http."):
            node.problem(f"The error name '{name}' is not one of the States Language", "ErrorEquals", index)
    return Matcher(frozenset(name for name in names if isinstance(name, str)))
