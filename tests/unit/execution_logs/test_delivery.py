"""Lines on their way to CloudWatch Logs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mapfold.local.execution_logs import Destination, LogDelivery

JOBS = Destination("/aws/jobs", "jobs", "ALL", with_data=True)
STREAM = "states/jobs/2026-11-27-10-15/"
NOW = 1795774500.0


class FakeLogs:
    """CloudWatch Logs that keeps what it was given; `broken`: every call fails."""

    def __init__(self) -> None:
        self.streams: list[tuple[str, str]] = []
        self.events: list[Mapping[str, Any]] = []
        self.calls = 0
        self.broken = False

    def create_log_stream(self, *, logGroupName: str, logStreamName: str) -> None:
        if self.broken:
            raise OSError("no route to CloudWatch Logs")
        self.streams.append((logGroupName, logStreamName))

    def put_log_events(self, *, logGroupName: str, logStreamName: str, logEvents: Sequence[Mapping[str, Any]]) -> None:
        assert (logGroupName, logStreamName) in self.streams
        self.calls += 1
        self.events += logEvents

    def describe_log_groups(self, *, logGroupNamePrefix: str) -> Any:
        if self.broken:
            raise OSError("no route to CloudWatch Logs")
        return {"logGroups": [{"logGroupName": "/aws/jobs"}]}


def event(number: int) -> dict[str, Any]:
    return {"timestamp": NOW + number, "type": "PassStateEntered", "id": number, "previousEventId": number - 1}


async def deliver(logs: FakeLogs, count: int, **limits: int) -> None:
    """Tell of so many events, and wait for the end."""
    async with LogDelivery(lambda: logs, clock=lambda: NOW, **limits) as lines:
        tell = lines.teller(JOBS, "arn", lambda: 0)
        for number in range(1, count + 1):
            tell(event(number))


async def test_the_lines_of_a_machine_are_in_one_stream_of_its_log_group() -> None:
    """In batches and in order; what is left at the end is delivered then."""
    logs = FakeLogs()

    await deliver(logs, 300)

    ((group, stream),) = logs.streams
    assert group == "/aws/jobs"
    assert stream.startswith(STREAM)
    assert len(stream) == len(STREAM) + 8
    assert [json.loads(line["message"])["id"] for line in logs.events] == [str(number) for number in range(1, 301)]
    assert logs.events[0]["timestamp"] == (NOW + 1) * 1000
    assert logs.calls == 1


async def test_who_tells_is_not_hurt_when_nothing_is_delivered(caplog: pytest.LogCaptureFixture) -> None:
    """One warning, however many lines are lost."""
    logs = FakeLogs()
    logs.broken = True

    with caplog.at_level(logging.WARNING):
        await deliver(logs, 20_000)

    assert [record.getMessage() for record in caplog.records] == [
        "executions' log lines are lost: no route to CloudWatch Logs"
    ]


async def test_the_queue_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Lines for which there is no room are lost, with one warning."""
    logs = FakeLogs()

    with caplog.at_level(logging.WARNING):
        await deliver(logs, 30, most_lines=10)

    assert len(logs.events) == 10
    assert len(caplog.records) == 1


async def test_a_log_group_is_looked_for_by_its_whole_name() -> None:
    """Where nobody answers none is missed."""
    logs = FakeLogs()

    async with LogDelivery(lambda: logs, clock=lambda: NOW) as lines:
        found = [await lines.has_group(name) for name in ("/aws/jobs", "/aws/job")]
        logs.broken = True
        unknown = await lines.has_group("/aws/job")

    assert found == [True, False]
    assert unknown
