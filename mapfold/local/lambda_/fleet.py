"""Who gets a worker: each function has a pool with a FIFO of calls; one fleet bounds the processes of all pools.

A call takes an idle worker of its function, else it waits and a worker is started for it while there is room. Room
is made by retiring a worker of another function that has been idle for a while. A function that has no worker at all
may always have one, even over the bound: so a handler that invokes another function cannot wait for itself for ever,
and one function's map cannot starve the others. For that one, no worker is retired while few are over the bound: where
cores are few, the functions of a job, called one after the other, would else end each other's workers at every run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from mapfold.local.lambda_.errors import LambdaError, function_not_found, too_many_requests
from mapfold.local.lambda_.functions import Function
from mapfold.local.lambda_.invocations import Call
from mapfold.local.lambda_.lifecycle import Phase
from mapfold.local.lambda_.logs import LogRecord
from mapfold.local.lambda_.memory import can_watch, watch_memory
from mapfold.local.lambda_.workers import Worker

MAX_WAITING = 50_000
"""Calls that may wait for a worker of one function; the next is throttled (429), as by AWS's concurrency limit."""

_KEPT_OVER_THE_BOUND = 4
"""With two cores and a bound of four: a second run of a job of six functions then starts no worker, which is half a
second of CPU each."""

_IDLE_BEFORE_RETIRED_SECONDS = 1.0
_REBALANCE_SECONDS = 0.25


class Pool:
    """One function's workers and the calls that wait for one."""

    def __init__(self, fleet: Fleet, function: Function) -> None:
        self.function = function
        self.waiting: deque[Call] = deque()
        self.idle: list[Worker] = []  # the last one is the warmest
        self.workers: set[Worker] = set()
        self._fleet = fleet

    @property
    def starting(self) -> int:
        """Workers that have been started and have not asked for their first call."""
        return sum(worker.phase is Phase.STARTING for worker in self.workers)

    @property
    def active(self) -> int:
        """Calls that wait for a worker, or have one."""
        waiting = sum(not call.answer.done() for call in self.waiting)
        return waiting + sum(worker.phase is Phase.BUSY for worker in self.workers)

    def next_call(self) -> Call | None:
        while self.waiting:
            call = self.waiting.popleft()
            if not call.answer.done():  # its caller has gone
                return call
        return None

    def is_idle(self, worker: Worker) -> None:
        self.idle.append(worker)
        self._fleet.has_idle(self)

    def is_gone(self, worker: Worker) -> None:
        if worker in self.workers:
            self.workers.remove(worker)
            if worker in self.idle:
                self.idle.remove(worker)
            self._fleet.lost(self, worker)

    def keep_log(self, record: LogRecord) -> None:
        self._fleet.keep_log(record)


