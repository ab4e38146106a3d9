"""One execution of a state machine, from its start to its last event."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from mapfold.local.engine.clock import Clock, iso_timestamp
from mapfold.local.engine.driver import World, drive
from mapfold.local.engine.endings import Ending, ending_of, failure_of, record_ending, record_start
from mapfold.local.engine.event_log import CountingLog, EventLog
from mapfold.local.store import ExecutionRow, MachineRow, Store
from mapfold.states import Machine
from mapfold.states.effects import EndScope, FailScope, Json
from mapfold.states.frame import Frame

EXPRESS_SECONDS = 300
"""How long an EXPRESS execution may run (Step Functions service quotas)."""


class Execution:
    """A running execution. `row` is always what DescribeExecution should say; `run` is called once."""

    def __init__(self, row: ExecutionRow, machine: MachineRow, program: Machine, *, store: Store, clock: Clock) -> None:
        self.row = row
        self._machine = machine
        self._program = program
        self._store = store
        self._clock = clock
        self._log = EventLog(clock) if row.type == "STANDARD" else CountingLog()
        self.ended = asyncio.Event()
        """Set when `run` is over, whatever way."""
        self._stop: Ending | None = None
        self._task: asyncio.Task[Any] | None = None
        self._frame = Frame(history=self._log, clock=clock, execution=execution_context(row, machine))

    async def run(self, world: World) -> None:
        """Run to the end, and hand all events and how it ended to the store, which has the row already."""
        self._task = asyncio.current_task()
        record_start(self._frame, self.row.input, self._machine.role_arn)
        ending = await self._end(world)
        record_ending(self._frame, ending)
        self.flush()
        self.row = replace(
            self.row,
            status=ending.status,
            stop=self._clock(),
            output=ending.output,
            error=None if ending.status == "TIMED_OUT" else ending.error,  # it is in the event only (history-events 4)
            cause=ending.cause,
        )
        assert self.row.stop is not None
        self._store.execution_ended(
            self.row.id,
            status=ending.status,
            stop=self.row.stop,
            output=ending.output,
            error=self.row.error,
            cause=ending.cause,
        )

    def stop(self, error: str | None, cause: str | None) -> None:
        """Abort: what runs inside is cancelled, and `run` ends soon with status ABORTED."""
        if self._stop is not None:
            return
        self._stop = Ending("ABORTED", error=error, cause=cause)
        if self._task is not None:  # otherwise `run` has not begun, and will look
            self._task.cancel()

    def flush(self) -> None:
        """Hand the events that have gathered to the store."""
        if not isinstance(self._log, EventLog) or not self._log.pending:
            return
        first, events = self._log.take()
        self._store.add_events(self.row.id, first, len(events), orjson.dumps(events))

    def events_from(self, first_id: int) -> list[dict[str, Any]]:
        """Events from `first_id` on that the store has not been handed."""
        if not isinstance(self._log, EventLog):
            return []
        return [event for event in self._log.pending if event["id"] >= first_id]

    async def _end(self, world: World) -> Ending:
        if self._stop is not None:
            return self._stop
        limit = self._program.timeout_seconds
        if self.row.type == "EXPRESS":
            limit = min(limit or EXPRESS_SECONDS, EXPRESS_SECONDS)
        try:
            async with asyncio.timeout(limit):
                return ending_of(await self._drive(world), self._frame)
        except TimeoutError:
            return Ending("TIMED_OUT", error="States.Timeout")
        except asyncio.CancelledError:
            if self._stop is None or self._task is None:
                raise
            self._task.uncancel()
            return self._stop

    async def _drive(self, world: World) -> EndScope | FailScope:
        try:
            data = self._frame.execution["Execution"]["Input"]
            self._frame.remember(data, self.row.input)
            return await drive(self._program.scope, data, self._frame, world)
        except Exception as fault:  # noqa: BLE001 - a bug of ours ends this one, and no other
            return failure_of(fault, self.row.arn)


def execution_context(row: ExecutionRow, machine: MachineRow) -> Mapping[str, Json]:
    """The members of the context object that do not change during an execution."""
    return {
        "Execution": {
            "Id": row.arn,
            "Input": orjson.loads(row.input),
            "Name": row.name,
            "RoleArn": machine.role_arn,
            "StartTime": iso_timestamp(row.start),
            "RedriveCount": row.redrive_count,
        },
        "StateMachine": {"Id": machine.arn, "Name": machine.name},
    }
