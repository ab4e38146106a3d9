"""A run's history as a tree."""

from __future__ import annotations

from mapfold.client.history import all_events, history
from mapfold.client.values import Event, Status
from tests.unit.client.fakes import EXECUTIONS, MAP_RUN, RUN, FakeAws, events, execution, map_run

CHILDREN = EXECUTIONS + "mapfold-flights/flights:"
MAPPED = events(
    ("ExecutionStarted", {}),
    ("TaskStateEntered", {"name": "Plan"}),
    ("TaskScheduled", {}),
    ("TaskStarted", {}),
    ("TaskFailed", {"error": "Lambda.TooManyRequestsException", "cause": "Rate Exceeded."}),
    ("TaskScheduled", {}),
    ("TaskStarted", {}),
    ("TaskSucceeded", {}),
    ("TaskStateExited", {"name": "Plan"}),
    ("MapStateEntered", {"name": "Map"}),
    ("MapStateStarted", {"length": 0}),
    ("MapRunStarted", {"mapRunArn": MAP_RUN}),
    ("MapRunFailed", {"error": "States.ExceedToleratedFailureThreshold", "cause": "too many"}),
    ("MapStateFailed", {}),
    ("ExecutionFailed", {"error": "States.ExceedToleratedFailureThreshold"}),
)


def mapped() -> FakeAws:
    """A run whose map failed, with a child of each fate."""
    return FakeAws(
        events_={RUN: MAPPED, CHILDREN + "bad": events(("ExecutionStarted", {}))},
        map_runs_={MAP_RUN: map_run(status=Status.FAILED)},
        children_={
            MAP_RUN: [
                execution(CHILDREN + "good"),
                execution(CHILDREN + "bad", Status.FAILED, error="ValueError", cause="no"),
                execution(CHILDREN + "late", Status.TIMED_OUT),
            ]
        },
    ).has(execution(RUN, Status.FAILED))


def test_states_come_in_the_order_in_which_they_were_entered() -> None:
    """With how they ended and how often their work was tried."""
    aws = mapped()

    node = history(aws, aws.executions_[RUN])

    assert [(s.name, s.type, s.status, s.attempts) for s in node.states] == [
        ("Plan", "Task", Status.SUCCEEDED, 2),
        ("Map", "Map", Status.FAILED, 1),
    ]


def test_a_failed_state_says_why() -> None:
    """The events that close a failed Map have no details; the reason is the map run's."""
    aws = mapped()

    state = history(aws, aws.executions_[RUN]).states[1]

    assert (state.error, state.cause) == ("States.ExceedToleratedFailureThreshold", "too many")


def test_a_failure_that_was_caught_is_a_state_that_failed() -> None:
    """It was left for another state; that is no success. A retry that went well is one."""
    caught = events(
        ("TaskStateEntered", {"name": "Plan"}),
        ("TaskFailed", {"error": "SourceError", "cause": "no such object"}),
        ("TaskStateExited", {"name": "Plan"}),
        ("TaskStateEntered", {"name": "Close"}),
        ("TaskFailed", {"error": "Lambda.ServiceException"}),
        ("TaskSucceeded", {}),
        ("TaskStateExited", {"name": "Close"}),
    )
    aws = FakeAws(events_={RUN: caught})

    plan, close = history(aws, execution(RUN, Status.SUCCEEDED)).states

    assert (plan.status, plan.error) == (Status.FAILED, "SourceError")
    assert close.status is Status.SUCCEEDED


def test_a_map_state_has_its_map_run_and_the_children() -> None:
    """Only children that ended badly are described, for their error and cause."""
    aws = mapped()

    (node,) = history(aws, aws.executions_[RUN]).states[1].map_runs
    children = [(child.summary.name, child.error) for child in node.children]

    assert children == [("good", None), ("bad", "ValueError"), ("late", None)]
    assert aws.described == [CHILDREN + "bad", CHILDREN + "late"]


def test_failed_only_leaves_out_children_that_ended_well() -> None:
    """Failed, timed out and aborted ones stay."""
    aws = mapped()

    (node,) = history(aws, aws.executions_[RUN], failed_only=True).states[1].map_runs

    assert [child.summary.name for child in node.children] == ["bad", "late"]


def test_an_event_belongs_to_the_state_that_it_points_back_to() -> None:
    """In a Parallel the events of branches interleave; the log's order says nothing."""
    aws = FakeAws(
        events_={
            RUN: [
                Event(1, 0, "TaskStateEntered", 1.0, {"name": "A"}),
                Event(2, 0, "TaskStateEntered", 1.0, {"name": "B"}),
                Event(3, 1, "TaskScheduled", 1.0, {}),
                Event(4, 3, "TaskStarted", 1.0, {}),
                Event(5, 4, "TaskStateExited", 1.5, {"name": "A"}),
            ]
        }
    )

    a, b = history(aws, execution(RUN, Status.RUNNING)).states

    assert (a.name, a.status, a.attempts) == ("A", Status.SUCCEEDED, 1)
    assert (b.name, b.status, b.attempts) == ("B", Status.RUNNING, 0)


def test_all_events_have_those_of_the_children_after_the_start_of_their_map_run() -> None:
    """One level deeper."""
    aws = mapped()

    lines = [(line.depth, line.event.type) for line in all_events(aws, aws.executions_[RUN], failed_only=True)]

    assert lines[11:14] == [(0, "MapRunStarted"), (1, "ExecutionStarted"), (0, "MapRunFailed")]
    assert len(lines) == len(MAPPED) + 1
