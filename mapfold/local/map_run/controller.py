"""A Distributed Map Run: items in, child executions at once, results out.

    reader thread --chunks--> ChildBuilder --next child--> slots --run_child--> results --parts--> writer thread

A slot is a task that runs one child after the other: it takes its place first, then has the next child built, so the
reader never outruns the children. Slots are made only when all others are waiting inside a child: children that end
without waiting need one slot and no task of their own, and 10,000 that wait get 10,000. None are made while the run is
crowded: children that would only stand in a queue are not started before their turn. All state changes between two
awaits, and a failure of a child is a value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from botocore.exceptions import BotoCoreError

from mapfold.local.map_run import tolerance as tolerated
from mapfold.local.map_run.batcher import ChildBuilder
from mapfold.local.map_run.counters import MapRunCounts, Tally
from mapfold.local.map_run.encoding import encode
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
from mapfold.local.map_run.readers import open_reader, read_state_input, source_name
from mapfold.local.map_run.readers.objects import failure_cause
from mapfold.local.map_run.result_files import FILE_BYTES, PART_BYTES
from mapfold.local.map_run.state_results import StateResults
from mapfold.local.map_run.stream import ItemStream
from mapfold.local.map_run.tolerance import Tolerance
from mapfold.local.map_run.writer import S3Results
from mapfold.states.effects import RunMap, StateError, TaskFailed, TaskSucceeded

RunChild = Callable[[Child], Awaitable[ChildResult]]

GROWN_AT_ONCE = 128
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
    `clock` gives epoch seconds. While `is_crowded()` more children at once would do no more, and no slots are added.
    """

    def __init__(
        self,
        spec: RunMap,
        identity: MapRunIdentity,
        *,
        run_child: RunChild,
        s3: S3Factory,
        clock: Callable[[], float],
        is_crowded: Callable[[], bool] = lambda: False,
        result_file_bytes: int = FILE_BYTES,
        result_part_bytes: int = PART_BYTES,
        input_bytes_at_once: int = INPUT_BYTES_AT_ONCE,
    ) -> None:
        self.identity = identity
        self.status = MapRunStatus.RUNNING
        self.start_date: float | None = None
        self.stop_date: float | None = None
        self.tolerance = Tolerance(spec.tolerated_count, spec.tolerated_percentage)
        self.max_concurrency = spec.max_concurrency
        self._spec = spec
        self._run_child = run_child
        self._s3 = s3
        self._clock = clock
        self._is_crowded = is_crowded
        self._items = Tally()
        self._executions = Tally()
        self._known_total = _known_total(spec)
        self._stream = ItemStream(
            self._open_chunks, max_items=max(spec.max_items or 0, 0), threaded=spec.reader is not None
        )
        self._builder = ChildBuilder(select=spec.select, source=source_name(spec.reader), batcher=spec.batcher)
        self._results = self._open_results(file_bytes=result_file_bytes, part_bytes=result_part_bytes)
        self._s3_results = self._results if isinstance(self._results, S3Results) else None
        self._at_once = spec.max_concurrency or MAX_CONCURRENCY
        self._input_bytes_at_once = input_bytes_at_once
        self._input_bytes = 0
        self._slots: set[_Slot] = set()
        self._group: asyncio.TaskGroup | None = None
        self._loop: asyncio.AbstractEventLoop
        self._failure: TaskFailed | None = None
        self._stopped = False
        self._ending = False
        self._waiting = 0
        self._growing = False
        self._pacer = Pacer()

    @property
    def aborting(self) -> bool:
        """No child is started any more, because the run has failed or was stopped."""
        return self._ending

    def counts(self) -> MapRunCounts:
        """The item and execution counts now. `total` is final once the reader has come to its end."""
        known = self._stream.items_read if self._known_total is None else self._known_total
        pending = known - self._items.started
        return MapRunCounts(
            items=self._items.snapshot(pending=pending),
            executions=self._executions.snapshot(pending=self._builder.children_for(pending)),
        )

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
            self._at_once = max_concurrency or MAX_CONCURRENCY
            self._grow_soon()
        if tolerated_count is not None or tolerated_percentage is not None:
            self.tolerance = Tolerance(
                self.tolerance.count if tolerated_count is None else tolerated_count,
                self.tolerance.percentage if tolerated_percentage is None else tolerated_percentage,
            )
            self._judge()

    def stop(self) -> None:
        """Abort the run: STANDARD children are cancelled, EXPRESS ones run out, and `run` returns soon after."""
        if self.stop_date is None and not self._stopped:
            self._stopped = True
            self._end_slots()

    async def run(self) -> TaskSucceeded | TaskFailed:
        """Run all children. After `stop` the answer is a `TaskFailed` without an error, and `status` is ABORTED."""
        self.start_date = self._clock()
        self._loop = asyncio.get_running_loop()  # asked for once: it is a system call (getpid) each time
        try:
            async with asyncio.TaskGroup() as self._group:
                if not self._ending:
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
            self._fail(TaskFailed(error.error, error.cause, catchable=error.error != "States.Runtime"))
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
        if not self._growing and not self._is_crowded():
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
        arn = self.identity.child_arn(child.index)
        return ChildResult("ABORTED", None, None, None, name, arn, slot.started, self._clock())

    def _grow_soon(self) -> None:
        if not self._growing and self._slots:
            self._growing = True
            self._loop.call_soon(self._grow)

    def _grow(self) -> None:
        """Twice as many slots, if all that there are wait inside a child."""
        self._growing = False
        live = len(self._slots)
        if self._ending or not live or self._executions.running < live or self._builder.exhausted:
            return
        if self._has_room() and not self._is_crowded():
            self._add_slots(min(live, self._at_once - live, GROWN_AT_ONCE))

    def _add_slots(self, count: int) -> None:
        assert self._group is not None
        for _ in range(count):
            slot = _Slot()
            self._slots.add(slot)
            slot.task = self._group.create_task(self._work(slot))

    # --- waiting ------------------------------------------------------------------------------------------

    def _feed(self) -> bool:
        """Give the builder the next chunk, or the news that there is none. False: the reader is not that far."""
        chunk = self._stream.take()
        if chunk is not None:
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
        here = asyncio.current_task()
        for slot in self._slots:
            if slot.task is here or slot.task is None:
                continue
            if slot.child is None or self._spec.child_type != "EXPRESS":
                slot.task.cancel()

    async def _finish(self) -> TaskSucceeded | TaskFailed:
        """Write what there is to write, and say how the run ended."""
        output: TaskSucceeded | None = None
        try:
            if self._s3_results is not None and not self._writer_broke():
                if self._ending:
                    await self._write_pending(self._s3_results)
                details = await self._s3_results.close()
                output = TaskSucceeded(details, encode(details).decode())
            elif isinstance(self._results, StateResults) and not self._ending:
                output = self._results.output()
        except MapRunError as error:
            self._failure = self._failure or TaskFailed(error.error, error.cause)
        if self._stopped:
            return TaskFailed(None, None, catchable=False)
        if self._failure is not None:
            return self._failure
        assert output is not None
        return output

    def _writer_broke(self) -> bool:
        return self._failure is not None and self._failure.error == ResultWriterError.error

    async def _write_pending(self, results: S3Results) -> None:
        """The children that were never started, as far as they can be known: read on, but run nothing."""
        builder = self._builder
        while not builder.exhausted:
            try:
                child = builder.next_child()
                if child is None and builder.starved and not self._feed():
                    await self._stream.wait()
            except (StateError, ItemReaderError):
                return  # what failed the run, or would have
            if child is not None:
                results.add_pending(child)
            if results.congested:
                await results.drain()
            if perf_counter() > self._pacer.pause_at:
                await self._pacer.pause()

    def _final_status(self, answer: TaskSucceeded | TaskFailed) -> MapRunStatus:
        if self._stopped:
            return MapRunStatus.ABORTED
        return MapRunStatus.SUCCEEDED if isinstance(answer, TaskSucceeded) else MapRunStatus.FAILED

    def _open_results(self, *, file_bytes: int, part_bytes: int) -> S3Results | StateResults:
        spec, writer = self._spec, self._spec.writer
        if writer is not None and writer.bucket is not None:
            return S3Results(
                writer,
                self.identity,
                s3=self._s3,
                child_type=spec.child_type,
                items=self._items,
                executions=self._executions,
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
        return open_reader(s3, spec.reader)


class _Slot:
    """A place for one child at a time. `child` is None while the slot is between two."""

    __slots__ = ("child", "started", "task")

    def __init__(self) -> None:
        self.child: Child | None = None
        self.started = 0.0
        self.task: asyncio.Task[None] | None = None


def _known_total(spec: RunMap) -> int | None:
    """How many items there are, where that is known before they are read: in the state's input."""
    if spec.reader is not None or not isinstance(spec.items, (list, dict)):
        return None
    cut = spec.max_items if spec.max_items and spec.max_items > 0 else MAX_ITEMS
    return min(len(spec.items), cut, MAX_ITEMS)
