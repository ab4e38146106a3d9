"""Following a run: what the watcher hears, and how often AWS is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import pytest

from mapfold.client.errors import UnknownRun
from mapfold.client.follow import AWS_PACE, LOCAL_PACE, Pace, Progress, Unheard, follow, look
from mapfold.client.values import Counts, Execution, Status
from tests.unit.client.fakes import GROUPS_RUN, MAP_RUN, ROUND, RUN, FakeAws, events, execution, map_run

Step = Callable[[FakeAws], None]


class Heard(list[Progress]):
    """A watcher that writes down what it hears."""

    def progressed(self, progress: Progress, /) -> None:
        self.append(progress)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def world(*steps: Step) -> FakeAws:
    """A run in which one step happens before each poll; it has succeeded when there are none left."""
    left: Iterator[Step] = iter(steps)

    def go_on(aws: FakeAws) -> None:
        step = next(left, None)
        if step is None:
            aws.has(execution(RUN))
        else:
            step(aws)

    return FakeAws(on_poll=go_on).has(execution(RUN, Status.RUNNING))


def watch(aws: FakeAws, clock: Clock, pace: Pace = LOCAL_PACE) -> tuple[Execution, Heard]:
    heard = Heard()
    return follow(aws, RUN, heard, pace=pace, clock=clock, sleep=clock.sleep), heard


def entered(state: str) -> Step:
    """The run enters a state."""

    def step(aws: FakeAws) -> None:
        before = [(event.type, event.details) for event in aws.events_.get(RUN, [])]
        aws.events_[RUN] = events(*before, ("TaskStateEntered", {"name": state}), ("TaskScheduled", {}))

    return step


def mapping(done: int, total: int, status: Status = Status.RUNNING) -> Step:
    """The map over the items is so far."""

    def step(aws: FakeAws) -> None:
        counts = Counts(total=total, succeeded=done, pending=total - done)
        aws.map_runs_[MAP_RUN] = map_run(status=status, items=counts, children=counts)

    return step


def test_a_map_run_that_is_redriven_is_looked_at_again() -> None:
    """At the first poll it may be as it was before the redrive: ended, and so nothing that changes any more."""

    def ended(aws: FakeAws) -> None:
        mapping(2, 4, Status.ABORTED)(aws)
        aws.map_runs_[MAP_RUN] = replace(aws.map_runs_[MAP_RUN], stopped=103.0)

    _, heard = watch(world(ended, ended, mapping(3, 4)), Clock())

    assert [progress.items.succeeded for progress in heard] == [2, 2, 3, 3]


def test_the_watcher_hears_every_stage_and_the_end() -> None:
    """Outside of a map run the stage is the state that was entered last; within one it is the map's label."""
    aws = world(entered("Plan"), mapping(1, 4), mapping(4, 4, Status.SUCCEEDED), entered("Finish"))

    ended, heard = watch(aws, Clock())

    assert [progress.stage for progress in heard] == ["Plan", "Map", "Plan", "Finish", "Finish"]
    assert heard[-1].status is ended.status is Status.SUCCEEDED


def test_items_stay_those_of_the_map_over_the_items_while_partials_are_folded_in_groups() -> None:
    """The map run over groups of partials is a stage of its own, and its items are not the run's."""

    def grouping(aws: FakeAws) -> None:
        aws.map_runs_[GROUPS_RUN] = map_run(GROUPS_RUN, started=101.0, items=Counts(total=3))

    _, heard = watch(world(mapping(4, 4, Status.SUCCEEDED), grouping), Clock())

    assert [(progress.stage, progress.items.total) for progress in heard][:2] == [("", 4), ("FoldGroups", 4)]


def isolating(done: int, total: int, *, number: int, status: Status = Status.RUNNING) -> Step:
    """Round `number` of the isolation is so far."""

    def step(aws: FakeAws) -> None:
        counts = Counts(total=total, succeeded=done, pending=total - done)
        arn = f"{ROUND}-{number}"
        aws.map_runs_[arn] = replace(map_run(arn, status, items=counts, started=101.0 + number), label="Isolate")

    return step


def died(aws: FakeAws) -> None:
    """The map over the items has ended: eight of 40 items were in a batch that died."""
    counts = Counts(total=40, succeeded=32, failed=8)
    aws.map_runs_[MAP_RUN] = map_run(status=Status.SUCCEEDED, items=counts, children=counts)


