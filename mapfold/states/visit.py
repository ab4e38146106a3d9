"""One visit to a state: entering it, leaving it, and failing in it, with the events of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapfold.states.effects import EndScope, FailScope, Goto, Json, StateError
from mapfold.states.frame import NOT_TRUNCATED, Frame, is_oversized
from mapfold.states.variables import assign

ERROR_LIMIT = 256
CAUSE_LIMIT = 32_768
LOCATION_LIMIT = 256


class WorkFailed(StateError):
    """A failure whose cause stands as it is: of a task, a branch, a map run, or a payload that is too large.

    `error` is what ErrorEquals is matched with, `name` what events and catchers show (None: absent).
    """

    def __init__(self, error: str | None, cause: str | None, *, catchable: bool = True) -> None:
        super().__init__(error or "", cause)
        self.name: str | None = error
        self._catchable = catchable

    @property
    def catchable(self) -> bool:
        return self._catchable


def enter(type_: str, name: str, data: Json, frame: Frame) -> None:
    """Record that the state `name` was entered with the raw input `data`."""
    frame.state = (name, frame.clock())
    frame.retry_count = None
    frame.task_token = None
    frame.entered = frame.record(
        type_,
        "stateEnteredEventDetails",
        {"name": name, "input": frame.text_of(data), "inputDetails": NOT_TRUNCATED},
    )


def leave(
    type_: str, name: str, output: Json, assigned: Mapping[str, Json] | None, frame: Frame, next_: str | None
) -> Goto | EndScope:
    """Record that the state was left with `output`, commit what it assigned, and say where to go.

    Raises StateError, with nothing recorded, when the output or what is assigned is too large.
    """
    text = frame.text_of(output)
    if is_oversized(text):
        raise too_large(name)
    details: dict[str, Any] = {"name": name, "output": text, "outputDetails": NOT_TRUNCATED}
    if assigned:
        details["assignedVariables"] = assign(assigned, frame)
        details["assignedVariablesDetails"] = NOT_TRUNCATED
    frame.record(type_, "stateExitedEventDetails", details)
    return EndScope(output) if next_ is None else Goto(next_, output)


def too_large(name: str) -> WorkFailed:
    """The error for a result or output of more than 262,144 bytes; `name` as the service gives it."""
    return WorkFailed(
        "States.DataLimitExceeded",
        f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit.",
    )


def explain(error: StateError, frame: Frame) -> str | None:
    """The cause of an error in the current state, as events and catchers show it."""
    if isinstance(error, WorkFailed):
        return error.cause
    return (
        f"An error occurred while executing the state '{frame.state[0]}' (entered at the event id #{frame.entered}). "
        f"{error.cause}"
    )


def record_evaluation_failure(error: StateError, cause: str | None, before: int, frame: Frame) -> None:
    """Record EvaluationFailed, if `error` comes from a JSONata expression of the state.

    When evaluation fails on entry, the event points where the Entered event points (history-events rule 6).
    """
    if error.error != "States.QueryEvaluationError" or isinstance(error, WorkFailed):
        return
    details = error_details(error.error, cause, state=frame.state[0])
    if error.location is not None:
        details["location"] = error.location[:LOCATION_LIMIT]
    previous = before if frame.previous == frame.entered else frame.previous
    frame.previous = frame.history.add("EvaluationFailed", previous, "evaluationFailedEventDetails", details)


def fail(error: StateError, before: int, frame: Frame) -> FailScope:
    """How a scope ends when an expression of the current state failed and nothing may catch it there."""
    cause = explain(error, frame)
    record_evaluation_failure(error, cause, before, frame)
    name = error.name if isinstance(error, WorkFailed) else error.error
    return FailScope(name, cause, error.catchable)


def error_details(error: str | None, cause: str | None, **details: Any) -> dict[str, Any]:
    """`details` with the error and cause that are there, cut to the service's limits."""
    if error is not None:
        details["error"] = error[:ERROR_LIMIT]
    if cause is not None:
        details["cause"] = cause[:CAUSE_LIMIT]
    return details
