"""Finding runs again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapfold.client import UnknownRun, find_machine, find_run, oldest_running, run_entries, runs, show, stop
from mapfold.client.values import ExecutionSummary, Page, StateMachine, Status
from mapfold.errors import UsageError
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

    assert (view.job, [run.label for run in view.map_runs]) == ("flights", ["flights"])


def test_a_stopped_run_says_who_stopped_it() -> None:
    """The error and cause of an aborted execution are those of StopExecution."""
    aws = FakeAws().has(execution(RUN, Status.RUNNING))

    stop(aws, RUN, cause="at the command line")

    assert aws.executions_[RUN].error == "Mapfold.Stopped"
    assert aws.records[RUN] == (103.0, "Mapfold.Stopped", "at the command line")


def test_runs_of_several_jobs_are_not_listed_without_a_bound() -> None:
    """Whoever wants to go that far back asks for one job."""
    aws = FakeAws()
    for number in range(60):
        aws.has(execution(f"{FLIGHTS}{number}", started=number), execution(f"{WORDS}{number}", started=number))

    class Short(FakeAws):
        """Whose pages hold one run."""

        def execution_page(
            self, arn: str, *, status: Status | None = None, size: int = 1000, token: str | None = None
        ) -> Page[ExecutionSummary]:
            return aws.execution_page(arn, status=status, size=1, token=token)

    with pytest.raises(UsageError, match="Name one with `job`"):
        list(run_entries(Short(), list(aws.state_machines()), size=1000))


def test_the_oldest_running_run_is_the_last_of_the_list() -> None:
    """Those that have ended do not count."""
    aws = FakeAws().has(
        execution(FLIGHTS + "ended", started=1),
        execution(FLIGHTS + "old", Status.RUNNING, started=2),
        execution(FLIGHTS + "new", Status.RUNNING, started=3),
    )

    assert oldest_running(aws, find_machine(aws, "flights")) == (2, True)


def test_not_more_than_ten_thousand_runs_are_looked_at_for_the_oldest() -> None:
    """Then it is at least as old as the last of them."""

    class Crowded(FakeAws):
        def executions(self, machine_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]:
            return (ExecutionSummary(FLIGHTS + "r", "r", Status.RUNNING, started=-i) for i in range(20_000))

    machine = StateMachine("arn", "flights")

    assert oldest_running(Crowded(), machine) == (-9_999, False)