def test_a_round_of_the_isolation_is_told_beside_the_items_and_not_added_to_them() -> None:
    """A child of it is a piece, however many items it has. A round that passed between two polls is counted too."""

    def two_rounds(aws: FakeAws) -> None:
        isolating(4, 8, number=1, status=Status.SUCCEEDED)(aws)
        isolating(2, 4, number=2)(aws)

    _, heard = watch(world(died, two_rounds), Clock())

    during = heard[1]
    assert (during.stage, during.round, during.pieces and during.pieces.total) == ("IsolatePieces", 2, 4)
    assert (during.items.total, during.items.succeeded, during.items.failed) == (40, 32, 8)
    assert (heard[0].round, heard[0].pieces) == (0, None)


def test_one_look_tells_of_the_isolation_too() -> None:
    """Of the round that runs now, and which one it is."""
    aws = FakeAws().has(execution(RUN, Status.RUNNING))
    for step in (died, isolating(4, 8, number=1, status=Status.SUCCEEDED), isolating(1, 4, number=2)):
        step(aws)

    progress = look(aws, aws.executions_[RUN], now=120.0)

    assert (progress.stage, progress.round, progress.pieces) == ("IsolatePieces", 2, aws.map_runs_[f"{ROUND}-2"].items)


def test_rate_and_time_left_come_from_what_ended_lately() -> None:
    """100 items in the second between two polls, and 300 to come: three seconds are left."""
    aws = world(mapping(0, 400), mapping(100, 400))

    _, heard = watch(aws, Clock(), Pace(first=1.0, last=1.0))

    assert (heard[0].rate, heard[0].seconds_left) == (None, None)
    assert (heard[1].rate, heard[1].seconds_left) == (100.0, 3.0)


def test_seconds_of_a_run_that_has_ended_are_the_executions_own() -> None:
    """However late the end was noticed."""
    _, heard = watch(world(), Clock())

    assert heard[-1].seconds == 2.0


def test_polls_grow_apart_up_to_a_bound() -> None:
    """From 50 ms to 250 ms against the embedded AWS."""
    delays = list(islice(LOCAL_PACE.delays(), 20))

    assert delays[0] == 0.05
    assert delays == sorted(delays)
    assert delays[-1] == 0.25


def test_aws_is_asked_at_most_once_a_second() -> None:
    """DescribeMapRun and ListMapRuns refill one call a second (Step Functions service quotas)."""
    assert next(AWS_PACE.delays()) >= 1.0


def test_a_run_that_is_not_there_is_an_error() -> None:
    """It says the run's name."""
    with pytest.raises(UnknownRun, match="'r1'"):
        follow(FakeAws(), RUN, Unheard(), pace=LOCAL_PACE)


def test_one_look_tells_how_far_a_run_is() -> None:
    """Items of the map over them, also where partials are folded by now; the rate is the mean since it started."""
    going = map_run(items=Counts(total=100, succeeded=20), children=Counts(total=4, succeeded=1), started=100.0)
    aws = FakeAws(map_runs_={MAP_RUN: going}).has(execution(RUN, Status.RUNNING, started=95.0))

    progress = look(aws, aws.executions_[RUN], now=110.0)

    assert (progress.stage, progress.items.succeeded, progress.batches.total) == ("Map", 20, 4)
    assert (progress.seconds, progress.rate, progress.seconds_left) == (15.0, 2.0, 40.0)


def test_one_look_at_a_fold_has_the_items_of_the_map_before_it() -> None:
    """Nothing of the map is left then."""
    done = replace(map_run(status=Status.SUCCEEDED, items=Counts(total=100, succeeded=100)), stopped=110.5)
    groups = map_run(GROUPS_RUN, items=Counts(total=3), started=111.0)
    aws = FakeAws(map_runs_={MAP_RUN: done, GROUPS_RUN: groups}).has(execution(RUN, Status.RUNNING))

    progress = look(aws, aws.executions_[RUN], now=120.0)

    assert (progress.stage, progress.items.total, progress.rate, progress.seconds_left) == (
        "FoldGroups",
        100,
        10.0,
        None,
    )
