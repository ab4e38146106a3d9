"""Performs what the states of one execution ask for: the acting half of the driver."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from mapfold.local.engine.branches import run_branches, run_iterations
from mapfold.local.engine.clock import Clock
from mapfold.local.engine.event_log import HistoryFull
from mapfold.local.engine.integrations import Integrations
from mapfold.states.effects import (
    Effect,
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


class RunsMaps(Protocol):
    """Runs distributed Maps (`mapfold.local.engine.map_runs`, which itself needs a world for the children)."""

    async def perform(
        self, effect: RunMap, frame: Frame, *, role_arn: str, world: EngineWorld
    ) -> TaskSucceeded | TaskFailed: ...


class EngineWorld:
    """Acts for one execution and the children of its map runs, which share its role."""

    __slots__ = ("_clock", "_integrations", "_map_runs", "_role_arn")

    def __init__(self, integrations: Integrations, clock: Clock, map_runs: RunsMaps, role_arn: str) -> None:
        self._integrations = integrations
        self._clock = clock
        self._map_runs = map_runs
        self._role_arn = role_arn

    async def perform(self, effect: Effect, frame: Frame) -> Any:
        """Do what `effect` asks. The answer is the one that the effect's docstring promises."""
        match effect:
            case RunTask():
                return await self._run_task(effect, frame)
            case Sleep():
                return await asyncio.sleep(max(0.0, effect.until - self._clock()))
            case RunMap():
                return await self._map_runs.perform(effect, frame, role_arn=self._role_arn, world=self)
            case RunBranches():
                return await run_branches(effect, frame, self)
            case RunIterations():
                return await run_iterations(effect, frame, self)

    async def _run_task(self, effect: RunTask, frame: Frame) -> TaskSucceeded | TaskFailed:
        integration = self._integrations.find(effect.resource)
        if integration is None:
            return TaskFailed(
                "States.Runtime",
                f"The embedded AWS cannot call {effect.resource.arn}. It can call {self._integrations.known}.",
                catchable=False,
            )
        if effect.timeout_seconds is None:
            return await integration(effect, lambda: record_started(effect, frame))
        try:
            async with asyncio.timeout(None) as timer:
                limit = effect.timeout_seconds

                def started() -> None:
                    record_started(effect, frame)
                    timer.reschedule(asyncio.get_running_loop().time() + limit)

                return await integration(effect, started)
        except TimeoutError:
            return TaskFailed("States.Timeout", None, timed_out=True)


def record_started(effect: RunTask, frame: Frame) -> None:
    """Record that a task's work has begun.

    It begins all the same where the history has no room for that: the event of its end will find none either, and
    end the execution. (What calls this is not ours: an exception would be lost in there.)
    """
    with suppress(HistoryFull):
        _record_started(effect.resource, frame)


def _record_started(resource: Resource, frame: Frame) -> None:
    match resource.family:
        case "lambda":
            frame.record("LambdaFunctionStarted")
        case "activity":
            frame.record("ActivityStarted", "activityStartedEventDetails", {})
        case _:
            details = {"resourceType": resource.service, "resource": resource.action + _suffix(resource.pattern)}
            frame.record("TaskStarted", "taskStartedEventDetails", details)


def _suffix(pattern: str) -> str:
    return f".{pattern}" if pattern else ""
