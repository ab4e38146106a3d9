"""The service on a free port, in a thread with a loop of its own, behind it a real store and an engine that only
does what a test tells it. Tests call it with plain boto3.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import orjson
import pytest
import uvicorn
from botocore.config import Config

from mapfold.errors import DefinitionError, Problem
from mapfold.local.arns import execution_arn, express_arn
from mapfold.local.engine.activities import Activities
from mapfold.local.engine.tokens import TaskTokens
from mapfold.local.moto import listen
from mapfold.local.server import _HttpServer
from mapfold.local.service import Service, create_app
from mapfold.local.store import ChildRow, ExecutionRow, MachineRow, MapRunRow, Store, WireEvent, open_store
from mapfold.states import Effect, Frame

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

T = TypeVar("T")

NOW = 1234.5678
ROLE = "arn:aws:iam::123456789012:role/states"
PASS = '{"StartAt":"Done","States":{"Done":{"Type":"Succeed"}}}'


class Live:
    """A running execution of the fake engine."""

    def __init__(self, row: ExecutionRow) -> None:
        self.row = row
        self.pending: list[WireEvent] = []

    def events_from(self, first_id: int) -> list[WireEvent]:
        return [event for event in self.pending if event["id"] >= first_id]


class FakeEngine:
    """Keeps what it was told; executions run until a test ends them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.live: dict[str, Live] = {}
        self.map_runs: dict[str, MapRunRow] = {}
        self.children: dict[str, list[ChildRow]] = {}
        self.now = NOW
        self.ending: list[str] = []
        self.updates: list[tuple[int | None, float | None, int | None]] = []
        self.tokens = TaskTokens(store.tasks)
        self.activities = Activities(self.tokens, lambda arn: store.tasks.activity(arn) is not None)
        self.performed: list[Effect] = []
        self.answers: list[Any] = []
        """What the effects of tested states are answered with, in order."""
        self.sync_end: dict[str, Any] = {"output": "{}"}
        """How executions end that are run synchronously."""

    async def start_execution(
        self, machine: MachineRow, *, name: str, input_text: str, trace_header: str | None = None
    ) -> ExecutionRow:
        number = self.store.next_execution_id()
        if machine.type == "EXPRESS":
            arn = express_arn(machine.name, name, f"u{number}", region="us-east-1")
        else:
            arn = execution_arn(machine.name, name, region="us-east-1")
        row = ExecutionRow(
            number, arn, machine.arn, machine.revision, name, 1000.0 + number, input_text, machine.type,
            trace_header=trace_header, version_arn=machine.version_arn, alias_arn=machine.alias_arn,
        )  # fmt: skip
        self.store.execution_started(row)
        self.live[arn] = Live(row)
        return row

    async def run_execution(
        self, machine: MachineRow, *, name: str, input_text: str, trace_header: str | None = None
    ) -> ExecutionRow:
        row = await self.start_execution(machine, name=name, input_text=input_text, trace_header=trace_header)
        await self.end(row.arn, **self.sync_end)
        ended = await self.store.execution(row.arn)
        assert ended is not None
        return ended

    async def redrive_execution(self, row: ExecutionRow, machine: MachineRow) -> ExecutionRow:
        assert row.machine_revision == machine.revision
        redriven = replace(
            row, status="RUNNING", stop=None, output=None, error=None, cause=None,
            redrive_count=row.redrive_count + 1, redrive_date=NOW,
        )  # fmt: skip
        self.store.execution_redriven(row.id, redriven.redrive_count, NOW)
        self.live[row.arn] = Live(redriven)
        return redriven

    async def stop_execution(self, arn: str, *, error: str | None, cause: str | None) -> float | None:
        if arn not in self.live:
            return None
        await self.end(arn, status="ABORTED", error=error, cause=cause)
        return 2000.0

    async def perform(self, effect: Effect, frame: Frame, *, role_arn: str) -> Any:
        self.performed.append(effect)
        return self.answers.pop(0)

    def live_execution(self, arn: str) -> Live | None:
        return self.live.get(arn)

    def runs_machine(self, machine_arn: str) -> bool:
        return any(live.row.machine_arn == machine_arn for live in self.live.values())

    def end_executions(self, machine_arn: str) -> None:
        self.ending.append(machine_arn)

    def live_map_run(self, arn: str) -> MapRunRow | None:
        return self.map_runs.get(arn)

    def live_children(self, map_run_arn: str) -> Sequence[ChildRow]:
        return self.children.get(map_run_arn, [])

    def update_map_run(
        self, arn: str, *, max_concurrency: int | None, tolerated_percentage: float | None, tolerated_count: int | None
    ) -> bool:
        self.updates.append((max_concurrency, tolerated_percentage, tolerated_count))
        return arn in self.map_runs

    # --- what a test tells it -----------------------------------------------------------------------------

    async def end(self, arn: str, *, status: str = "SUCCEEDED", **how: Any) -> None:
        live = self.live.pop(arn)
        await self.flush(live)
        self.store.execution_ended(live.row.id, status=status, stop=2000.0, **how)

    async def happen(self, arn: str, count: int, *, flushed: bool) -> None:
        """`count` more events; `flushed`: given to the store."""
        live = self.live[arn]
        first = 1 + sum(len(blob) for blob in [live.pending]) + getattr(self, "_given", 0)
        details = {"name": "S", "input": "{}", "inputDetails": {"truncated": False}}
        for number in range(first, first + count):
            event = {"timestamp": 1000.5, "type": "PassStateEntered", "id": number, "previousEventId": number - 1}
            live.pending.append({**event, "stateEnteredEventDetails": details})
        if flushed:
            await self.flush(live)

    async def flush(self, live: Live) -> None:
        if live.pending:
            events, live.pending = live.pending, []
            self._given = events[-1]["id"]
            self.store.add_events(live.row.id, events[0]["id"], len(events), orjson.dumps(events))

    async def start_map_run(self, execution: str, *, child_type: str = "STANDARD", **changes: Any) -> MapRunRow:
        machine = self.live[execution].row.machine_arn
        number = self.store.next_map_run_id()
        name = machine.rpartition(":")[2]
        arn = f"arn:aws:states:us-east-1:123456789012:mapRun:{name}/Map:run{number}"
        row = MapRunRow(
            number, arn, execution, machine, "Map", 1000.0, child_type, child_head=f"run{number}", **changes
        )
        self.store.map_run_saved(row)
        self.map_runs[arn] = row
        return row

    async def end_map_run(self, arn: str) -> None:
        self.store.map_run_saved(replace(self.map_runs.pop(arn), status="SUCCEEDED", stop=1500.0))
        self.children.pop(arn, None)


