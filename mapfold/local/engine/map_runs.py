"""Map runs of the executions that run now: makes them, keeps their rows true, and finds them for the API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from mapfold.local.arns import Kind, parse_arn
from mapfold.local.engine.children import ChildRunner
from mapfold.local.engine.clock import Clock
from mapfold.local.engine.event_log import HistoryFull
from mapfold.local.engine.world import EngineWorld
from mapfold.local.map_run import MapRun, MapRunIdentity, S3Factory, name_uuid
from mapfold.local.store import MapRunRow, Store
from mapfold.states.effects import RunMap, TaskFailed, TaskSucceeded
from mapfold.states.frame import Frame

STOP_SECONDS = 30.0
"""How long a map run that was stopped may take to write its result files (FAILED, PENDING)."""

MOST_WAITING = 256
"""Children of one map run that wait for a function's worker at the most (some more start while it grows).

Enough that no worker ever waits for a child. 10,000 that wait cost 15 µs a child more: their memory is cold when their
turn comes, and is given back and taken anew.
"""


@dataclass(slots=True)
class LiveMapRun:
    """A map run that has not ended."""

    row: MapRunRow
    run: MapRun
    children: ChildRunner

    def current(self) -> MapRunRow:
        """The row with the counts and limits of this moment."""
        counts = self.run.counts()
        return replace(
            self.row,
            max_concurrency=self.run.max_concurrency,
            tolerated_count=self.run.tolerance.count or 0,
            tolerated_percentage=self.run.tolerance.percentage or 0.0,
            item_counts=counts.items.as_api(),
            execution_counts=counts.executions.as_api(),
        )


class MapRuns:
    """Runs distributed Maps for every execution of the engine."""

    def __init__(self, *, store: Store, s3: S3Factory, clock: Clock) -> None:
        self._store = store
        self._s3 = s3
        self._clock = clock
        self._live: dict[str, LiveMapRun] = {}
        self._closing = asyncio.Event()

    def close(self) -> None:
        """The engine shuts down: a map run that is stopped waits for nothing and writes no result files any more."""
        self._closing.set()

    def find(self, arn: str) -> LiveMapRun | None:
        """The running map run with this ARN."""
        return self._live.get(arn)

    def of_child(self, child_arn: str) -> LiveMapRun | None:
        """The running map run that `child_arn` belongs to, found by the uuid that both share."""
        return next((live for live in self._live.values() if live.children.owns(child_arn)), None)

    def save(self) -> None:
        """Hand the rows of the running ones to the store, so that a crash loses little of their counts."""
        for live in self._live.values():
            self._store.map_run_saved(live.current())

    async def perform(
        self, effect: RunMap, frame: Frame, *, role_arn: str, world: EngineWorld
    ) -> TaskSucceeded | TaskFailed:
        """Run a distributed Map from MapRunStarted to its last event."""
        live = self._make(effect, frame, role_arn=role_arn, world=world)
        arn = live.row.arn
        self._live[arn] = live
        self._store.map_run_started(live.current())  # with its items, if they are known: a crash may come first
        status = "FAILED"  # whatever breaks it: no map run stays RUNNING
        try:
            frame.record("MapRunStarted", "mapRunStartedEventDetails", {"mapRunArn": arn})
            answer = await self._run(live)
            if isinstance(answer, TaskSucceeded):
                status = "SUCCEEDED"
        except asyncio.CancelledError:
            status = "ABORTED"
            with suppress(HistoryFull):
                frame.record("MapRunAborted")
            raise
        finally:
            self._end(live, status)
        if isinstance(answer, TaskSucceeded):
            frame.record("MapRunSucceeded")
        else:
            found = {"error": answer.error, "cause": answer.cause}
            frame.record("MapRunFailed", "mapRunFailedEventDetails", {k: v for k, v in found.items() if v is not None})
        return answer

    async def _run(self, live: LiveMapRun) -> TaskSucceeded | TaskFailed:
        """Run it; when the execution is stopped, let it abort its children and write its result files first."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(live.run.run(), name=f"map-run-{live.row.id}")
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                if work.done():  # it broke, and the group cancelled us for that
                    raise
                live.run.stop()
                closing = group.create_task(self._closing.wait())
                await asyncio.wait([work, closing], timeout=STOP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                work.cancel()
                closing.cancel()
                raise

    def _make(self, effect: RunMap, frame: Frame, *, role_arn: str, world: EngineWorld) -> LiveMapRun:
        world = world.of_children()
        execution: Mapping[str, str] = frame.execution["Execution"]
        parent = parse_arn(execution["Id"])
        number = self._store.next_map_run_id()
        label = effect.label or name_uuid(parent.machine, parent.label or "", effect.state_name)
        arn = str(
            replace(parent, kind=Kind.MAP_RUN, label=label, name=name_uuid(execution["Id"], label, number), uuid=None)
        )
        identity = MapRunIdentity(arn, parent.machine, label, execution["Id"])
        children = ChildRunner(
            identity=identity,
            map_run_id=number,
            processor=effect.processor,
            express=effect.child_type == "EXPRESS",
            role_arn=role_arn,
            store=self._store,
            world=world,
            clock=self._clock,
        )
        run = MapRun(
            effect,
            identity,
            run_child=children,
            s3=self._s3,
            clock=self._clock,
            is_crowded=lambda: world.waiting >= MOST_WAITING,
        )
        row = MapRunRow(
            id=number,
            arn=arn,
            execution_arn=execution["Id"],
            machine_arn=parent.machine_arn,
            label=label,
            start=self._clock(),
            child_type=effect.child_type,
            max_concurrency=effect.max_concurrency,
            tolerated_percentage=effect.tolerated_percentage or 0.0,
            tolerated_count=effect.tolerated_count or 0,
            definition=orjson.dumps(effect.processor_definition).decode(),
        )
        return LiveMapRun(row, run, children)

    def _end(self, live: LiveMapRun, status: str) -> None:
        self._store.map_run_saved(replace(live.current(), status=status, stop=self._clock()))
        del self._live[live.row.arn]
