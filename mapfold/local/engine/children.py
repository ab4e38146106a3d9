"""Runs the child executions of one map run.

A child is one execution of the Map's processor. Most of a large run's time is spent here, so a child costs one frame,
one list of events that is encoded once, and one row for the store when it has ended; until then it is only in
`running`. It has no task of its own: it runs in the map run's slot.

A STANDARD child that runs for long leaves snapshots (`ChildRunner.save`), from which it goes on after a crash. An
EXPRESS one is started again instead, as on AWS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import inf
from typing import Any

import orjson

from mapfold.local.engine.clock import Clock, iso_timestamp
from mapfold.local.engine.deadlines import Deadline, Deadlines
from mapfold.local.engine.driver import World, drive
from mapfold.local.engine.endings import Ending, ending_of, failure_of, record_ending, record_redrive, record_start
from mapfold.local.engine.event_log import EventLog
from mapfold.local.engine.execution import EXPRESS_SECONDS
from mapfold.local.engine.special_logs import ToldLog
from mapfold.local.execution_logs import Tell
from mapfold.local.map_run import Child, ChildResult, FormerLife, MapRunIdentity, child_index, child_uuid
from mapfold.local.store import ChildRow, ExecutionRow, Store
from mapfold.states import Scope
from mapfold.states.frame import Frame
from mapfold.states.history_reader import read_standing

SAVED_AFTER_SECONDS = 1.0
"""How old a child is when it is saved first. Shorter ones leave nothing but their row."""
SAVED_AT_ONCE = 500
"""Snapshots made in one go: 10 ms on the event loop. Of ten thousand children the oldest come first."""
EVENTS_A_SECOND = 1_000
"""A long history is encoded whole at each snapshot: so it has fewer of them."""


class RunningChild:
    """A child that has not ended."""

    __slots__ = (
        "child",
        "log",
        "redrive_count",
        "redrive_date",
        "save_at",
        "saved",
        "start",
        "stopping",
        "task",
    )

    def __init__(self, child: Child, start: float, log: EventLog, loop: asyncio.AbstractEventLoop) -> None:
        self.child = child
        self.start = start
        self.log = log
        self.redrive_count = 0
        self.redrive_date: float | None = None
        self.saved = 0
        """How many events the snapshot has; 0 if there is none."""
        self.save_at = start + SAVED_AFTER_SECONDS
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
    log: EventLog

    def events_from(self, first_id: int) -> list[dict[str, Any]]:
        """The events with ids from `first_id`."""
        return self.log.pending[first_id - 1 :]


class ChildRunner:
    """Runs the children of one map run; call it with a Child. A failed child is a value.

    When the slot is cancelled while `aborting` is true (the map run was stopped), the child is kept as ABORTED and the
    cancellation goes on; while it is false (the engine ends) nothing is recorded, and the child goes on another time.
    `attempt` is the map run's redrive count.
    """

    def __init__(
        self,
        *,
        identity: MapRunIdentity,
        map_run_id: int,
        processor: Scope,
        express: bool,
        attempt: int,
        role_arn: str,
        store: Store,
        world: World,
        clock: Clock,
        tells: Callable[[str, Callable[[], int]], Tell] | None = None,
    ) -> None:
        self.aborting: Callable[[], bool] = lambda: False
        """Whether the map run is ending its children: set by who has both."""
        self.running: dict[int, RunningChild] = {}
        self._identity = identity
        self._map_run_id = map_run_id
        self._processor = processor
        self._express = express
        self._attempt = attempt
        self._deadlines = Deadlines()
        self._most_events = inf if express else None
        self._role_arn = role_arn
        self._store = store
        self._world = world
        self._clock = clock
        self._tells = tells
        self._loop = asyncio.get_running_loop()
        self._uuid = identity.uuid
        owner = identity.child_machine_arn
        self._machine = {"Id": owner, "Name": owner.rpartition(":")[2]}
        self._arn_prefix = identity.child_arn(0).rpartition(":")[0] + ":"

    async def __call__(self, child: Child) -> ChildResult:
        """Run `child` to its end and hand it to the store."""
        start = self._clock()
        name = child_uuid(self._uuid, child.index)
        keep = partial(self._save_index, child.index)
        if self._tells is None:
            log = EventLog(self._clock, keep=keep, most=self._most_events)
        else:
            tell = self._tells(self._arn_prefix + name, lambda: running.redrive_count)
            log = ToldLog(self._clock, tell, keep=keep, most=self._most_events)
        running = RunningChild(child, start, log, self._loop)
        self.running[child.index] = running
        try:
            if child.former is None:
                frame = self._frame(child, name, running)
                record_start(frame, child.input_text, self._role_arn)
            else:
                frame = self._go_on(child, name, running, child.former)
            try:
                await self._store.room()
                ending = await (self._drive_in_time(child, frame) if self._express else self._drive(child, frame))
            except asyncio.CancelledError:
                if running.stopping is None and not self.aborting():
                    self._save(running)
                    raise
                self._aborted(child, frame, running)
                if running.stopping is None:
                    raise
                running.task.uncancel()  # only this child ends, not its slot
                ending = running.stopping
            else:
                record_ending(frame, ending)
                self._keep(running, ending)
        finally:
            del self.running[child.index]
        return ChildResult(
            ending.status,
            ending.output,
            ending.error,
            ending.cause,
            name,
            self._arn_prefix + name,
            running.start,
            self._clock(),
            running.redrive_count,
        )

    def save(self) -> None:
        """Hand where long-running children stand to the store; called regularly."""
        if self._express:
            return
        now = self._clock()
        due = (one for one in self.running.values() if now >= one.save_at and one.log.count > one.saved)
        for one in islice(due, SAVED_AT_ONCE):
            self._save(one)
            one.save_at = now + one.saved / EVENTS_A_SECOND

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
            redrive_count=running.redrive_count,
            redrive_date=running.redrive_date,
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
            ChildRow(
                self._map_run_id,
                index,
                "RUNNING",
                one.start,
                None,
                one.child.item_count,
                one.child.input_text,
                redrive_count=one.redrive_count,
                redrive_date=one.redrive_date,
                attempt=self._attempt,
            )
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

    def _go_on(self, child: Child, name: str, running: RunningChild, former: FormerLife) -> Frame:
        """The frame of a child that has run before. EXPRESS ones begin anew, under their ARN.

        Unconfirmed on AWS: whether their redriveCount grows, too.
        """
        running.start = former.start
        running.redrive_count, running.redrive_date = former.redrive_count, former.redrive_date
        running.saved = 0 if former.redriven else len(former.events)
        if former.redriven:
            running.redrive_count += 1
            running.redrive_date = self._clock()
        if self._express:
            frame = self._frame(child, name, running)
            record_start(frame, child.input_text, self._role_arn)
            return frame
        log = running.log
        log.pending, log.count = former.events, len(former.events)
        frame = self._frame(child, name, running)
        if former.redriven:
            record_redrive(frame, running.redrive_count, last=log.count)
            log.keep()
        return frame

    def _frame(self, child: Child, name: str, running: RunningChild) -> Frame:
        execution = {
            "Id": self._arn_prefix + name,
            "Input": orjson.loads(child.input_text),
            "StartTime": iso_timestamp(running.start),
            "Name": name,
            "RoleArn": self._role_arn,
            "RedriveCount": running.redrive_count,
        }
        if running.redrive_date is not None:
            execution["RedriveTime"] = iso_timestamp(running.redrive_date)
        return Frame(
            history=running.log, clock=self._clock, execution={"Execution": execution, "StateMachine": self._machine}
        )

    async def _drive_in_time(self, child: Child, frame: Frame) -> Ending:
        deadline = Deadline()
        self._deadlines.start(deadline, EXPRESS_SECONDS)
        try:
            return await self._drive(child, frame)
        except asyncio.CancelledError:
            if not deadline.has_expired():
                raise
            return Ending("TIMED_OUT", error="States.Timeout")
        finally:
            self._deadlines.stop(deadline)

    async def _drive(self, child: Child, frame: Frame) -> Ending:
        try:
            data = frame.execution["Execution"]["Input"]
            frame.remember(data, child.input_text)
            standing = None
            if child.former is not None and not self._express:
                standing = read_standing(self._processor, child.former.events, execution=frame.execution)
            end = await drive(self._processor, data, frame, self._world, standing)
        except Exception as fault:  # noqa: BLE001 - a bug of ours ends this one, and no other
            end = failure_of(fault, frame.execution["Execution"]["Id"])
        return ending_of(end, frame)

    def _aborted(self, child: Child, frame: Frame, running: RunningChild) -> None:
        ending = running.stopping or Ending("ABORTED")
        record_ending(frame, ending)
        self._keep(running, ending)

    def _save_index(self, index: int) -> None:
        # Not a method of the running child: its log would hold it, and it its log, until the garbage is collected.
        self._save(self.running[index])

    def _save(self, running: RunningChild) -> None:
        """Hand to the store where a child stands. An EXPRESS one is not saved: it will start again."""
        log, child = running.log, running.child
        if self._express or log.count == running.saved:
            return
        self._store.child_saved(
            self._map_run_id,
            child.index,
            running.start,
            child.item_count,
            child.input_text,
            orjson.dumps(log.pending),
            running.redrive_count,
            running.redrive_date,
        )
        running.saved = log.count

    def _keep(self, running: RunningChild, ending: Ending) -> None:
        child = running.child
        self._store.child_ended(
            self._map_run_id,
            child.index,
            ending.status,
            running.start,
            self._clock(),
            child.item_count,
            child.input_text,
            ending.output,
            ending.error,
            ending.cause,
            orjson.dumps(running.log.pending),
            running.redrive_count,
            running.redrive_date,
            self._attempt,
            running.saved > 0,
        )