class Names:
    """Child uuids that a reader can follow: `run1-child-7`."""

    def child_uuid(self, map_run_uuid: str, index: int, /) -> str:
        return f"{map_run_uuid}-child-{index}"

    def child_index(self, map_run_uuid: str, child_uuid: str, /) -> int:
        run, _, index = child_uuid.partition("-child-")
        if run != map_run_uuid:
            raise ValueError(child_uuid)
        return int(index)

    def head_of(self, child_uuid: str, /) -> str:
        return child_uuid.partition("-child-")[0]


def check_definition(text: str, express: bool) -> None:
    """The fake language: any JSON object with States."""
    try:
        definition = json.loads(text)
    except ValueError:
        raise DefinitionError([Problem("INVALID_JSON_DESCRIPTION", "not JSON", "")]) from None
    if "States" not in definition:
        raise DefinitionError([Problem("SCHEMA_VALIDATION_FAILED", "States is missing", "/States")])


@dataclass
class Running:
    """The service while it runs."""

    url: str
    client: SFNClient
    engine: FakeEngine
    _loop: asyncio.AbstractEventLoop

    def tell(self, make: Callable[[FakeEngine], Awaitable[T]]) -> T:
        """Let something happen in the engine, on its loop; and wait for it."""

        async def happen() -> T:
            return await make(self.engine)

        return asyncio.run_coroutine_threadsafe(happen(), self._loop).result(10)

    def start(self, name: str, *, machine: str = "jobs", **more: Any) -> str:
        """Start an execution of a machine, which is made if it is not there; its ARN."""
        arn = self.client.create_state_machine(name=machine, definition=PASS, roleArn=ROLE)["stateMachineArn"]
        return self.client.start_execution(stateMachineArn=arn, name=name, **more)["executionArn"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    ready, stop = threading.Event(), threading.Event()
    facts: dict[str, Any] = {}

    async def main() -> None:
        with listen(0, option="--port") as bound:
            async with open_store(tmp_path) as store, asyncio.TaskGroup() as tasks:
                engine = FakeEngine(store)
                parts = Service(
                    store=store, engine=engine, children=Names(), check_definition=check_definition,
                    clock=lambda: engine.now, region="us-east-1",
                )  # fmt: skip
                app = create_app(parts, health=lambda: {"aws": "http://127.0.0.1:1"})
                server = _HttpServer(uvicorn.Config(app, http="httptools", lifespan="off", log_config=None))
                tasks.create_task(server.serve([bound]))
                await server.ready.wait()
                facts.update(engine=engine, loop=asyncio.get_running_loop(), port=bound.getsockname()[1])
                ready.set()
                await asyncio.to_thread(stop.wait)
                server.should_exit = True

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(10)
    url = f"http://127.0.0.1:{facts['port']}"
    client = sfn_client(url)
    yield Running(url, client, facts["engine"], facts["loop"])
    client.close()
    stop.set()
    thread.join()


@cache
def _session() -> Any:
    """Made once: it parses the service's model, which takes longer than a test."""
    return boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")


def sfn_client(url: str, **config: Any) -> SFNClient:
    client: SFNClient = _session().client(
        "stepfunctions",
        endpoint_url=url,
        config=Config(**{"retries": {"max_attempts": 0}, "proxies": {}, "inject_host_prefix": False, **config}),
    )
    return client


def error_of(call: Callable[[], Mapping[str, Any]]) -> tuple[str, str]:
    """(code, message) that boto3 raises."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[Any]:
    """The service without a socket (`inside.py`)."""
    from tests.integration.service.inside import open_inside  # which builds on this module

    async with open_inside(tmp_path) as opened:
        yield opened
