"""Finding runs again."""

from __future__ import annotations

import pytest

from mapfold.client import UnknownRun, find_run, runs, show, stop
from mapfold.client.values import Status
from tests.unit.client.fakes import EXECUTIONS, MAP_RUN, RUN, FakeAws, execution, map_run

FLIGHTS = EXECUTIONS + "mapfold-flights:"
WORDS = EXECUTIONS + "mapfold-words:"


def test_runs_of_all_jobs_come_newest_first() -> None:
    """State machines that are not Mapfold's are left out."""
    aws = FakeAws().has(
        execution(FLIGHTS + "a", started=1),
        execution(WORDS + "b", started=2),
        execution(FLIGHTS + "c", started=3),
        execution(EXECUTIONS + "billing:d", started=4),
    )

    found = [(run.run_id, run.job) for run in runs(aws)]

    assert found == [("c", "flights"), ("b", "words"), ("a", "flights")]


def test_a_run_is_found_by_its_name_whatever_job_it_is_of() -> None:
    """A name that was chosen with --name does not say the job."""
    aws = FakeAws().has(execution(FLIGHTS + "a"), execution(WORDS + "first"))

    assert find_run(aws, "first").arn == WORDS + "first"


def test_the_job_that_opens_the_name_is_asked_first() -> None:
    """Most names are `<job>-DATE-TIME-xxxx`: one DescribeExecution finds them."""
    aws = FakeAws().has(execution(FLIGHTS + "a"), execution(WORDS + "words-20260101-120000-abcd"))

    find_run(aws, "words-20260101-120000-abcd")

    assert aws.described == [WORDS + "words-20260101-120000-abcd"]


def test_an_execution_is_found_by_its_arn() -> None:
    """Such as the ARN that `run --json` printed."""
    assert find_run(FakeAws().has(execution(RUN)), RUN).name == "r1"


def test_an_unknown_run_names_the_nearest_ones() -> None:
    """At most three, and the command that lists them."""
    aws = FakeAws().has(execution(FLIGHTS + "flights-20260101-120000-abcd"))

    with pytest.raises(UnknownRun) as caught:
        find_run(aws, "flights-20260101-120000-abce")

    assert caught.value.similar == ("flights-20260101-120000-abcd",)
    assert "mapfold runs" in str(caught.value)


def test_a_shown_run_has_its_map_runs() -> None:
    """With their counts, oldest first."""
    aws = FakeAws(map_runs_={MAP_RUN: map_run()}).has(execution(RUN))

    view = show(aws, "r1")

    assert (view.job, [run.label for run in view.map_runs]) == ("flights", ["Map"])


def test_a_stopped_run_says_who_stopped_it() -> None:
    """The error and cause of an aborted execution are those of StopExecution."""
    aws = FakeAws().has(execution(RUN, Status.RUNNING))

    stop(aws, RUN, cause="at the command line")

    assert aws.executions_[RUN].error == "Mapfold.Stopped"
    assert aws.records[RUN] == (103.0, "Mapfold.Stopped", "at the command line")
