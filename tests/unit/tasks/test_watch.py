"""The metric of the oldest running run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from mapfold.client.values import ExecutionSummary, Status
from mapfold.errors import ServiceError
from tasks import watch
from tests.unit.client.fakes import EXECUTIONS, FakeAws, execution

FLIGHTS, WORDS = EXECUTIONS + "mapfold-flights:", EXECUTIONS + "mapfold-words:"


def world(kind: type[FakeAws] = FakeAws) -> FakeAws:
    """Two runs of flights that are running and an older one that has ended; of words, none that runs."""
    return kind().has(
        execution(FLIGHTS + "ended", started=10),
        execution(FLIGHTS + "old", Status.RUNNING, started=100),
        execution(FLIGHTS + "new", Status.RUNNING, started=140),
        execution(WORDS + "ended", started=20),
    )


def test_the_age_of_the_oldest_running_run_is_a_metric_by_job(capsys: pytest.CaptureFixture[str]) -> None:
    """0 where nothing runs: an alarm ends with the run."""
    watch.watch(cast(Any, world()), now=150.5)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["job"], line["service"], line["OldestRunSeconds"]) for line in lines] == [
        ("flights", "mapfold", [50.5]),
        ("words", "mapfold", [0.0]),
    ]
    declared = lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert [set(dimensions) for dimensions in declared["Dimensions"]] == [{"service", "job"}]
    assert declared["Metrics"] == [{"Name": "OldestRunSeconds", "Unit": "Seconds"}]


def test_a_job_that_cannot_be_asked_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """The function fails at the end, so that it is seen."""

    class Partly(FakeAws):
        def executions(self, machine_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]:
            if machine_arn.endswith("flights"):
                raise ServiceError("no such machine", code="StateMachineDoesNotExist")
            return super().executions(machine_arn, status)

    with pytest.raises(ServiceError, match="no such machine"):
        watch.watch(cast(Any, world(Partly)), now=150.0)

    assert '"job":"words","OldestRunSeconds":[0.0]' in capsys.readouterr().out
