"""The context object (`$$`, `$states.context`): built only when an expression reads it."""

from __future__ import annotations

from mapfold.states.effects import Json
from mapfold.states.frame import Frame
from mapfold.states.timestamps import format_timestamp


def build_context(frame: Frame) -> dict[str, Json]:
    """The context object as the current state of `frame` sees it, its members in the service's order.

    `RetryCount` is there in Task, Parallel and Map, `Task.Token` in `.waitForTaskToken` tasks, `Map.Item` where the
    driver or an ItemSelector has set it.
    """
    name, entered = frame.state
    state: dict[str, Json] = {"Name": name, "EnteredTime": format_timestamp(entered)}
    if frame.retry_count is not None:
        state["RetryCount"] = frame.retry_count
    if "State" in frame.execution:
        state |= frame.execution["State"]
    context: dict[str, Json] = {
        "Execution": frame.execution.get("Execution", {}),
        "StateMachine": frame.execution.get("StateMachine", {}),
        "State": state,
    }
    if frame.task_token is not None:
        context["Task"] = {"Token": frame.task_token}
    if frame.map_item is not None:
        context["Map"] = {"Item": frame.map_item}
    return context


def region_of(arn: str, frame: Frame) -> str:
    """The region for a task's events: the resource's, or that of the execution's own ARN."""
    region = arn.split(":", 4)[3]
    if region:
        return region
    named = frame.execution.get("region")
    if isinstance(named, str):
        return named
    parts = str(frame.execution.get("Execution", {}).get("Id", "")).split(":", 4)
    return parts[3] if len(parts) == 5 else "us-east-1"
