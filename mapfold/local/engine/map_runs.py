"""Map runs of the executions that run now: makes them, keeps their rows true, and finds them for the API.

What is kept of one, in this order, makes it harmless to be killed at any moment: its MapRunStarted event, its row, its
children. So a map run that the history knows goes on from its row, or begins where the row was lost; and a row that
says that it has ended while the history does not, is one whose end was not heard of: it goes on too, finds that every
child has a row, and ends in the same way again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from mapfold.local.arns import Kind, parse_arn
from mapfold.local.engine.backlog import Backlog
from mapfold.local.engine.children import ChildRunner
from mapfold.local.engine.clock import Clock
from mapfold.local.engine.closing import abort_saved, close_map_run
from mapfold.local.engine.event_log import HistoryFull
from mapfold.local.engine.world import EngineWorld
from mapfold.local.map_run import (
    MapRun,
    MapRunIdentity,
    MapRunStatus,
    S3Factory,
    find_former,
    head_of,
    identity_text,
    name_uuid,
)
from mapfold.local.store import MapRunRow, Store
from mapfold.states.effects import MapSucceeded, RunMap, TaskFailed, TaskSucceeded
from mapfold.states.frame import Frame

STOP_SECONDS = 30.0
"""How long a map run that was stopped may take to write its result files (FAILED, PENDING)."""

MAX_REDRIVES = 1_000
"""How often a map run can be redriven (Redriving Map Runs)."""

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
    saved: MapRunRow | None = None
    """What the store was handed last at regular times."""

    def current(self) -> MapRunRow:
        """The row with the counts and limits of this moment. In the backlog the counts are those from before."""
        run = self.run
        row = self.row
        if run.start_date is not None:
            now = run.counts()
            row = replace(row, item_counts=now.items.as_api(), execution_counts=now.executions.as_api())
        return replace(
            row,
            source_etag=identity_text(run.source) if run.source else self.row.source_etag,
            all_started=run.all_started,
            result_files=run.result_files,
            max_concurrency=self.run.max_concurrency,
            tolerated_count=self.run.tolerance.count or 0,
            tolerated_percentage=self.run.tolerance.percentage or 0.0,
        )

    def to_keep(self, now: float) -> MapRunRow:
        """The row as the store should have it: that of a map run that is ending is closed before any child is aborted.

        So a map run that goes on knows for what its children were aborted.
        """
        row, status = self.current(), self.run.coming_status
        if status == MapRunStatus.RUNNING:
            return row
        counts, items = (_settled(counts) for counts in (row.execution_counts, row.item_counts))
        return replace(row, status=str(status), stop=now, execution_counts=counts, item_counts=items)

    @property
    def is_nested(self) -> bool:
        """Whether its execution is the child of another map run."""
        return "/" in self.row.execution_arn

    def is_stuck(self, waiting: int) -> bool:
        """Whether all that it runs is `waiting` children that wait for nested map runs."""
        return 0 < len(self.children.running) <= waiting


class MapRuns:
    """Runs distributed Maps for every execution of the engine."""

    def __init__(self, *, store: Store, s3: S3Factory, clock: Clock) -> None:
        self._store = store
        self._s3 = s3
        self._clock = clock
        self._live: dict[str, LiveMapRun] = {}
        self._closing = asyncio.Event()
        self._backlog = Backlog()

    def close(self) -> None:
        """The engine ends: a map run that is cancelled from now on is not stopped, but goes on another time."""
        self._closing.set()

    def find(self, arn: str) -> LiveMapRun | None:
        """The running map run with this ARN."""
        return self._live.get(arn)

    def of_child(self, child_arn: str) -> LiveMapRun | None:
        """The running map run that `child_arn` belongs to, found by the uuid that both share."""
        return next((live for live in self._live.values() if live.children.owns(child_arn)), None)

    def save(self) -> None:
        """Hand to the store where the running ones and their long-running children stand; called regularly."""
        for live in self._live.values():
            if live.run.start_date is None:  # in the backlog
                continue
            row = live.to_keep(self._clock())
            if row != live.saved:  # a thousand that wait for long-running children need not be written again
                live.saved = row
                self._store.map_run_saved(row)
            live.children.save()
        if self._backlog.waiting:
            self._relieve()

    async def perform(
        self, effect: RunMap, frame: Frame, *, role_arn: str, world: EngineWorld
    ) -> MapSucceeded | TaskFailed:
        """Run a distributed Map from MapRunStarted to its last event; or go on with the one that the effect names."""
        if effect.map_run_arn is None:
            row = self._new_row(effect, frame)
            frame.record("MapRunStarted", "mapRunStartedEventDetails", {"mapRunArn": row.arn})
            frame.history.keep()
        else:
            try:
                found = await self._find_row(effect, frame, effect.map_run_arn)
            except asyncio.CancelledError:
                await self._close_unfound(effect.map_run_arn, frame)
                raise
            if isinstance(found, TaskFailed):
                return found
            row = found
        begun = frame.previous
        live: LiveMapRun | None = None
        status: str | None = "FAILED"  # whatever breaks it: no map run stays RUNNING
        try:
            live = self._live[row.arn] = await self._make(effect, row, role_arn=role_arn, world=world)
            self._store.map_run_saved(live.row)
            answer = await self._run(live, frame)
            await self._abort_left(effect, live)
            if isinstance(answer, TaskSucceeded):
                status = "SUCCEEDED"
        except asyncio.CancelledError:
            status = None if self._closing.is_set() else "ABORTED"
            if status is not None:
                await self._abort_left(effect, live)
                with suppress(HistoryFull):
                    frame.record("MapRunAborted")
            raise
        finally:
            self._end(row if live is None else live.to_keep(self._clock()), status)
        if isinstance(answer, TaskSucceeded):
            frame.record("MapRunSucceeded")
            return MapSucceeded(answer.output, answer.text, begun=begun)
        details = {"error": answer.error, "cause": answer.cause}
        known = {name: value for name, value in details.items() if value is not None}
        frame.record("MapRunFailed", "mapRunFailedEventDetails", known)
        return answer

    async def _find_row(self, effect: RunMap, frame: Frame, arn: str) -> MapRunRow | TaskFailed:
        """The row of a map run that goes on, or why it does not. A redrive is counted, kept and recorded."""
        row = await self._store.map_run(arn)
        if row is None:  # the engine ended between the event and the row
            return self._new_row(effect, frame, arn)
        if not effect.redriven:
            return row
        if row.status != "RUNNING":  # otherwise the engine ended between the row and MapRunRedriven
            if row.redrive_count >= MAX_REDRIVES:
                cause = f"The map run has been redriven {MAX_REDRIVES} times, and cannot be redriven again: {arn}"
                return TaskFailed("States.Runtime", cause, catchable=False)
            row = replace(
                row, status="RUNNING", stop=None, redrive_count=row.redrive_count + 1, redrive_date=self._clock()
            )
            self._store.map_run_saved(row)
        details = {"mapRunArn": arn, "redriveCount": row.redrive_count}
        frame.record("MapRunRedriven", "mapRunRedrivenEventDetails", details)
        frame.history.keep()
        return row

    async def _abort_left(self, effect: RunMap, live: LiveMapRun | None) -> None:
        """The map run ended before children that had begun in another process could go on: they are aborted."""
        if effect.map_run_arn is not None and live is not None:
            await abort_saved(self._store, live.row, now=self._clock(), redriven=False)

    async def _close_unfound(self, arn: str, frame: Frame) -> None:
        """The execution is stopped before it knows the map run that it was to go on with: that one stops as well."""
        row = None if self._closing.is_set() else await self._store.map_run(arn)
        if row is not None and row.status == "RUNNING":
            await close_map_run(self._store, row, now=self._clock())
            with suppress(HistoryFull):
                frame.record("MapRunAborted")

    async def _run(self, live: LiveMapRun, frame: Frame) -> TaskSucceeded | TaskFailed:
        """Run it; when the execution is stopped, let it abort its children and write its result files first."""
        await self._backlog.enter(live.row.arn)
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(live.run.run(), name=f"map-run-{live.row.id}")
                try:
                    return await asyncio.shield(work)
                except asyncio.CancelledError:
                    if work.done():  # it broke, and the group cancelled us for that
                        raise
                    if not self._closing.is_set():
                        frame.history.keep()  # what it is stopped for, before what comes of that
                        await self._stop(live, work, group)
                    work.cancel()
                    raise
        finally:
            self._backlog.leave()

    async def _stop(self, live: LiveMapRun, work: asyncio.Task[object], group: asyncio.TaskGroup) -> None:
        live.run.stop()
        closing = group.create_task(self._closing.wait())
        try:
            await asyncio.wait([work, closing], timeout=STOP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()

    def _relieve(self) -> None:
        """Let one nested map run out of the backlog if all that are open wait for nested ones: they would for ever."""
        parents = {live.row.execution_arn for live in self._live.values() if live.is_nested}
        waiting = Counter(head_of(arn.rpartition(":")[2]) for arn in parents)
        backlog = set(self._backlog.waiting)
        if all(
            live.is_stuck(waiting[live.row.child_head]) for live in self._live.values() if live.row.arn not in backlog
        ):
            nested = (arn for arn in self._backlog.waiting if self._live[arn].is_nested)
            if (arn := next(nested, None)) is not None:
                self._backlog.let_in(arn)

    def _new_row(self, effect: RunMap, frame: Frame, arn: str | None = None) -> MapRunRow:
        execution: Mapping[str, str] = frame.execution["Execution"]
        parent = parse_arn(execution["Id"])
        number = self._store.next_map_run_id()
        label = effect.label or name_uuid(parent.machine, parent.label or "", effect.state_name)
        if arn is None:
            uuid = name_uuid(execution["Id"], label, number)
            arn = str(replace(parent, kind=Kind.MAP_RUN, label=label, name=uuid, uuid=None))
        return MapRunRow(
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
            child_head=MapRunIdentity(arn, parent.machine, label, execution["Id"]).child_head,
        )

    async def _make(self, effect: RunMap, row: MapRunRow, *, role_arn: str, world: EngineWorld) -> LiveMapRun:
        world = world.of_children()
        identity = MapRunIdentity(row.arn, parse_arn(row.arn).machine, row.label, row.execution_arn)
        former = None
        if effect.map_run_arn is not None:
            former = await find_former(self._store, row)
            row = replace(row, status="RUNNING", stop=None)
            effect = _with_limits_of(row, effect)
        children = ChildRunner(
            identity=identity,
            map_run_id=row.id,
            processor=effect.processor,
            express=effect.child_type == "EXPRESS",
            attempt=row.redrive_count,
            role_arn=role_arn,
            store=self._store,
            world=world,
            clock=self._clock,
            tells=world.tells,
        )
        run = MapRun(
            effect,
            identity,
            run_child=children,
            s3=self._s3,
            clock=self._clock,
            is_crowded=lambda: world.waiting >= MOST_WAITING,
            former=former,
            on_change=lambda: self._store.map_run_saved(live.to_keep(self._clock())),
        )
        children.aborting = lambda: run.aborting
        live = LiveMapRun(row, run, children)
        return live

    def _end(self, row: MapRunRow, status: str | None) -> None:
        """Keep how it ended; `status` None: it goes on when the engine does."""
        if status is not None:
            row = replace(row, status=status, stop=self._clock())
        self._store.map_run_saved(row)
        self._live.pop(row.arn, None)


def _settled(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of a map run that has ended: what ran is aborted."""
    running = counts.get("running", 0)
    return {**counts, "running": 0, "aborted": counts.get("aborted", 0) + running}


def _with_limits_of(row: MapRunRow, effect: RunMap) -> RunMap:
    """`effect` with the limits of the row, which UpdateMapRun may have changed. A 0 in it also stands for "not given"."""
    count, percentage = effect.tolerated_count, effect.tolerated_percentage
    return replace(
        effect,
        max_concurrency=row.max_concurrency,
        tolerated_count=row.tolerated_count if row.tolerated_count or count is not None else None,
        tolerated_percentage=row.tolerated_percentage if row.tolerated_percentage or percentage is not None else None,
    )
