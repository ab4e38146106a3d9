"""Which events a level has, and what a line says (guide: Log levels; history-events 6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.local.execution_logs import Destination, destination_of, line_of

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:jobs:one"
LOGGING = {
    "level": "ERROR",
    "destinations": [
        {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/jobs:*"}}
    ],
}
STARTED = {
    "timestamp": 1668385713.8834,
    "type": "ExecutionStarted",
    "id": 1,
    "previousEventId": 0,
    "executionStartedEventDetails": {"input": "{}", "inputDetails": {"truncated": False}, "roleArn": "r"},
}


def line(event: Any, *, with_data: bool = True) -> Any:
    return json.loads(line_of(event, execution_arn=EXECUTION, redrive_count=0, with_data=with_data))


def test_a_line_has_numbers_as_texts_and_details_without_a_name() -> None:
    """The time is in milliseconds."""
    assert line(STARTED) == {
        "id": "1",
        "type": "ExecutionStarted",
        "details": {"input": "{}", "inputDetails": {"truncated": False}, "roleArn": "r"},
        "previous_event_id": "0",
        "event_timestamp": "1668385713883",
        "execution_arn": EXECUTION,
        "redrive_count": "0",
    }


def test_an_event_without_details_has_empty_ones() -> None:
    """As LambdaFunctionStarted."""
    event = {"timestamp": 1.0, "type": "LambdaFunctionStarted", "id": 4, "previousEventId": 3}

    assert line(event)["details"] == {}


def test_execution_data_is_left_out_where_it_is_not_asked_for() -> None:
    """Inputs, outputs, parameters and values of variables, and what says whether they are whole (seen on the service)."""
    whole = {"truncated": False}
    exited = {"name": "S", "output": "1", "outputDetails": whole, "assignedVariables": {"x": "1"}}
    exited["assignedVariablesDetails"] = whole
    event = {
        "timestamp": 1.0,
        "type": "PassStateExited",
        "id": 3,
        "previousEventId": 2,
        "stateExitedEventDetails": exited,
    }

    assert line(STARTED, with_data=False)["details"] == {"roleArn": "r"}
    assert line(event, with_data=False)["details"] == {"name": "S"}


def test_a_long_payload_is_cut_and_says_so() -> None:
    """At 248 KB as it is escaped: each quote of this input takes two bytes."""
    details = {"name": "S", "output": '"' * 200_000, "outputDetails": {"truncated": False}}
    event = {**STARTED, "type": "PassStateExited", "stateExitedEventDetails": details}
    del event["executionStartedEventDetails"]

    found = line(event)["details"]

    assert found["outputDetails"] == {"truncated": True}
    assert found["output"] == '"' * (248 * 1024 // 2 - 1)


@pytest.mark.parametrize(
    ("level", "taken"),
    [
        ("ALL", ["ExecutionStarted", "TaskFailed", "TaskStateAborted", "FailStateEntered", "ExecutionFailed"]),
        ("ERROR", ["TaskFailed", "TaskStateAborted", "FailStateEntered", "ExecutionFailed"]),
        ("FATAL", ["ExecutionFailed"]),
    ],
)
def test_a_level_has_its_events(level: str, taken: list[str]) -> None:
    """The guide's table: failures of states are errors, only the execution's own is fatal."""
    destination = Destination("/aws/jobs", "jobs", level, with_data=False)
    events = ["ExecutionStarted", "TaskFailed", "TaskStateAborted", "FailStateEntered", "ExecutionFailed"]

    assert [event for event in events if destination.takes(event)] == taken


def test_a_machine_without_logging_has_no_destination() -> None:
    """OFF, or nothing said; otherwise the log group's name is in its ARN."""
    assert destination_of("jobs", {}) is None
    assert destination_of("jobs", {"loggingConfiguration": {**LOGGING, "level": "OFF"}}) is None
    assert destination_of("jobs", {"loggingConfiguration": LOGGING}) == Destination("/aws/jobs", "jobs", "ERROR", False)
