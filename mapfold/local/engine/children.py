"""Runs the child executions of one map run.

A child is one execution of the Map's processor. Most of a large run's time is spent here, so a child costs one frame,
one list of events that is encoded once, and one row for the store when it has ended; until then it is only in
`running`. It has no task of its own: it runs in the map run's slot.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.engine.clock import Clock, iso_timestamp
from mapfold.local.engine.driver import World, drive
from mapfold.local.engine.endings import Ending, ending_of, failure_of, record_ending, record_start
from mapfold.local.engine.event_log import CountingLog, EventLog
from mapfold.local.engine.execution import EXPRESS_SECONDS
from mapfold.local.map_run import Child, ChildResult, MapRunIdentity, child_index, child_uuid
from mapfold.local.store import ChildRow, ExecutionRow, Store
from mapfold.states import Scope
from mapfold.states.effects import EndScope, FailScope
from mapfold.states.frame import Frame


class RunningChild:
    """A child that has not ended."""

    __slots__ = ("child", "log", "start", "stopping", "task")

    def __init__(
        self, child: Child, start: float, log: EventLog | CountingLog, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.child = child
        self.start = start
        self.log = log
        task = asyncio.current_task(loop)  # without the loop it makes a system call (getpid)
        assert task is not None
        self.task = task
        """The slot of the map run that this child has now."""
        self.stopping: Ending | None = None
        """Set when this child alone is to be stopped, not its map run."""


@dataclass(frozen=True, slots=True)
class LiveChild:
    """A running child as the service sees it. All of its events are in memory."""

    row: ExecutionRow
    log: EventLog | CountingLog

    def events_from(self, first_id: int) -> list[dict[str, Any]]:
        """The events with ids from `first_id`."""
        return self.log.pending[first_id - 1 :] if isinstance(self.log, EventLog) else []


class ChildRunner:
    """Runs the children of one map run; call it with a Child. A failed child is a value.

    When the slot is cancelled (the map run was stopped) the child is kept as ABORTED and the cancellation goes on.
    """

    def __init__(
        self,
        *,
        identity: MapRunIdentity,
        map_run_id: int,
        processor: Scope,
        express: bool,
        role_arn: str,
        store: Store,
        world: World,
        clock: Clock,
    ) -> None:
        self.running: dict[int, RunningChild] = {}
        self._identity = identity
        self._map_run_id = map_run_id
        self._processor = processor
        self._express = express
        self._role_arn = role_arn
        self._store = store
        self._world = world
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._uuid = identity.uuid
        owner = identity.child_machine_arn
        self._machine = {"Id": owner, "Name": owner.rpartition(":")[2]}
        self._arn_prefix = identity.child_arn(0).rpartition(":")[0] + ":"

    async def __call__(self, child: Child) -> ChildResult:
        """Run `child` to its end and hand it to the store."""
        await self._store.room()
        start = self._clock()
        log = CountingLog() if self._express else EventLog(self._clock)
        running = RunningChild(child, start, log, self._loop)
        self.running[child.index] = running
        name = child_uuid(self._uuid, child.index)
        try:
            frame = self._frame(child, name, start, log)
            record_start(frame, child.input_text, self._role_arn)
            try:
                ending = await self._end(child, frame)
            except asyncio.CancelledError:
                self._aborted(child, frame, running)
                if running.stopping is None:
                    raise
                running.task.uncancel()  # only this child ends, not its slot
                ending = running.stopping
            else:
                record_ending(frame, ending)
                self._keep(child, start, ending, log)
        finally:
            del self.running[child.index]
        return ChildResult(
            ending.status,
            ending.output,
            ending.error,
            ending.cause,
            name,
            self._arn_prefix + name,
            start,
            self._clock(),
        )

    def owns(self, arn: str) -> bool:
        """Whether `arn` is that of a child of this map run, running or not."""
        return arn.startswith(self._arn_prefix) and self._index(arn) is not None

    def find(self, arn: str) -> LiveChild | None:
        """The running child with this ARN."""
        running = self._running(arn)
        if running is None:
            return None
        identity = self._identity
        row = ExecutionRow(
            id=0,
            arn=arn,
            machine_arn=identity.child_machine_arn,
            machine_revision=0,
            name=identity.child_name(running.child.index),
            start=running.start,
            input=running.child.input_text,
            type="EXPRESS" if self._express else "STANDARD",
            map_run_arn=identity.map_run_arn,
            item_count=running.child.item_count,
        )
        return LiveChild(row, running.log)

    def stop(self, arn: str, error: str | None, cause: str | None) -> bool:
        """Stop one running child (StopExecution on its ARN). False if it does not run, or is an EXPRESS one."""
        running = self._running(arn)
        if self._express or running is None or running.stopping is not None:
            return False
        running.stopping = Ending("ABORTED", error=error, cause=cause)
        running.task.cancel()
        return True

    def rows(self) -> list[ChildRow]:
        """The running children as the store would list them."""
        return [
            ChildRow(self._map_run_id, index, "RUNNING", one.start, None, one.child.item_count, one.child.input_text)
            for index, one in self.running.items()
        ]

    def _running(self, arn: str) -> RunningChild | None:
        index = self._index(arn)
        return self.running.get(index) if index is not None else None

    def _index(self, arn: str) -> int | None:
        try:
            return child_index(self._identity.uuid, arn.removeprefix(self._arn_prefix))
        except ValueError:
            return None

    def _frame(self, child: Child, name: str, start: float, log: EventLog | CountingLog) -> Frame:
        execution = {
            "Id": self._arn_prefix + name,
            "Input": orjson.loads(child.input_text),
            "Name": name,
            "RoleArn": self._role_arn,
            "StartTime": iso_timestamp(start),
            "RedriveCount": 0,
        }
        return Frame(history=log, clock=self._clock, execution={"Execution": execution, "StateMachine": self._machine})

    async def _end(self, child: Child, frame: Frame) -> Ending:
        if not self._express:
            return ending_of(await self._drive(child, frame), frame)
        try:
            async with asyncio.timeout(EXPRESS_SECONDS):
                return ending_of(await self._drive(child, frame), frame)
        except TimeoutError:
            return Ending("TIMED_OUT", error="States.Timeout")

    async def _drive(self, child: Child, frame: Frame) -> EndScope | FailScope:
        try:
            data = frame.execution["Execution"]["Input"]
            frame.remember(data, child.input_text)
            return await drive(self._processor, data, frame, self._world)
        except Exception as fault:  # noqa: BLE001 - a bug of ours ends this one, and no other
            return failure_of(fault, frame.execution["Execution"]["Id"])

    def _aborted(self, child: Child, frame: Frame, running: RunningChild) -> None:
        ending = running.stopping or Ending("ABORTED")
        record_ending(frame, ending)
        self._keep(child, running.start, ending, running.log)

    def _keep(self, child: Child, start: float, ending: Ending, log: EventLog | CountingLog) -> None:
        self._store.child_ended(
            self._map_run_id,
            child.index,
            ending.status,
            start,
            self._clock(),
            child.item_count,
            child.input_text,
            ending.output,
            ending.error,
            ending.cause,
            orjson.dumps(log.pending) if isinstance(log, EventLog) else None,
        )
