"""A Distributed Map Run: items in, child executions at once, results out.

    reader thread --chunks--> ChildBuilder --next child--> slots --run_child--> results --parts--> writer thread

A slot is a task that runs one child after the other: it takes its place first, then has the next child built, so the
reader never outruns the children. Slots are made only when all others are waiting inside a child: children that end
without waiting need one slot and no task of their own, and 10,000 that wait get 10,000. None are made while the run is
crowded: children that would only stand in a queue are not started before their turn. All state changes between two
awaits, and a failure of a child is a value.

A run that goes on after a crash, or by a redrive, first leads itself to where the slots take over (going_on.py).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from botocore.exceptions import BotoCoreError

from mapfold.local.map_run import tolerance as tolerated
from mapfold.local.map_run.batcher import ChildBuilder
from mapfold.local.map_run.counters import MapRunCounts, Tally
from mapfold.local.map_run.encoding import encode
from mapfold.local.map_run.former import FormerRun
from mapfold.local.map_run.going_on import GoingOn
from mapfold.local.map_run.identity import MapRunIdentity
from mapfold.local.map_run.model import (
    MAX_CONCURRENCY,
    MAX_ITEMS,
    Child,
    ChildResult,
    Chunks,
    ItemReaderError,
    MapRunError,
    MapRunStatus,
    ResultWriterError,
    S3Factory,
)
from mapfold.local.map_run.pacing import Pacer
from mapfold.local.map_run.readers import ObjectIdentity, open_reader, read_state_input, source_name
from mapfold.local.map_run.readers.objects import failure_cause
from mapfold.local.map_run.result_files import FILE_BYTES, PART_BYTES
from mapfold.local.map_run.state_results import StateResults
from mapfold.local.map_run.stream import ItemStream
from mapfold.local.map_run.tolerance import Tolerance
from mapfold.local.map_run.writer import S3Results
from mapfold.local.store import ChildRow
from mapfold.states.effects import RunMap, StateError, TaskFailed, TaskSucceeded

RunChild = Callable[[Child], Awaitable[ChildResult]]

GROWN_AT_ONCE = 128
CROWDED_SECONDS = 0.01
"""How soon a crowded run looks again. 256 calls of the quickest function last for three times as long."""
WAITING_SLOTS = 64
"""Slots that may wait for the reader; more would only wake up to find nothing."""
INPUT_BYTES_AT_ONCE = 128 * 1024**2
"""Inputs of running children in memory. AWS has no such bound: ours is a computer, and 10,000 x 256 KiB are 2.5 GiB."""


class MapRun:
    """One map run. `run` runs it to its end; everything else may be called meanwhile, from the event loop.

    `run_child` runs a child execution and never raises for a failing one. When the run fails or is stopped, running
    STANDARD children are cancelled: `run_child` sees CancelledError while `aborting` is true, and should record the
    abort and return an ABORTED result (or let the error pass; the run then makes up the result). CancelledError while
    `aborting` is false means that `run` itself was cancelled, as at a shutdown; it has to pass.
    `clock` gives epoch seconds. `former` is set for a run that goes on; `tolerance` and `max_concurrency` of one may
    have been updated since. `on_change` is called when something about the run has to be kept before its next child
    begins or ends. While `is_crowded()` more children at once would do no more, and no slots are added.
    """

    def __init__(
        self,
        spec: RunMap,
        identity: MapRunIdentity,
        *,
        run_child: RunChild,
        s3: S3Factory,
        clock: Callable[[], float],
        former: FormerRun | None = None,
        on_change: Callable[[], None] = lambda: None,
        is_crowded: Callable[[], bool] = lambda: False,
        result_file_bytes: int = FILE_BYTES,
        result_part_bytes: int = PART_BYTES,
        input_bytes_at_once: int = INPUT_BYTES_AT_ONCE,
    ) -> None:
        self.identity = identity
        self._child_arn_prefix = identity.child_arn(0).rpartition(":")[0] + ":"
        self.status = MapRunStatus.RUNNING
        self.start_date: float | None = None
        self.stop_date: float | None = None
        self.tolerance = Tolerance(spec.tolerated_count, spec.tolerated_percentage)
        self.max_concurrency = spec.max_concurrency
        self.source = former.source if former else None
        """The one object that the items come from, once it has been opened."""
        self.result_files: Sequence[Mapping[str, Any]] = former.result_files if former else ()
        """SUCCEEDED entries of the manifests of all attempts whose manifest is there."""
        self._former = former
        self._on_change = on_change
        self._spec = spec
        self._run_child = run_child
        self._s3 = s3
        self._clock = clock
        self._is_crowded = is_crowded
        self._items = Tally()
        self._executions = Tally()
        self._tallies = self._executions, self._items
        self._known_total = _known_total(spec)
        self._stream = ItemStream(
            lambda: self._builder.encoding(self._open_chunks()),
            max_items=max(spec.max_items or 0, 0),
            threaded=spec.reader is not None,
        )
        self._builder = ChildBuilder(select=spec.select, source=source_name(spec.reader), batcher=spec.batcher)
        self._results = self._open_results(file_bytes=result_file_bytes, part_bytes=result_part_bytes)
        self._s3_results = self._results if isinstance(self._results, S3Results) else None
        self._at_once = _at_once(spec.max_concurrency)
        self._input_bytes_at_once = input_bytes_at_once
        self._input_bytes = 0
        self._slots: set[_Slot] = set()
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._failure: TaskFailed | None = None
        self._stopped = False
        self._ending = False
        self._going_on = former is not None
        self._freed: asyncio.Future[None] | None = None
        self._found: ObjectIdentity | None = None
        self._item_lost = False
        self._left_children = 0
        self._left_items = 0
        self._kept: tuple[Counter[str], Counter[str]] = Counter(), Counter()
        self._waiting = 0
        self._growing = False
        self._pacer = Pacer()
        if former is not None:
            self._remember_counts(former)

    @property
    def aborting(self) -> bool:
        """No child is started any more, because the run has failed or was stopped."""
        return self._ending

    @property
    def coming_status(self) -> MapRunStatus:
        """How the run will end, if that is known before it has: when it is `aborting`."""
        if not self._ending:
            return self.status
        return MapRunStatus.ABORTED if self._stopped else MapRunStatus.FAILED

    def counts(self) -> MapRunCounts:
        """The item and execution counts now. `total` is final once the reader has come to its end."""
        known = self._stream.items_read if self._known_total is None else self._known_total
        if self._former is not None:  # the reader may not be where it was
            known = max(known, self._former.items, self._items.started)
        pending = known - self._items.started
        children = self._left_children + self._builder.children_for(pending - self._left_items)
        return MapRunCounts(
            items=self._items.snapshot(pending=pending), executions=self._executions.snapshot(pending=children)
        )

    @property
    def all_started(self) -> bool:
        """The items have been read to their end, and every child has been started."""
        if self._former is not None and self._former.all_started:
            return True
        return self._builder.exhausted and not self._item_lost and not self._left_children and not self._going_on

    def update(
        self,
        *,
        max_concurrency: int | None = None,
        tolerated_count: int | None = None,
        tolerated_percentage: float | None = None,
    ) -> None:
        """Change the limits while it runs (UpdateMapRun); None leaves one as it is.

        Fewer at once: no running child is stopped, new ones wait. A tolerance that is exceeded already fails the run.
        """
        if max_concurrency is not None:
            self.max_concurrency = max_concurrency
            self._at_once = _at_once(max_concurrency)
            self._grow_soon()
            self._tell_freed()
        if tolerated_count is not None or tolerated_percentage is not None:
            self.tolerance = Tolerance(
                self.tolerance.count if tolerated_count is None else tolerated_count,
                self.tolerance.percentage if tolerated_percentage is None else tolerated_percentage,
            )
            self._judge()
        self._on_change()

    def stop(self) -> None:
        """Abort the run: STANDARD children are cancelled, EXPRESS ones run out, and `run` returns soon after."""
        if self.stop_date is None and not self._stopped:
            self._stopped = True
            self._end_slots()

    async def run(self) -> TaskSucceeded | TaskFailed:
        """Run all children. After `stop` the answer is a `TaskFailed` without an error, and `status` is ABORTED."""
        self.start_date = self._clock()
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()  # asked for once: it is a system call (getpid) each time
        try:
            async with asyncio.TaskGroup() as self._group:
                if self._former is not None:
                    self._group.create_task(self._go_on(self._former))
                elif not self._ending:
                    self._add_slots(1)
            answer = await self._finish()
        finally:
            self._stream.close()
            if self._s3_results is not None:
                self._s3_results.release()
        self.stop_date = self._clock()
        self.status = self._final_status(answer)
        return answer

    # --- slots --------------------------------------------------------------------------------------------

    async def _work(self, slot: _Slot) -> None:
        """Run children one after the other until there is none, or one slot too many."""
        builder, run_child = self._builder, self._run_child
        s3_results = self._s3_results
        try:
            while not self._ending and self._has_room():
                child = builder.next_child()
                if child is not None:
                    self._begin(slot, child)
                    try:
                        result = await run_child(child)
                    except asyncio.CancelledError:
                        if not self._ending:
                            raise
                        result = self._aborted(slot, child)
                    self._end(slot, child, result)
                    if s3_results is not None and s3_results.congested:
                        await s3_results.drain()
                elif builder.exhausted:
                    return
                elif builder.starved and not self._feed():
                    if self._waiting >= WAITING_SLOTS:
                        return
                    await self._wait_for_chunk()
                if perf_counter() > self._pacer.pause_at:
                    await self._pacer.pause()
        except (StateError, MapRunError) as error:
            self.fail(error)
        finally:
            self._slots.discard(slot)

    def _has_room(self) -> bool:
        if len(self._slots) > self._at_once:
            return False
        return self._input_bytes < self._input_bytes_at_once or not self._executions.running

    def _begin(self, slot: _Slot, child: Child) -> None:
        slot.child = child
        slot.started = self._clock()
        self._input_bytes += len(child.input_text)
        self._items.running += child.item_count
        self._executions.running += 1
        if not self._growing:
            self._growing = True
            self._loop.call_soon(self._grow)

    def _end(self, slot: _Slot, child: Child, result: ChildResult) -> None:
        slot.child = None
        self._input_bytes -= len(child.input_text)
        self._items.end(result.status, child.item_count)
        self._executions.end(result.status, 1)
        self._results.add(child, result)
        if result.status != "SUCCEEDED":
            self._judge()

    def _aborted(self, slot: _Slot, child: Child) -> ChildResult:
        name = self.identity.child_name(child.index)
        arn = self._child_arn_prefix + name
        former = child.former
        start = slot.started if former is None else former.start
        redrives = 0 if former is None else former.redrive_count + former.redriven
        return ChildResult("ABORTED", None, None, None, name, arn, start, self._clock(), redrives)

    def _grow_soon(self) -> None:
        if not self._growing and self._slots:
            self._growing = True
            self._loop.call_soon(self._grow)

    def _grow(self) -> None:
        """Twice as many slots, if all that there are wait inside a child."""
        self._growing = False
        live = len(self._slots)
        if (
            self._going_on
            or self._ending
            or self._is_cancelled()
            or not live
            or self._executions.running < live
            or self._builder.exhausted
        ):
            return
        if self._is_crowded():  # looked at again by the clock: children may leave the queue and not end for hours
            self._growing = True
            self._loop.call_later(CROWDED_SECONDS, self._grow)
        elif self._has_room():
            self._add_slots(min(live, self._at_once - live, GROWN_AT_ONCE))

    def _is_cancelled(self) -> bool:
        """Whether `run` has been cancelled from outside: its group takes no more tasks."""
        return self._task is not None and self._task.cancelling() > 0

    def _add_slots(self, count: int) -> None:
        assert self._group is not None
        for _ in range(count):
            slot = _Slot()
            self._slots.add(slot)
            slot.task = self._group.create_task(self._work(slot))

    # --- going on (the host of GoingOn) -------------------------------------------------------------------

    async def _go_on(self, former: FormerRun) -> None:
        spec = self._spec
        plain = spec.select is None and (spec.batcher is None or spec.batcher.batch_input is None)
        source = source_name(spec.reader)
        going_on = GoingOn(former, self, express=spec.child_type == "EXPRESS", compares_inputs=plain, source=source)
        self._judge()
        try:
            reads = await going_on.run()
            if not reads:
                self._builder.end()
            if await self._room():
                self._going_on = False
                self._add_slots(1)
        except (StateError, MapRunError) as error:
            self.fail(error)
        finally:
            self._going_on = False

    def _remember_counts(self, former: FormerRun) -> None:
        for status, (children, items) in former.ended.items():
            waiting_children, waiting_items = former.waiting.get(status, (0, 0))
            self._executions.add(status, children - waiting_children)
            self._executions.pending_redrive += waiting_children
            self._items.add(status, items - waiting_items)
            self._items.pending_redrive += waiting_items

    async def start(self, child: Child) -> bool:
        """Run a child beside the others as soon as there is room. False: the run is ending."""
        if self._s3_results is not None and self._s3_results.congested:
            await self._s3_results.drain()
        if not await self._room():
            return False
        assert self._group is not None
        slot = _Slot()
        self._slots.add(slot)
        slot.task = self._group.create_task(self._run_alone(slot, child))
        await asyncio.sleep(0)  # it has begun, and is counted
        return True

    async def _room(self) -> bool:
        """Wait until one child more may run. False: none may any more."""
        while not self._ending:
            fits = self._input_bytes < self._input_bytes_at_once or not self._executions.running
            if fits and len(self._slots) < self._at_once:
                return True
            self._freed = self._loop.create_future()
            await self._freed
        return False

    def _tell_freed(self) -> None:
        if self._freed is not None and not self._freed.done():
            self._freed.set_result(None)

    async def _run_alone(self, slot: _Slot, child: Child) -> None:
        try:
            self._begin(slot, child)
            if child.former is not None and child.former.waits_for_redrive:
                self._items.pending_redrive -= child.item_count
                self._executions.pending_redrive -= 1
            try:
                result = await self._run_child(child)
            except asyncio.CancelledError:
                if not self._ending:
                    raise
                result = self._aborted(slot, child)
            self._end(slot, child, result)
        except MapRunError as error:
            self.fail(error)
        finally:
            self._slots.discard(slot)
            self._tell_freed()

    async def next_built(self) -> Child | None:
        """The next child of the items, read and built; None when there are no more."""
        builder = self._builder
        while not builder.exhausted:
            child = builder.next_child()
            if child is not None:
                return child
            if builder.starved and not self._feed():
                await self._stream.wait()
            if perf_counter() > self._pacer.pause_at:
                await self._pacer.pause()
        return None

    async def recall(self, row: ChildRow, *, not_redrivable: str | None = None) -> None:
        """Take the result of a child that ended before this process, or in an earlier attempt."""
        if self._results.has(row.status, row.attempt):
            self._items.results_written += row.item_count
            self._executions.results_written += 1
        elif not self._writer_broke():
            result = self._result_of(row)
            result.not_redrivable = not_redrivable
            self._results.add(Child(row.index, row.item_count, row.input or ""), result)
            if self._s3_results is not None and self._s3_results.congested:
                await self._s3_results.drain()
        if perf_counter() > self._pacer.pause_at:
            await self._pacer.pause()

    async def keep_unsuccessful(self, row: ChildRow, reason: str) -> None:
        """Count a child that cannot be redriven as what it was."""
        for tally, kept, count in zip(self._tallies, self._kept, (1, row.item_count), strict=True):
            tally.pending_redrive -= count
            tally.not_redrivable += count
            tally.add(row.status, count)
            kept[row.status] += count
        await self.recall(row, not_redrivable=reason)
        self._judge()

    async def leave_pending(self, child: Child) -> None:
        """Note a child that is not started, because the run is ending."""
        self._left_children += 1
        self._left_items += child.item_count
        results = self._s3_results
        if results is not None and not self._writer_broke():
            results.add_pending(child)
            if results.congested:
                await results.drain()

    async def leave_aborted(self, child: Child) -> None:
        """Count a child that had begun, and does not go on because the run is ending. Its row is the owner's to write."""
        self._items.add("ABORTED", child.item_count)
        self._executions.add("ABORTED", 1)
        if not self._writer_broke():
            self._results.add(child, self._aborted(_Slot(), child))
            if self._s3_results is not None and self._s3_results.congested:
                await self._s3_results.drain()

    def fail(self, error: StateError | MapRunError) -> None:
        """Fail the run with an error that is not a child's."""
        if not isinstance(error, ResultWriterError):
            self._item_lost = True  # the one at which reading or selecting broke: a redrive has to read it again
        self._fail(TaskFailed(error.error, error.cause, catchable=error.error != "States.Runtime"))

    def now(self) -> float:
        """Epoch seconds."""
        return self._clock()

    def _result_of(self, row: ChildRow) -> ChildResult:
        assert row.stop is not None
        name = self.identity.child_name(row.index)
        return ChildResult(
            row.status,
            row.output,
            row.error,
            row.cause,
            name,
            self._child_arn_prefix + name,
            row.start,
            row.stop,
            row.redrive_count,
        )

    # --- waiting ------------------------------------------------------------------------------------------

    def _feed(self) -> bool:
        """Give the builder the next chunk, or the news that there is none. False: the reader is not that far."""
        chunk = self._stream.take()
        if chunk is not None:
            if self._found is not None and self._found != self.source:
                self.source = self._found
                self._on_change()
            self._builder.feed(chunk)
        elif self._stream.ended:
            self._builder.end()
        else:
            return False
        if self._stream.ended:
            self._judge()  # the percentage can be judged from now on
        return True

    async def _wait_for_chunk(self) -> None:
        self._waiting += 1
        try:
            await self._stream.wait()
        finally:
            self._waiting -= 1

    # --- the end ------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        total = self._known_total
        if total is None and self._former is not None and self._former.all_started:
            total = self._former.items
        if total is None and self._stream.ended:
            total = self._stream.items_read
        if self.tolerance.is_exceeded(failed=self._items.failures, total=total):
            self._fail(TaskFailed(tolerated.ERROR, tolerated.CAUSE))

    def _fail(self, failure: TaskFailed) -> None:
        if self._failure is None and not self._stopped:
            self._failure = failure
        self._end_slots()

    def _end_slots(self) -> None:
        """Start no more children. Running ones are cancelled, but for EXPRESS ones: AWS cannot stop those."""
        if self._ending:
            return
        self._ending = True
        self._on_change()
        self._tell_freed()
        here = asyncio.current_task()
        for slot in self._slots:
            if slot.task is here or slot.task is None:
                continue
            if slot.child is None or self._spec.child_type != "EXPRESS":
                slot.task.cancel()

    async def _finish(self) -> TaskSucceeded | TaskFailed:
        """Write what there is to write, and say how the run ended."""
        output: TaskSucceeded | None = None
        await self._put_back_unredriven()
        if self._failure is None and not self._stopped and (aborted := self._aborted_before()):
            self._failure = TaskFailed(
                "States.TaskFailed",
                f"The map run was being stopped when the embedded AWS ended: {aborted} of its child executions are ABORTED. "
                "Redrive the execution to run them.",
                catchable=False,
            )
        try:
            if self._s3_results is not None and not self._writer_broke():
                if self._ending:
                    await self._write_pending()
                details = await self._s3_results.close()
                self.result_files = self._s3_results.succeeded_files
                output = TaskSucceeded(details, encode(details).decode())
            elif isinstance(self._results, StateResults):
                self._results.end()
                output = None if self._ending else self._results.output()
        except MapRunError as error:
            self._failure = self._failure or TaskFailed(error.error, error.cause)
        if self._stopped:
            return TaskFailed(None, None, catchable=False)
        if self._failure is not None:
            return self._failure
        assert output is not None
        return output

    def _aborted_before(self) -> int:
        """How many children were ABORTED when the run was cut off in the middle of a stop, which it had not noted itself.

        It has not succeeded without them: a redrive runs them.
        """
        if self._former is None or self._ending:
            return 0
        aborted, waiting = (counts.get("ABORTED", (0, 0))[0] for counts in (self._former.ended, self._former.waiting))
        return max(0, aborted - waiting)

    def _writer_broke(self) -> bool:
        return self._failure is not None and self._failure.error == ResultWriterError.error

    async def _write_pending(self) -> None:
        """The children that were never started, as far as they can be known: read on, but run nothing."""
        while True:
            try:
                child = await self.next_built()
            except (StateError, ItemReaderError):
                self._item_lost = True
                return  # what failed the run, or would have
            if child is None:
                return
            await self.leave_pending(child)

    async def _put_back_unredriven(self) -> None:
        """Children that waited for redrive when the run ended are what they were."""
        if self._former is None or not self._executions.pending_redrive:
            return
        former = self._former
        waiting = await former.store.redrive_counts(former.map_run_id, attempt=former.attempt)
        for nth, (tally, kept) in enumerate(zip(self._tallies, self._kept, strict=True)):
            for status in ("FAILED", "TIMED_OUT"):
                count = waiting.get(status, (0, 0))[nth] - kept[status]
                tally.add(status, count)
                tally.pending_redrive -= count
            tally.add("ABORTED", tally.pending_redrive)
            tally.pending_redrive = 0

    def _final_status(self, answer: TaskSucceeded | TaskFailed) -> MapRunStatus:
        if self._stopped:
            return MapRunStatus.ABORTED
        return MapRunStatus.SUCCEEDED if isinstance(answer, TaskSucceeded) else MapRunStatus.FAILED

    def _open_results(self, *, file_bytes: int, part_bytes: int) -> S3Results | StateResults:
        spec, writer, former = self._spec, self._spec.writer, self._former
        if writer is not None and writer.bucket is not None:
            return S3Results(
                writer,
                self.identity,
                s3=self._s3,
                child_type=spec.child_type,
                items=self._items,
                executions=self._executions,
                attempt=former.attempt if former else 0,
                former_files=former.result_files if former else (),
                resumed=former is not None,
                file_bytes=file_bytes,
                part_bytes=part_bytes,
            )
        return StateResults(
            self.identity,
            state_name=spec.state_name,
            child_type=spec.child_type,
            transformation=writer.transformation if writer else "COMPACT",
            items=self._items,
            executions=self._executions,
        )

    def _open_chunks(self) -> Chunks:
        """Called where the reader runs, because opening may block."""
        spec = self._spec
        if spec.max_items is not None and spec.max_items < 0:
            raise ItemReaderError("field MaxItems must be positive")
        if spec.reader is None:
            return read_state_input(spec.items)
        try:
            s3 = self._s3()
        except BotoCoreError as error:
            raise ItemReaderError(failure_cause("Cannot reach S3", error)) from error
        pinned = self._former.source if self._former is not None else None
        return open_reader(s3, spec.reader, pinned=pinned, on_opened=self._opened)

    def _opened(self, identity: ObjectIdentity) -> None:
        """Called in the reader's thread before it gives its first chunk."""
        self._found = identity


class _Slot:
    """A place for one child at a time. `child` is None while the slot is between two."""

    __slots__ = ("child", "started", "task")

    def __init__(self) -> None:
        self.child: Child | None = None
        self.started = 0.0
        self.task: asyncio.Task[None] | None = None


def _at_once(max_concurrency: int) -> int:
    """Children at once for a MaxConcurrency: 0, and more than a map run can have, are the most that it can."""
    return min(max_concurrency or MAX_CONCURRENCY, MAX_CONCURRENCY)


def _known_total(spec: RunMap) -> int | None:
    """How many items there are, where that is known before they are read: in the state's input."""
    if spec.reader is not None or not isinstance(spec.items, (list, dict)):
        return None
    cut = spec.max_items if spec.max_items and spec.max_items > 0 else MAX_ITEMS
    return min(len(spec.items), cut, MAX_ITEMS)
