"""Redriving a run: which can go on, and what is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mapfold.client import NotRedrivable, check_redrivable, redrive
from mapfold.client.values import Status
from tests.unit.client.fakes import RUN, FakeAws, events, execution


def test_a_stopped_run_goes_on_and_its_record_is_open_again() -> None:
    """As it was before the stop."""
    aws = FakeAws(records={RUN: (103.0, "Mapfold.Stopped", "why")}).has(execution(RUN, Status.ABORTED))

    redrive(aws, aws.executions_[RUN])

    assert (aws.executions_[RUN].status, aws.executions_[RUN].redrive_count) == (Status.RUNNING, 1)
    assert aws.records == {}


@pytest.mark.parametrize(
    ("status", "reason"), [(Status.RUNNING, "it has not ended: it is RUNNING"), (Status.SUCCEEDED, "it succeeded")]
)
def test_a_run_that_runs_or_succeeded_cannot_be_redriven(status: Status, reason: str) -> None:
    """Said in our words, before the service is asked."""
    aws = FakeAws().has(execution(RUN, status))

    with pytest.raises(NotRedrivable, match=reason):
        check_redrivable(aws, aws.executions_[RUN])


def test_a_run_that_the_service_will_not_redrive_says_why() -> None:
    """In the service's words."""
    told = {"redrive_status": "NOT_REDRIVABLE", "not_redrivable_because": "Execution redrivable period exceeded"}
    run = replace(execution(RUN, Status.FAILED), **told)  # type: ignore[arg-type]

    with pytest.raises(NotRedrivable, match="run r1 cannot be redriven: Execution redrivable period exceeded"):
        check_redrivable(FakeAws().has(run), run)


def test_a_run_that_ended_in_a_fail_state_would_only_end_in_it_again() -> None:
    """It named the state, and what to do instead."""
    aws = FakeAws().has(execution(RUN, Status.FAILED))
    aws.events_[RUN] = events(("FailStateEntered", {"name": "Failed"}), ("ExecutionFailed", {}))

    with pytest.raises(NotRedrivable, match=r"'Failed'.*start a new run"):
        check_redrivable(aws, aws.executions_[RUN])


@pytest.mark.parametrize("last", ["ExecutionTimedOut", "ExecutionAborted", "ExecutionFailed"])
def test_a_run_that_ended_within_another_state_can_be_redriven(last: str) -> None:
    """That state runs again."""
    aws = FakeAws().has(execution(RUN, Status.FAILED))
    aws.events_[RUN] = events(("MapStateEntered", {"name": "Map"}), ("MapStateStarted", {}), (last, {}))

    check_redrivable(aws, aws.executions_[RUN])
