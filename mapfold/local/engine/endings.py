"""How an execution ends: its status, and the last event of its history."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapfold.local.engine.event_log import HistoryFull
from mapfold.local.engine.special_logs import MachineGone
from mapfold.local.store import StoreError
from mapfold.states.effects import EndScope, FailScope
from mapfold.states.frame import NOT_TRUNCATED, Frame
from mapfold.states.standing import StandingError

logger = logging.getLogger(__name__)

MAX_ERROR = 256
MAX_CAUSE = 32_768
"""Characters that an error and a cause keep (history-events 1)."""


@dataclass(slots=True)
class Ending:
    """The end of an execution. `status`: SUCCEEDED, FAILED, TIMED_OUT or ABORTED; `output` is JSON text."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


def ending_of(end: EndScope | FailScope, frame: Frame) -> Ending:
    """The ending of an execution whose outermost scope, run in `frame`, ended with `end`."""
    if isinstance(end, EndScope):
        return Ending("SUCCEEDED", output=frame.text_of(end.data))
    error = end.error[:MAX_ERROR] if end.error is not None else None
    cause = end.cause[:MAX_CAUSE] if end.cause is not None else None
    return Ending("FAILED", error=error, cause=cause)


def ending_in(event: Mapping[str, Any]) -> Ending:
    """The ending that an execution's last event tells of."""
    type_ = event["type"]
    if type_ == "ExecutionSucceeded":
        return Ending("SUCCEEDED", output=event["executionSucceededEventDetails"]["output"])
    status, key = next((status, key) for status, (name, key) in EVENTS.items() if name == type_)
    return Ending(status, error=event[key].get("error"), cause=event[key].get("cause"))


MACHINE_GONE = FailScope(None, None, catchable=False)
"""How an execution ends whose state machine was deleted: it is ABORTED."""


def failure_of(fault: Exception, arn: str) -> FailScope:
    """How the execution `arn` ends that `fault` broke: a full history, or a bug of ours, which ends no other."""
    while isinstance(fault, ExceptionGroup):  # it came through branches that run together
        fault = fault.exceptions[0]
    if isinstance(fault, MachineGone):
        return MACHINE_GONE
    if isinstance(fault, HistoryFull):
        return FailScope("States.Runtime", str(fault), catchable=False)
    if isinstance(fault, StandingError):
        cause = f"The execution was cut off, and cannot go on from its history: {fault}."
        return FailScope("States.Runtime", cause, catchable=False)
    if not isinstance(fault, StoreError):  # of that the engine's owner hears, and ends it: nothing of this is kept
        logger.error("execution broke the engine", extra={"execution": arn}, exc_info=fault)
    cause = f"The embedded AWS has a fault: {type(fault).__name__}: {fault}"
    return FailScope("States.Runtime", cause, catchable=False)


EVENTS = {
    "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
    "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
    "ABORTED": ("ExecutionAborted", "executionAbortedEventDetails"),
}


def record_ending(frame: Frame, ending: Ending) -> None:
    """Record the execution's last event."""
    if ending.status == "SUCCEEDED":
        details = {"output": ending.output, "outputDetails": NOT_TRUNCATED}
        frame.record("ExecutionSucceeded", "executionSucceededEventDetails", details)
        return
    type_, key = EVENTS[ending.status]
    found = {"error": ending.error, "cause": ending.cause}
    # A stop and a timeout come from outside: nothing in the history leads to them (seen on the service, in a Wait).
    previous = frame.previous if ending.status == "FAILED" else 0
    frame.history.add(type_, previous, key, {name: value for name, value in found.items() if value is not None})


def record_start(
    frame: Frame, input_text: str, role_arn: str, *, alias_arn: str | None = None, version_arn: str | None = None
) -> None:
    """Record ExecutionStarted. The first state's event does not point back to it (history-events 3, rule 1)."""
    details = {"input": input_text, "inputDetails": NOT_TRUNCATED, "roleArn": role_arn}
    if alias_arn is not None:
        details["stateMachineAliasArn"] = alias_arn
    if version_arn is not None:
        details["stateMachineVersionArn"] = version_arn
    frame.record_leaf("ExecutionStarted", "executionStartedEventDetails", details)


def record_redrive(frame: Frame, count: int, *, last: int) -> None:
    """Record ExecutionRedriven, which follows the execution's last event. Nothing follows it: it stands alone."""
    frame.history.add("ExecutionRedriven", last, "executionRedrivenEventDetails", {"redriveCount": count})
