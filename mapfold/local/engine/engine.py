"""The engine: starts executions, runs them side by side, stops them, and shows what runs.

One task an execution, all in one TaskGroup that `async with Engine(...)` owns. What has ended is in the store; what
runs is here, and its events go to the store twice a second (`FLUSH_SECONDS`) and at its end. Leaving the engine cuts
off what runs; `resume` goes on with it, as with what a crash has cut off.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

import orjson

from mapfold.errors import DefinitionError
from mapfold.local.arns import execution_arn, express_arn, parse_arn
from mapfold.local.engine.activities import Activities
from mapfold.local.engine.children import LiveChild
from mapfold.local.engine.clock import Clock, system_clock
from mapfold.local.engine.closing import close_map_run
from mapfold.local.engine.execution import Execution
from mapfold.local.engine.integrations import Clients, Integrations
from mapfold.local.engine.integrations.services import Services
from mapfold.local.engine.map_runs import MapRuns
from mapfold.local.engine.tokens import TaskTokens
from mapfold.local.engine.world import EngineWorld, TellsOf
from mapfold.local.execution_logs import LogDelivery, destination_of
from mapfold.local.lambda_ import LambdaService
from mapfold.local.map_run import S3Factory, head_of, name_uuid
from mapfold.local.store import ChildRow, ExecutionRow, MachineRow, MapRunRow, Store
from mapfold.local.store.recovery import Unfinished
from mapfold.states import Effect, Frame, Machine, compile_machine
from mapfold.states.standing import StandingError
from mapfold.states.task_token import execution_of

FLUSH_SECONDS = 0.5
COMPILED_MACHINES = 256
"""How many compiled state machines are kept; the least recently started goes first."""

STOP_ANSWER_SECONDS = 1.0
"""How long StopExecution waits for the end that it asked for."""


class Engine:
    """Runs executions. Use it as an async context manager: leaving it cuts off what still runs, at once.

    `clients` are of the services that Tasks may call; without them that is Lambda alone.
    """

    def __init__(
        self,
        *,
        store: Store,
        lambda_service: LambdaService,
        region: str,
        s3: S3Factory,
        clock: Clock = system_clock,
        clients: Clients | None = None,
        logs: LogDelivery | None = None,
    ) -> None:
        self._store = store
        self._region = region
        self._clock = clock
        self._logs = logs
        self.tokens = TaskTokens(store.tasks)
        self.activities = Activities(self.tokens, lambda arn: store.tasks.activity(arn) is not None)
        services = None
        if clients is not None:
            services = Services(clients, region=region, tokens=self.tokens, wait_for_end=self._wait_for_end)
        self._integrations = Integrations(
            lambda_service, tokens=self.tokens, activities=self.activities, services=services
        )
        self._map_runs = MapRuns(store=store, s3=s3, clock=clock)
        self._programs: OrderedDict[int, Machine] = OrderedDict()
        self._live: dict[str, Execution] = {}
        self._tasks = asyncio.TaskGroup()
        self._flusher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._flusher = self._tasks.create_task(self._flush_regularly(), name="flush-histories")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._integrations.close()
        self.tokens.leave()
        for execution in list(self._live.values()):
            execution.leave()  # queues its events, so before its map runs queue anything
        self._map_runs.close()
        assert self._flusher is not None
        self._flusher.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    # --- what the service asks for ------------------------------------------------------------------------

    async def start_execution(
        self, machine: MachineRow, *, name: str, input_text: str, trace_header: str | None = None
    ) -> ExecutionRow:
        """Start an execution of `machine` and return its row. The service has checked name and input."""
        execution = self._make(machine, name, input_text, trace_header)
        row = execution.row
        self._store.execution_started(row)
        self._tasks.create_task(self._run(execution, machine), name=f"execution-{name}")
        await self._store.flush()  # who is told that it started may count on it, whatever happens to us then
        return row

    async def run_execution(
        self, machine: MachineRow, *, name: str, input_text: str, trace_header: str | None = None
    ) -> ExecutionRow:
        """Run an execution of an EXPRESS machine to its end, whoever still waits for that: its row then.

        At most once, as on AWS: until it has ended the store says ABORTED, so no other process runs it again. The row
        is RUNNING still if the engine was left meanwhile.
        """
        execution = self._make(machine, name, input_text, trace_header)
        self._store.execution_started(replace(execution.row, status="ABORTED"))
        self._tasks.create_task(self._run(execution, machine), name=f"execution-{name}")
        await execution.ended.wait()
        return execution.row

    def _make(self, machine: MachineRow, name: str, input_text: str, trace_header: str | None) -> Execution:
        number = self._store.next_execution_id()
        if machine.type == "EXPRESS":
            arn = express_arn(machine.name, name, name_uuid(name, number), region=self._region)
        else:
            arn = execution_arn(machine.name, name, region=self._region)
        row = ExecutionRow(
            id=number,
            arn=arn,
            machine_arn=machine.arn,
            machine_revision=machine.revision,
            name=name,
            start=self._clock(),
            input=input_text,
            type=machine.type,
            trace_header=trace_header,
            version_arn=machine.version_arn,
            alias_arn=machine.alias_arn,
        )
        execution = self._live[arn] = self._execution(row, machine)
        return execution

    async def redrive_execution(self, row: ExecutionRow, machine: MachineRow) -> ExecutionRow:
        """Let an execution that has ended go on where it failed; its row from now on.

        The service has checked that it may; `machine` is the revision that it runs.
        """
        again = replace(
            row,
            status="RUNNING",
            stop=None,
            output=None,
            error=None,
            cause=None,
            redrive_count=row.redrive_count + 1,
            redrive_date=self._clock(),
        )
        execution = self._execution(again, machine)
        self._live[row.arn] = execution
        try:
            await execution.recall(redriven=True)
        except BaseException:
            del self._live[row.arn]
            raise
        self._tasks.create_task(self._run(execution, machine), name=f"execution-{row.name}")
        await self._store.flush()
        return again

    async def resume(self) -> int:
        """Go on with all that the store says is running, oldest first; how many executions.

        Called once, before anything is started.
        """
        unfinished = await self._store.unfinished()
        self.tokens.forget_others(_owner_of_tokens(unfinished))
        map_runs = _by_execution(unfinished.map_runs)
        for over in map_runs.keys() - {row.arn for row, _ in unfinished.executions}:
            await self._close_map_runs(map_runs.pop(over))
        for row, last_event in unfinished.executions:
            try:
                machine = await self._store.machine_revision(row.machine_revision)
                if machine is None:
                    raise StandingError("its state machine is not in the store")
                execution = self._execution(row, machine)
            except (StandingError, DefinitionError) as error:
                self._fail(row, last_event, f"The execution was cut off, and cannot go on: {error}.")
                await self._close_map_runs(map_runs.pop(row.arn, []))
                continue
            self._live[row.arn] = execution
            if self._store.publishing.creation(row.machine_arn).deleting is not None:
                execution.end_at_next_transition()
            self._tasks.create_task(
                self._go_on(execution, machine, map_runs.pop(row.arn, [])), name=f"execution-{row.name}"
            )
        return len(unfinished.executions)

    async def stop_execution(self, arn: str, *, error: str | None, cause: str | None) -> float | None:
        """Abort a running execution, or one child of a map run; its stop time, or None if it does not run."""
        execution = self._live.get(arn)
        if execution is not None:
            execution.stop(error, cause)
            # EXPRESS children of a map run cannot be stopped, and run out first: the caller need not wait for them.
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_ANSWER_SECONDS):
                    await execution.ended.wait()
            await self._store.flush()
            return execution.row.stop or self._clock()
        live = self._map_runs.of_child(arn)
        if live is None or not live.children.stop(arn, error, cause):
            return None
        return self._clock()

    async def perform(self, effect: Effect, frame: Frame, *, role_arn: str) -> Any:
        """Do what a state that is tested by itself asks for: its answer, as the effect's docstring says."""
        return await EngineWorld(self._integrations, self._clock, self._map_runs, role_arn).perform(effect, frame)

    def live_execution(self, arn: str) -> Execution | LiveChild | None:
        """What runs under this ARN, be it an execution or a map run's child."""
        execution = self._live.get(arn)
        if execution is not None:
            return execution
        live = self._map_runs.of_child(arn)
        return live.children.find(arn) if live is not None else None

    def runs_machine(self, machine_arn: str) -> bool:
        """Whether an execution of a state machine runs."""
        return any(execution.row.machine_arn == machine_arn for execution in self._live.values())

    def end_executions(self, machine_arn: str) -> None:
        """Let the executions of a state machine that was deleted end, each at its next transition: ABORTED."""
        for execution in self._live.values():
            if execution.row.machine_arn == machine_arn:
                execution.end_at_next_transition()

    def live_map_run(self, arn: str) -> MapRunRow | None:
        """The running map run with the counts of this moment."""
        live = self._map_runs.find(arn)
        return live.current() if live is not None else None

    def live_children(self, map_run_arn: str) -> list[ChildRow]:
        """The children of a map run that run now; at most its concurrency."""
        live = self._map_runs.find(map_run_arn)
        return live.children.rows() if live is not None else []

    def update_map_run(
        self,
        arn: str,
        *,
        max_concurrency: int | None,
        tolerated_percentage: float | None,
        tolerated_count: int | None,
    ) -> bool:
        """Change the limits of a running map run (None: as it was). False if it does not run."""
        live = self._map_runs.find(arn)
        if live is None:
            return False
        live.run.update(
            max_concurrency=max_concurrency,
            tolerated_percentage=tolerated_percentage,
            tolerated_count=tolerated_count,
        )
        return True

    async def _wait_for_end(self, arn: str) -> None:
        execution = self._live.get(arn)
        if execution is not None:
            await execution.ended.wait()

    # --- running ------------------------------------------------------------------------------------------

    async def _go_on(self, execution: Execution, machine: MachineRow, map_runs: list[MapRunRow]) -> None:
        """Let an execution go on that was cut off. `map_runs` are its own, which are closed if it does not go on."""
        try:
            await execution.recall()
            if execution.is_over:  # before anybody hears of it, and redrives it
                await self._close_map_runs(map_runs)
        except BaseException:
            del self._live[execution.row.arn]
            raise
        await self._run(execution, machine)

    async def _close_map_runs(self, map_runs: list[MapRunRow]) -> None:
        for row in map_runs:
            await close_map_run(self._store, row, now=self._clock())

    def _fail(self, row: ExecutionRow, last_event: int, cause: str) -> None:
        """Close an execution that cannot even be made again."""
        now = self._clock()
        event = {"timestamp": now, "type": "ExecutionFailed", "id": last_event + 1, "previousEventId": last_event}
        event["executionFailedEventDetails"] = {"error": "States.Runtime", "cause": cause}
        self._store.add_events(row.id, last_event + 1, 1, orjson.dumps([event]))
        self._store.execution_ended(row.id, status="FAILED", stop=now, error="States.Runtime", cause=cause)

    def _execution(self, row: ExecutionRow, machine: MachineRow) -> Execution:
        tells = self._tells(machine)
        tell = None if tells is None else tells(row.arn, lambda: row.redrive_count)
        return Execution(row, machine, self._program(machine), store=self._store, clock=self._clock, tell=tell)

    def _tells(self, machine: MachineRow) -> TellsOf | None:
        """Who hears of the events of a machine's executions; None if it does not log."""
        destination = None if self._logs is None else destination_of(machine.name, machine.options)
        if self._logs is None or destination is None:
            return None
        return partial(self._logs.teller, destination)

    async def _run(self, execution: Execution, machine: MachineRow) -> None:
        world = EngineWorld(self._integrations, self._clock, self._map_runs, machine.role_arn)
        world.tells = self._tells(machine)
        try:
            await execution.run(world)
        finally:
            del self._live[execution.row.arn]
            execution.ended.set()

    def _program(self, machine: MachineRow) -> Machine:
        program = self._programs.get(machine.revision)
        if program is None:
            program = compile_machine(machine.definition, express=machine.type == "EXPRESS")
            self._programs[machine.revision] = program
            if len(self._programs) > COMPILED_MACHINES:
                self._programs.popitem(last=False)
        self._programs.move_to_end(machine.revision)
        return program

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            for execution in self._live.values():
                execution.flush()
            self._map_runs.save()
            self.tokens.sweep()


def _by_execution(map_runs: list[MapRunRow]) -> dict[str | None, list[MapRunRow]]:
    """Unfinished map runs by the ARN of the top-level execution that they are part of; None: of a map run that ended."""
    outer = {row.child_head: row for row in map_runs}
    found: dict[str | None, list[MapRunRow]] = {}
    for one in map_runs:
        row: MapRunRow | None = one
        while row is not None and (parent := parse_arn(row.execution_arn)).is_child:
            row = outer.get(head_of(parent.name or ""))
        found.setdefault(None if row is None else row.execution_arn, []).append(one)
    return found


def _owner_of_tokens(unfinished: Unfinished) -> Callable[[str], bool]:
    """Whether the execution of a task token goes on: a top-level one, or the child of a map run."""
    executions = {row.arn for row, _ in unfinished.executions}
    heads = {row.child_head for row in unfinished.map_runs}

    def goes_on(token: str) -> bool:
        arn = execution_of(token)
        return arn in executions or ("/" in arn and head_of(parse_arn(arn).name or "") in heads)

    return goes_on
