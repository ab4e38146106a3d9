"""Performs what the states of one execution ask for: the acting half of the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from mapfold.local.engine.branches import run_branches, run_iterations
from mapfold.local.engine.clock import Clock
from mapfold.local.engine.deadlines import Deadline, Deadlines
from mapfold.local.engine.event_log import HistoryFull
from mapfold.local.engine.integrations import Integrations, Progress
from mapfold.local.execution_logs import Tell
from mapfold.states.effects import (
    CheckTask,
    Effect,
    FindActivity,
    Resource,
    RunBranches,
    RunIterations,
    RunMap,
    RunTask,
    Sleep,
    TaskFailed,
    TaskSucceeded,
)
from mapfold.states.frame import Frame

TellsOf = Callable[[str, Callable[[], int]], Tell]
"""(ARN of an execution, its redrive count) -> who hears of its events."""


class RunsMaps(Protocol):
    """Runs distributed Maps (`mapfold.local.engine.map_runs`, which itself needs a world for the children)."""

    async def perform(
        self, effect: RunMap, frame: Frame, *, role_arn: str, world: EngineWorld
    ) -> TaskSucceeded | TaskFailed: ...


class EngineWorld:
    """Acts for one execution, or for the children of one map run, which share a role."""

    __slots__ = ("_clock", "_deadlines", "_integrations", "_map_runs", "_role_arn", "tells", "waiting")

    def __init__(self, integrations: Integrations, clock: Clock, map_runs: RunsMaps, role_arn: str) -> None:
        self.waiting = 0
        """Tasks that were handed to an integration and wait for their work to begin."""
        self.tells: TellsOf | None = None
        """Who hears of the events of children; None: their machine does not log."""
        self._integrations = integrations
        self._clock = clock
        self._map_runs = map_runs
        self._role_arn = role_arn
        self._deadlines = Deadlines()

    def of_children(self) -> EngineWorld:
        """The world of a map run's children: the same, but it counts for itself."""
        world = EngineWorld(self._integrations, self._clock, self._map_runs, self._role_arn)
        world.tells = self.tells
        return world

    def perform(self, effect: Effect, frame: Frame) -> Awaitable[Any]:
        """Do what `effect` asks. The answer is the one that the effect's docstring promises.

        Not a coroutine itself: every one that a task passes through costs it 0.4 µs.
        """
        match effect:
            case RunTask():
                return self._run_task(effect, frame)
            case Sleep():
                return asyncio.sleep(max(0.0, effect.until - self._clock()))
            case RunMap():
                return self._map_runs.perform(effect, frame, role_arn=self._role_arn, world=self)
            case RunBranches():
                return run_branches(effect, frame, self)
            case RunIterations():
                return run_iterations(effect, frame, self)
            case CheckTask():
                return self._integrations.check(effect)
            case FindActivity():
                return self._find_activity(effect.arn)

    async def _find_activity(self, arn: str) -> bool:
        return self._integrations.activities.exists(arn)

    async def _run_task(self, effect: RunTask, frame: Frame) -> TaskSucceeded | TaskFailed:
        went_on = effect.went_on
        find = self._integrations.find if went_on is None else self._integrations.going_on
        integration = find(effect.resource)
        if integration is None:
            return TaskFailed(
                "States.Runtime",
                f"The embedded AWS cannot call {effect.resource.arn}. It can call {self._integrations.known}.",
                catchable=False,
            )
        limit = effect.timeout_seconds
        deadline = None if limit is None else Deadline()
        began = went_on is not None or effect.resource.family == "activity"  # those wait for nothing that we have

        def started() -> None:
            nonlocal began
            if not began:
                began = True
                self.waiting -= 1
            record_started(effect, frame)
            if deadline is not None and limit is not None:
                self._deadlines.start(deadline, limit)

        if not began:
            self.waiting += 1
        elif deadline is not None and limit is not None and went_on is not None and went_on.started is not None:
            self._deadlines.start(deadline, max(0.0, went_on.started + limit - self._clock()))
        try:
            if effect.role_arn is not None and went_on is None:
                refused = await self._integrations.refuse_role(effect.role_arn, self._role_arn)
                if refused is not None:
                    started()
                    return refused
            resource = effect.resource
            if resource.service == "lambda" and not resource.pattern:  # the quickest way for the most
                return await integration(effect, started)
            return await integration(effect, Progress(started, effect, frame))
        except asyncio.CancelledError:
            if deadline is None or not deadline.has_expired():
                raise
            return TaskFailed("States.Timeout", None, timed_out=True)
        finally:
            if not began:
                self.waiting -= 1
            if deadline is not None:
                self._deadlines.stop(deadline)


def record_started(effect: RunTask, frame: Frame) -> None:
    """Record that a task's work has begun.

    It begins all the same where the history has no room for that: the event of its end will find none either, and
    end the execution. (What calls this is not ours: an exception would be lost in there.)
    """
    try:  # contextlib.suppress would cost 0.5 µs
        _record_started(effect.resource, effect.worker, frame)
    except HistoryFull:
        return


def _record_started(resource: Resource, worker: str | None, frame: Frame) -> None:
    match resource.family:
        case "lambda":
            frame.record("LambdaFunctionStarted")
        case "activity":
            details = {} if worker is None else {"workerName": worker}
            frame.record("ActivityStarted", "activityStartedEventDetails", details)
            frame.history.keep()  # before the worker has it: no other is to get it after a crash
        case _:
            details = {"resourceType": resource.service, "resource": resource.action + _suffix(resource.pattern)}
            frame.record("TaskStarted", "taskStartedEventDetails", details)


def _suffix(pattern: str) -> str:
    return f".{pattern}" if pattern else ""