class Fleet:
    """All pools. `tasks` owns the workers; `max_workers` bounds their processes."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        environment: Mapping[str, str],
        max_workers: int,
        init_timeout_seconds: float,
        keep_log: Callable[[LogRecord], None],
    ) -> None:
        self.keep_log = keep_log
        self.environment = environment
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._max_workers = max_workers
        self._init_timeout_seconds = init_timeout_seconds
        self._pools: dict[tuple[str, str], Pool] = {}  # by the function's name and version
        self._workers: set[Worker] = set()
        self._starved: set[Pool] = set()
        self._rebalancing: asyncio.TimerHandle | None = None
        self._memory_watch: asyncio.Task[None] | None = None
        self._stopped = False

    def pool(self, function: Function) -> Pool:
        """The pool of `function`, made when it is first asked for."""
        key = (function.name, function.version)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(self, function)
        return pool

    def active(self, name: str) -> int:
        """How many calls of the function `name`, over all of its versions, wait for a worker or have one."""
        pools = [pool for (owner, _), pool in self._pools.items() if owner == name]
        return sum(pool.active for pool in pools)

    def submit(self, pool: Pool, call: Call) -> None:
        """Give `call` to a worker, now or when one is free. TooManyRequestsException if too many wait."""
        if self._stopped:
            raise LambdaError("ServiceException", "The Lambda service has stopped.", 500)
        if pool.idle:
            pool.idle.pop().give(call)
            return
        if len(pool.waiting) >= MAX_WAITING:
            raise too_many_requests()
        pool.waiting.append(call)
        if pool not in self._starved:
            self._grow(pool)

    def replace(self, function: Function) -> None:
        """Run `function` as it is now: calls that wait move over, workers of the former revision end."""
        former = self._pools.pop((function.name, function.version), None)
        if former is None:
            return
        pool = self.pool(function)
        pool.waiting, former.waiting = former.waiting, pool.waiting
        self._dismiss(former)
        self._grow(pool)

    def remove(self, function: Function, arn: str) -> None:
        """Forget a deleted function or version: calls that wait fail, the ones that run are let finish."""
        pool = self._pools.pop((function.name, function.version), None)
        if pool is None:
            return
        while call := pool.next_call():
            call.answer.set_exception(function_not_found(arn))
        self._dismiss(pool)

    def stop(self) -> None:
        """Kill all workers; the tasks of those who wait for a call are cancelled."""
        self._stopped = True
        if self._rebalancing is not None:
            self._rebalancing.cancel()
        if self._memory_watch is not None:
            self._memory_watch.cancel()
        for pool in self._pools.values():
            while call := pool.next_call():
                call.answer.cancel()
        for worker in list(self._workers):
            worker.abandon()

    # --- what pools tell ------------------------------------------------------------------------------------

    def has_idle(self, pool: Pool) -> None:
        """`pool` has a worker to spare: end it if the fleet is over its bound."""
        if len(self._workers) > self._max_workers and len(pool.workers) > 1:
            pool.idle[0].retire()

    def lost(self, pool: Pool, worker: Worker) -> None:
        """`worker` of `pool` has ended."""
        self._workers.discard(worker)
        self._grow(pool)
        self._rebalance()

    # --- room -------------------------------------------------------------------------------------------------

    def _grow(self, pool: Pool) -> None:
        """Start a worker for each call that waits, as far as there is room."""
        missing = len(pool.waiting) - pool.starting if pool.waiting and not self._stopped else 0
        for _ in range(missing):
            if len(self._workers) >= self._max_workers and not self._make_room(pool):
                self._starve(pool)
                return
            self._start(pool)
        self._starved.discard(pool)

    def _make_room(self, pool: Pool) -> bool:
        """Retire the worker that has been idle longest, of another pool. True if `pool` may start one now."""
        urgent = not pool.workers
        if urgent and len(self._workers) < self._max_workers + _KEPT_OVER_THE_BOUND:
            return True
        longest = min(
            (other.idle[0] for other in self._pools.values() if other is not pool and other.idle),
            key=lambda worker: worker.idle_since,
            default=None,
        )
        if longest is not None:
            idle_seconds = time.monotonic() - longest.idle_since
            if urgent or idle_seconds >= _IDLE_BEFORE_RETIRED_SECONDS:
                longest.retire()
                return len(self._workers) < self._max_workers or urgent
        return urgent

    def _start(self, pool: Pool) -> None:
        worker = Worker(pool, pool.function, self.environment, self._init_timeout_seconds)
        pool.workers.add(worker)
        self._workers.add(worker)
        self._tasks.create_task(worker.run(), name=f"worker-{pool.function.name}")
        if self._memory_watch is None and can_watch():
            self._memory_watch = self._tasks.create_task(watch_memory(lambda: self._workers), name="memory-watch")

    def _starve(self, pool: Pool) -> None:
        self._starved.add(pool)
        if self._rebalancing is None:
            self._rebalancing = self._loop.call_later(_REBALANCE_SECONDS, self._rebalance_later)

    def _rebalance_later(self) -> None:
        self._rebalancing = None
        self._rebalance()

    def _rebalance(self) -> None:
        for pool in list(self._starved):
            self._starved.discard(pool)
            self._grow(pool)

    def _dismiss(self, pool: Pool) -> None:
        self._starved.discard(pool)
        for worker in list(pool.workers):
            worker.retire()


def default_max_workers() -> int:
    """Twice the cores this process may use.

    A worker waits for the server between two calls. Measured with two cores, 20,000 child executions of a trivial
    handler: two workers 3,900 to 4,000 a second, four 4,600 to 4,800; in another round four 5,400, six and eight 5,700.
    """
    return 2 * usable_cores()


def usable_cores() -> int:
    """The cores this process may use: its affinity, or less where a container's CPU quota says so (cgroup v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, -(-int(quota) // int(period))))
