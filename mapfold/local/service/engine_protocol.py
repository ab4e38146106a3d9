"""What the service needs of the engine: to start and stop executions, and to see those that run now.

What has ended is in the store; what runs is in the engine's memory, with the newest events of its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mapfold.local.store import ChildRow, ExecutionRow, KeptAnswer, MachineRow, MapRunRow, WireEvent
from mapfold.states import Effect, Frame


class LiveExecution(Protocol):
    """An execution that runs now: a top-level one, or a map run's child (its row then has `map_run_arn`)."""

    @property
    def row(self) -> ExecutionRow: ...

    def events_from(self, first_id: int) -> Sequence[WireEvent]:
        """The events with ids from `first_id` that are still in memory, in order and without gaps up to the newest.

        Every earlier event has been given to `Store.add_events` already (a child's are all in memory).
        """
        ...


class TaskTokens(Protocol):
    """The task tokens that are waited for. False: nobody waits for this one (any more)."""

    def answer(self, token: str, answer: KeptAnswer, /) -> bool:
        """Let the task that waits have its answer, which is kept once the store is flushed."""
        ...

    def beat(self, token: str, /) -> bool:
        """Start the heartbeat's clock again."""
        ...


class WorkerTask(Protocol):
    """What a worker is given: the token to answer with, and the input as JSON text."""

    @property
    def token(self) -> str: ...

    @property
    def input(self) -> str: ...


class Activities(Protocol):
    """The tasks that wait for workers."""

    def is_crowded(self, arn: str, /) -> bool:
        """Whether as many workers as there may be ask for tasks of an activity already."""
        ...

    async def poll(self, arn: str, worker: str | None, /) -> WorkerTask | None:
        """The next task of an activity; None if none came in time."""
        ...


class Engine(Protocol):
    """Runs executions. Methods are called on the event loop's thread."""

    @property
    def tokens(self) -> TaskTokens: ...

    @property
    def activities(self) -> Activities: ...

    async def start_execution(
        self, machine: MachineRow, *, name: str, input_text: str, trace_header: str | None = None
    ) -> ExecutionRow:
        """Keep and run a new execution; the service has checked its name and input. Returns before it ends."""
        ...

    async def run_execution(
        self, machine: MachineRow, *, name: str, input_text: str, trace_header: str | None = None
    ) -> ExecutionRow:
        """Run a new execution of an EXPRESS machine to its end (whether the caller waits or not); its row then."""
        ...

    async def redrive_execution(self, row: ExecutionRow, machine: MachineRow) -> ExecutionRow:
        """Run an ended execution on from where it failed, with the revision that it ran; its row as it is now.

        The service has checked that it may be. Returns once that it runs again is committed, before it ends.
        """
        ...

    async def stop_execution(self, arn: str, *, error: str | None, cause: str | None) -> float | None:
        """Abort an execution and everything under it; the time it stopped, or None if no such execution runs."""
        ...

    async def perform(self, effect: Effect, frame: Frame, *, role_arn: str) -> Any:
        """Do what a state that is tested by itself asks for, and answer as the effect's docstring says."""
        ...

    def live_execution(self, arn: str) -> LiveExecution | None:
        """The running execution with this ARN (a child's ARN too)."""
        ...

    def runs_machine(self, machine_arn: str) -> bool:
        """Whether an execution of this state machine runs."""
        ...

    def end_executions(self, machine_arn: str) -> None:
        """Abort the executions of this state machine, each at its next transition."""
        ...

    def live_map_run(self, arn: str) -> MapRunRow | None:
        """The running map run with this ARN, with its counts as they are now."""
        ...

    def live_children(self, map_run_arn: str) -> Sequence[ChildRow]:
        """The children of a map run that run now, in any order."""
        ...

    def update_map_run(
        self,
        arn: str,
        *,
        max_concurrency: int | None,
        tolerated_percentage: float | None,
        tolerated_count: int | None,
    ) -> bool:
        """Change a running map run (None: leave as it is). False if no such map run runs."""
        ...


class ChildNames(Protocol):
    """How the uuids of a map run's children are made (`mapfold.local.map_run.identity`)."""

    def child_uuid(self, map_run_uuid: str, index: int, /) -> str: ...

    def child_index(self, map_run_uuid: str, child_uuid: str, /) -> int:
        """The index in a child's uuid; ValueError if it belongs to another map run."""
        ...

    def head_of(self, child_uuid: str, /) -> str:
        """What a child's uuid has in common with those of its map run's other children: `MapRunRow.child_head`."""
        ...
