"""One execution of a state machine, from its start to its last event.

It may be cut off in between, when the process is killed or the engine is left: then another process makes it again,
lets it `recall` what its history says, and runs it to its end. So does a redrive of one that had ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

import orjson

from mapfold.local.engine.clock import Clock, iso_timestamp
from mapfold.local.engine.driver import World, drive
from mapfold.local.engine.endings import (
    MACHINE_GONE,
    Ending,
    ending_in,
    ending_of,
    failure_of,
    record_ending,
    record_redrive,
    record_start,
)
from mapfold.local.engine.event_log import keep_nothing
from mapfold.local.engine.special_logs import make_log, refuse_states
from mapfold.local.execution_logs import Tell
from mapfold.local.store import ExecutionRow, MachineRow, Store, WireEvent
from mapfold.states import Machine
from mapfold.states.effects import EndScope, FailScope, Json
from mapfold.states.frame import Frame
from mapfold.states.history_reader import HistoryReader
from mapfold.states.standing import Standing, StandingError

EXPRESS_SECONDS = 300
"""How long an EXPRESS execution may run (Step Functions service quotas)."""


class Execution:
    """A running execution. `row` is always what DescribeExecution should say; `run` is called once."""

    def __init__(
        self,
        row: ExecutionRow,
        machine: MachineRow,
        program: Machine,
        *,
        store: Store,
        clock: Clock,
        tell: Tell | None = None,
    ) -> None:
        self.row = row
        self._machine = machine
        self._program = program
        self._store = store
        self._clock = clock
        self._log = make_log(clock, keep=self.flush, most=None if row.type == "STANDARD" else inf, tell=tell)
        self.ended = asyncio.Event()
        """Set when `run` is over, whatever way."""
        self._stop: Ending | None = None
        self._task: asyncio.Task[Any] | None = None
        self._standing: Standing | None = None
        self._recalled = False
        self._left = False
        self._frame = Frame(history=self._log, clock=clock, execution=execution_context(row, machine))

    async def recall(self, *, redriven: bool = False) -> None:
        """Read from its history where it stands, to go on from there; `run` comes next.

        `redriven`: it had ended, and this redrive is to be recorded. When this returns everything is queued.
        """
        self._recalled = True
        left = self._seconds_left()
        if left is not None and left <= 0:
            self._stop = Ending("TIMED_OUT", error="States.Timeout")
        if self.row.type == "EXPRESS":  # it runs again as a whole, as on AWS: at least once
            self._store.forget_events(self.row.id)
            return
        if redriven:
            self._store.execution_redriven(self.row.id, self.row.redrive_count, self.row.redrive_date or 0.0)
        elif self.row.stop is not None:
            self._stop = Ending("ABORTED", error=self.row.error, cause=self.row.cause)
        reader = HistoryReader(self._program.scope, execution=self._frame.execution)
        try:
            async for events in self._store.all_events(self.row.id):
                for event in events:
                    reader.add(event)
            self._log.count = self._frame.previous = reader.count
            if reader.redrives < self.row.redrive_count:
                reader.add(self._record_redrive())
            if reader.ending is None:
                self._standing = reader.standing()
                if self._standing is None:  # the first state's event does not point back (history-events 3, rule 1)
                    self._frame.previous = 0
        except (StandingError, ValueError) as error:  # ValueError: what is stored is no JSON
            last = await self._store.last_event_id(self.row.id)
            self._log.count = self._frame.previous = max(last, self._log.count)
            cause = f"The execution was cut off, and cannot go on from its history: {error}."
            self._stop = Ending("FAILED", error="States.Runtime", cause=cause)
            return
        if reader.ending is not None:  # all that was missing is the row's end
            self._close(ending_in(reader.ending), reader.ending["timestamp"])

    @property
    def is_over(self) -> bool:
        """After `recall`: it came to its end while nobody ran it. `run` only records that, and runs no state."""
        return self._stop is not None or self.row.status != "RUNNING"

    def _record_redrive(self) -> WireEvent:
        record_redrive(self._frame, self.row.redrive_count, last=self._log.count)
        event = self._log.pending[-1]
        self.flush()
        return event

    async def run(self, world: World) -> None:
        """Run to the end, and hand all events and how it ended to the store, which has the row already."""
        self._task = asyncio.current_task()
        if self._left or self.row.status != "RUNNING":
            return
        if self._log.count == 0:
            origin = {"alias_arn": self.row.alias_arn, "version_arn": self.row.version_arn}
            record_start(self._frame, self.row.input, self._machine.role_arn, **origin)
        ending = await self._end(world)
        if self._left:
            return
        record_ending(self._frame, ending)
        stop = self._stopped(ending)
        self.flush()
        self._log.keep = keep_nothing  # or it and we would hold each other until the garbage is collected
        self._close(ending, stop)

    def _stopped(self, ending: Ending) -> float:
        """When it ended: a stop when it was asked for, a timeout to the millisecond (seen on the service)."""
        deadline = self._deadline() if ending.status == "TIMED_OUT" else self.row.stop
        at: float = self._log.pending[-1]["timestamp"]
        return at if deadline is None else deadline

    def _close(self, ending: Ending, stop: float) -> None:
        error = None if ending.status == "TIMED_OUT" else ending.error  # it is in the event only (history-events 4)
        self.row = replace(
            self.row, status=ending.status, stop=stop, output=ending.output, error=error, cause=ending.cause
        )
        self._store.execution_ended(
            self.row.id, status=ending.status, stop=stop, output=ending.output, error=error, cause=ending.cause
        )

    def stop(self, error: str | None, cause: str | None) -> None:
        """Abort: what runs inside is cancelled, and `run` ends soon with status ABORTED."""
        if self._stop is not None:
            return
        self._stop = Ending("ABORTED", error=error, cause=cause)
        self._store.execution_stopping(self.row.id, self._clock(), error, cause)
        if self._task is not None:  # otherwise `run` has not begun, and will look
            self._task.cancel()

    def end_at_next_transition(self) -> None:
        """Its state machine was deleted: ABORTED when it would enter another state. EXPRESS ones run out."""
        if self.row.type == "STANDARD":
            refuse_states(self._log)

    def leave(self) -> None:
        """Cut the execution off, to go on in another process: what it has recorded is kept, and nothing more."""
        self.flush()
        self._left = True
        if self._task is not None:
            self._task.cancel()

    def flush(self) -> None:
        """Hand the events that have gathered to the store."""
        if self._left or not self._log.pending:
            return
        first, events = self._log.take()
        self._store.add_events(self.row.id, first, len(events), orjson.dumps(events))

    def events_from(self, first_id: int) -> list[dict[str, Any]]:
        """Events from `first_id` on that the store has not been handed."""
        return [event for event in self._log.pending if event["id"] >= first_id]

    async def _end(self, world: World) -> Ending:
        if self._stop is not None:
            return self._stop
        try:
            async with asyncio.timeout(self._seconds_left()):
                end = await self._drive(world)
                return Ending("ABORTED") if end is MACHINE_GONE else ending_of(end, self._frame)
        except TimeoutError:
            return Ending("TIMED_OUT", error="States.Timeout")
        except asyncio.CancelledError:
            if self._stop is None or self._task is None or self._left:
                raise
            self._task.uncancel()
            return self._stop

    def _limit(self) -> float | None:
        limit: float | None = self._program.timeout_seconds
        if self.row.type == "EXPRESS":
            return min(limit or EXPRESS_SECONDS, EXPRESS_SECONDS)
        return limit

    def _deadline(self) -> float | None:
        """When the execution times out. A redrive starts the count again, a restart of ours does not."""
        limit = self._limit()
        return None if limit is None else (self.row.redrive_date or self.row.start) + limit

    def _seconds_left(self) -> float | None:
        deadline = self._deadline() if self._recalled else None
        return self._limit() if deadline is None else deadline - self._clock()

    async def _drive(self, world: World) -> EndScope | FailScope:
        try:
            data = self._frame.execution["Execution"]["Input"]
            self._frame.remember(data, self.row.input)
            return await drive(self._program.scope, data, self._frame, world, self._standing)
        except Exception as fault:  # noqa: BLE001 - a bug of ours ends this one, and no other
            return failure_of(fault, self.row.arn)


def execution_context(row: ExecutionRow, machine: MachineRow) -> Mapping[str, Json]:
    """The members of the context object that do not change during an execution (until it is redriven)."""
    execution = {
        "Id": row.arn,
        "Input": orjson.loads(row.input),
        "StartTime": iso_timestamp(row.start),
        "Name": row.name,
        "RoleArn": machine.role_arn,
        "RedriveCount": row.redrive_count,
    }
    if row.redrive_date is not None:
        execution["RedriveTime"] = iso_timestamp(row.redrive_date)
    return {"Execution": execution, "StateMachine": {"Id": machine.arn, "Name": machine.name}}
