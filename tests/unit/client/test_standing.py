"""Where a run stands, by its newest events."""

from __future__ import annotations

from mapfold.client.standing import OpenState, Standing, failed_state, standing
from mapfold.client.values import Event, Status
from tests.unit.client.fakes import RUN, FakeAws, events, execution

RUNNING = execution(status=Status.RUNNING)
TOKEN = {"resource": "sendMessage.waitForTaskToken", "resourceType": "sqs"}


def stands(log: list[Event]) -> Standing:
    return standing(FakeAws(events_={RUN: log}), RUNNING)


def test_a_run_is_in_the_state_that_it_did_not_leave() -> None:
    log = events(
        ("ExecutionStarted", {}),
        ("TaskStateEntered", {"name": "Plan"}),
        ("TaskStateExited", {"name": "Plan"}),
        ("MapStateEntered", {"name": "Map"}),
    )

    assert stands(log) == Standing((OpenState("Map", "Map"),), is_whole=True)


def test_a_task_that_was_submitted_with_a_token_waits_for_it() -> None:
    """Until it is answered; a task that is being submitted waits for nobody."""
    asks = events(("TaskStateEntered", {"name": "Ask"}), ("TaskScheduled", TOKEN), ("TaskStarted", TOKEN))
    waits = [*asks, Event(4, 3, "TaskSubmitted", 101.0, TOKEN)]
    answered = [*waits, Event(5, 4, "TaskSucceeded", 102.0, TOKEN)]

    assert [stands(log).states[0].waits_for for log in (asks, waits, answered)] == [None, "a task token", None]


def test_branches_are_all_told_until_their_parallel_is_left() -> None:
    """A branch that was given up has no event of its own; the last branch's leads to that of the Parallel."""
    log = [
        Event(1, 0, "ParallelStateEntered", 1.0, {"name": "Both"}),
        Event(2, 1, "ParallelStateStarted", 1.0),
        Event(3, 2, "TaskStateEntered", 1.0, {"name": "One"}),
        Event(4, 2, "WaitStateEntered", 1.0, {"name": "Other"}),
    ]
    failed = [
        Event(5, 3, "TaskFailed", 2.0, {"error": "No"}),
        Event(6, 5, "ParallelStateFailed", 2.0, {"error": "No"}),
        Event(7, 6, "ParallelStateExited", 2.0, {"name": "Both"}),
        Event(8, 7, "PassStateEntered", 2.0, {"name": "After"}),
    ]

    assert [state.name for state in stands(log).states] == ["Both", "One", "Other"]
    assert [state.name for state in stands([*log, *failed]).states] == ["After"]


def test_a_history_that_is_too_long_is_said_to_be() -> None:
    log = [Event(n, n - 1, "WaitStateEntered", 1.0, {"name": "W"}) for n in range(7, 9)]

    assert not stands(log).is_whole


def test_the_state_that_failed_is_the_one_whose_error_it_is() -> None:
    """Not Close, which comes after it, nor the Fail state at the end."""
    log = events(
        ("TaskStateEntered", {"name": "Ask"}),
        ("TaskTimedOut", {"error": "States.Timeout"}),
        ("TaskStateExited", {"name": "Ask"}),
        ("TaskStateEntered", {"name": "Close"}),
        ("TaskStateExited", {"name": "Close"}),
        ("FailStateEntered", {"name": "Failed"}),
        ("ExecutionFailed", {"error": "States.Timeout"}),
    )

    assert failed_state(log[::-1], execution(status=Status.FAILED, error="States.Timeout")) == "Ask"


def test_where_its_entry_is_too_long_ago_the_exit_names_it() -> None:
    log = events(("TaskFailed", {"error": "E"}), ("TaskStateExited", {"name": "Ask"}))

    assert failed_state(log[::-1], execution(status=Status.FAILED, error="E")) == "Ask"


def test_a_fail_state_of_ones_own_is_named_and_those_of_the_machine_are_not() -> None:
    def ended_in(name: str) -> str | None:
        log = events(("FailStateEntered", {"name": name}), ("ExecutionFailed", {"error": "E"}))
        return failed_state(log[::-1], execution(status=Status.FAILED, error="E"))

    assert [ended_in(name) for name in ("Refused", "ToleratedFailureExceeded")] == ["Refused", None]


def test_a_run_that_timed_out_names_the_state_that_it_was_in() -> None:
    log = events(("WaitStateEntered", {"name": "Sleep"}), ("ExecutionTimedOut", {}))

    assert failed_state(log[::-1], execution(status=Status.TIMED_OUT)) == "Sleep"
