"""Follow a run to its end: ask at a bounded rate, and tell a watcher what has happened.

How often is a `Pace`. Step Functions refills one DescribeMapRun and one ListMapRuns a second
(limits-and-prices.md 1), so on AWS a poll comes once in one or two seconds; the embedded one is asked more often, and
oftener at the beginning, so that a short run is not made longer by watching it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from mapfold.client.arns import is_isolation, is_of_items, map_state_of, run_id_of
from mapfold.client.errors import UnknownRun
from mapfold.client.values import Counts, Event, Execution, MapRun, MapRunSummary, Status

_RATE_WINDOW_SECONDS = 15.0


class FollowsExecutions(Protocol):
    """What following takes of `AwsClient`."""

    def find_execution(self, arn: str) -> Execution | None: ...
    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]: ...
    def map_runs(self, execution_arn: str) -> list[MapRunSummary]: ...
    def map_run(self, arn: str) -> MapRun: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    stage: the state that it is in. items, batches: of the map over the job's items (all 0 before it has started); an
    item that failed within a batch that succeeded is known only at the end. round: how often batches whose worker died have
    been split; pieces: while what they were cut into runs, how far it is. They are no new items, so `items` stay as they were:
    a batch that died is counted as failed there, with all its items, though most of them succeed later.
    rate: items that ended per second, lately; seconds_left: for the map; both None where there is nothing to tell yet.
    """

    run_id: str
    status: Status
    stage: str
    items: Counts
    batches: Counts
    seconds: float
    rate: float | None = None
    seconds_left: float | None = None
    round: int = 0
    pieces: Counts | None = None


class Watcher(Protocol):
    """Hears how a run goes on: a progress bar, a test's list, or nobody."""

    def progressed(self, progress: Progress, /) -> None: ...


class Unheard:
    """A watcher that listens to nothing."""

    def progressed(self, progress: Progress, /) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two polls: from `first`, growing by `growth`, up to `last`."""

    first: float
    last: float
    growth: float = 1.25

    def delays(self) -> Iterator[float]:
        delay = self.first
        while True:
            yield delay
            delay = min(delay * self.growth, self.last)


LOCAL_PACE = Pace(first=0.05, last=0.25)
AWS_PACE = Pace(first=1.0, last=2.0)


def follow(
    aws: FollowsExecutions,
    execution_arn: str,
    watcher: Watcher,
    *,
    pace: Pace,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Execution:
    """Watch an execution until it has ended, and give what it ended as."""
    started = clock()
    look = _Look(aws, execution_arn, clock)
    for delay in pace.delays():
        execution = aws.find_execution(execution_arn)
        if execution is None:
            raise UnknownRun(run_id_of(execution_arn), ())
        watcher.progressed(look.progress(execution, seconds=clock() - started))
        if execution.status.is_terminal:
            return execution
        sleep(delay)
    raise AssertionError("a pace has no end")


def look(aws: FollowsExecutions, execution: Execution, *, now: float) -> Progress:
    """How far an execution is, by looking once. `now`: epoch seconds. The rate is the mean since its map run started."""
    summaries = aws.map_runs(execution.arn)
    newest = aws.map_run(summaries[-1].arn) if summaries else None
    items_arn = next((summary.arn for summary in reversed(summaries) if is_of_items(summary.label)), None)
    items_run = newest if newest is None or newest.arn == items_arn else aws.map_run(items_arn) if items_arn else None
    is_mapping = newest is not None and not newest.status.is_terminal
    rounds = [summary for summary in summaries if is_isolation(summary.label)]
    items = items_run.items if items_run else Counts()
    is_isolating = newest is not None and is_mapping and is_isolation(newest.label)
    rate = _mean_rate(items_run, now=now)
    return Progress(
        run_id=execution.name,
        status=execution.status,
        stage=map_state_of(newest.label) if newest and is_mapping else _last_state(aws, execution.arn),
        items=items,
        batches=items_run.children if items_run else Counts(),
        seconds=now - execution.started if execution.seconds is None else execution.seconds,
        rate=rate,
        seconds_left=(items.total - items.done) / rate if rate and is_mapping and newest is items_run else None,
        round=len(rounds),
        pieces=newest.items if newest and is_isolating else None,
    )


def _mean_rate(run: MapRun | None, *, now: float) -> float | None:
    if run is None or not run.items.done:
        return None
    return run.items.done / max((run.stopped or now) - run.started, 0.001)


def _last_state(aws: FollowsExecutions, execution_arn: str) -> str:
    """The state that was entered last, from the newest few events."""
    for event in islice(aws.events(execution_arn, newest_first=True, page=20), 20):
        if event.type.endswith("StateEntered"):
            return str(event.details.get("name", ""))
    return ""


class _Look:
    """What is remembered between two polls, so that each takes two or three calls."""

    def __init__(self, aws: FollowsExecutions, execution_arn: str, clock: Callable[[], float]) -> None:
        self._aws, self._arn, self._clock = aws, execution_arn, clock
        self._current: str | None = None  # the map run that was open at the last poll
        self._items_run: MapRun | None = None
        self._items_stopped: float | None = None  # when ListMapRuns said that it stopped: a redrive changes that
        self._rounds: set[str] = set()  # of the isolation: their map runs' ARNs
        self._rate = _Rate()

    def progress(self, execution: Execution, *, seconds: float) -> Progress:
        """Look once more."""
        open_run = self._open_map_run()
        stage = map_state_of(open_run.label) if open_run else _last_state(self._aws, self._arn)
        items = self._items_run.items if self._items_run else Counts()
        rate = self._rate.at(self._clock(), items.done)
        is_isolating = open_run is not None and is_isolation(open_run.label)
        batches = self._items_run.children if self._items_run else Counts()
        waiting = items.total - items.done
        return Progress(
            run_id=execution.name,
            status=execution.status,
            stage=stage,
            items=items,
            batches=batches,
            seconds=seconds if execution.seconds is None else execution.seconds,
            rate=rate,
            seconds_left=waiting / rate if rate and not execution.status.is_terminal else None,
            round=len(self._rounds),
            pieces=open_run.items if open_run and is_isolating else None,
        )

    def _open_map_run(self) -> MapRun | None:
        """The map run that is open, if any; ListMapRuns is asked only while none is known to be."""
        if self._current is not None:
            run = self._describe(self._current)
            if not run.status.is_terminal:
                return run
            self._current = None
        summaries = self._aws.map_runs(self._arn)
        self._rounds.update(summary.arn for summary in summaries if is_isolation(summary.label))
        for summary in summaries[-1:]:  # older ones have ended before it began
            run = self._describe(summary.arn, stopped=summary.stopped)
            if not run.status.is_terminal:
                self._current = run.arn
                return run
        return None

    def _describe(self, arn: str, *, stopped: float | None = None) -> MapRun:
        known = self._items_run
        if known and known.arn == arn and known.status.is_terminal and stopped == self._items_stopped:
            return known
        run = self._aws.map_run(arn)
        if is_of_items(run.label):
            self._items_run, self._items_stopped = run, stopped
        return run


class _Rate:
    """Items a second over the last seconds, from what was counted at each poll."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, now: float, done: int) -> float | None:
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_WINDOW_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        if now <= then or done <= before:
            return None
        return (done - before) / (now - then)
