"""An engine with all that is around it, and what tests ask of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from mapfold.local.engine import Engine
from mapfold.local.engine.integrations import Clients
from mapfold.local.lambda_ import LambdaService
from mapfold.local.map_run import child_uuid
from mapfold.local.store import ExecutionRow, MachineRow, MapRunRow, Page, Store
from tests.unit.engine.fakes import Clock, FakeLambda
from tests.unit.map_run.fakes import FakeS3

ROLE = "arn:aws:iam::123456789012:role/any"
ALL = Page(100_000)

Event = dict[str, Any]


@dataclass
class World:
    """An engine; `start` and `run` take definitions as dictionaries of states."""

    store: Store
    functions: FakeLambda
    s3: FakeS3
    clock: Callable[[], float]
    engine: Engine
    numbers: Any = field(default_factory=lambda: count(1))

    async def start(
        self, states: Mapping[str, Any], data: Any = None, *, type_: str = "STANDARD", **top: Any
    ) -> ExecutionRow:
        """Start an execution of a machine whose first state is the first of `states`."""
        number = next(self.numbers)
        machine = self.machine(f"machine{number}", states, type_=type_, **top)
        text = json.dumps({} if data is None else data, separators=(",", ":"))
        return await self.engine.start_execution(machine, name=f"run{number}", input_text=text)

    def machine(self, name: str, states: Mapping[str, Any], *, type_: str = "STANDARD", **top: Any) -> MachineRow:
        """A machine whose first state is the first of `states`."""
        machine = MachineRow(
            arn=f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}",
            name=name,
            type=type_,
            definition=json.dumps(scope(states) | top),
            role_arn=ROLE,
            created=1.0,
            updated=1.0,
            revision=self.store.next_revision(),
        )
        self.store.put_machine(machine)
        return machine

    async def run(self, states: Mapping[str, Any], data: Any = None, **options: Any) -> Ended:
        """Start an execution and wait for its end."""
        return await self.end(await self.start(states, data, **options))

    async def end(self, started: ExecutionRow) -> Ended:
        """Wait for an execution's end: what the store says of it then."""
        await self.until(lambda: self.engine.live_execution(started.arn) is None)
        row = await self.store.execution(started.arn)
        assert row is not None
        return Ended(row, await self.store.events(row.id, ALL))

    async def stop(self, started: ExecutionRow, error: str | None = None, cause: str | None = None) -> Ended:
        """StopExecution."""
        await self.engine.stop_execution(started.arn, error=error, cause=cause)
        return await self.end(started)

    async def map_run(self, started: ExecutionRow) -> MapRunRow:
        """The execution's only map run, as the store has it."""
        (row,) = await self.store.map_runs(started.arn, ALL)
        return row

    async def live_map_run(self, started: ExecutionRow) -> MapRunRow:
        """The execution's only map run, as it is now."""
        row = self.engine.live_map_run((await self.map_run(started)).arn)
        assert row is not None
        return row

    def child_arn(self, run: MapRunRow, index: int) -> str:
        """The ARN of a STANDARD child."""
        return f"{run.arn.replace(':mapRun:', ':execution:').rpartition(':')[0]}:{child_uuid(uuid_of(run), index)}"

    async def until(self, true: Callable[[], bool]) -> None:
        """Let everybody work until something is so. Ends by itself: within seconds, or the test fails."""
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Ended:
    """How an execution ended, and its history."""

    row: ExecutionRow
    events: list[Event]

    @property
    def output(self) -> Any:
        assert self.row.output is not None, self.row
        return json.loads(self.row.output)

    @property
    def failure(self) -> tuple[str, str | None, str | None]:
        return self.row.status, self.row.error, self.row.cause

    @property
    def line(self) -> list[tuple[str, int]]:
        """(type, previousEventId) of every event."""
        return [(event["type"], event["previousEventId"]) for event in self.events]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def previous(self, type_: str) -> list[int]:
        """The previousEventIds of all events of a type."""
        return [event["previousEventId"] for event in self.events if event["type"] == type_]

    def id(self, type_: str, nth: int = 0) -> int:
        """The id of the nth event of a type."""
        return [int(event["id"]) for event in self.events if event["type"] == type_][nth]

    def details(self, type_: str, nth: int = 0) -> Any:
        """The details of the nth event of a type; None if it has none."""
        event = self.events[self.id(type_, nth) - 1]
        return next((value for key, value in event.items() if key.endswith("EventDetails")), None)


@asynccontextmanager
async def opened(
    store: Store,
    *,
    clock: Callable[[], float] | None = None,
    clients: Clients | None = None,
) -> AsyncIterator[World]:
    """An engine over `store`; leaving it shuts the engine down. `clients` are of services that tasks may call."""
    functions, s3, ticking = FakeLambda(), FakeS3(), clock or Clock()
    service = cast(LambdaService, functions)  # all that the engine calls of it
    async with Engine(
        store=store,
        lambda_service=service,
        region="us-east-1",
        s3=lambda: s3,
        clock=ticking,
        clients=clients,
    ) as engine:
        yield World(store, functions, s3, ticking, engine)


def uuid_of(run: MapRunRow) -> str:
    return run.arn.rpartition(":")[2]


# --- definitions --------------------------------------------------------------------------------------------


def function(name: str) -> str:
    """The ARN of a function."""
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


def scope(states: Mapping[str, Any]) -> dict[str, Any]:
    """A `States` block that starts at the first state."""
    return {"StartAt": next(iter(states)), "States": states}


def task(name: str, **fields: Any) -> dict[str, Any]:
    """A Task that calls a function by its ARN and ends its scope, unless it has a Next."""
    return {"Type": "Task", "Resource": function(name), **ending(fields)}


def pass_(**fields: Any) -> dict[str, Any]:
    return {"Type": "Pass", **ending(fields)}


def wait(**fields: Any) -> dict[str, Any]:
    """A Wait of hours, if it is not told otherwise."""
    length = {} if "Seconds" in fields else {"Seconds": 50_000}
    return {"Type": "Wait", **length, **ending(fields)}


def inline_map(states: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": scope(states), **ending(fields)}


def distributed_map(states: Mapping[str, Any], *, children: str = "STANDARD", **fields: Any) -> dict[str, Any]:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": children}}
    return {"Type": "Map", "Label": "Each", "ItemProcessor": config | scope(states), **ending(fields)}


def parallel(*branches: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": [scope(branch) for branch in branches], **ending(fields)}


def ending(fields: dict[str, Any]) -> dict[str, Any]:
    return fields if "Next" in fields else {**fields, "End": True}
