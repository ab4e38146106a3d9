"""Parallel: runs branches at once, each with the same input, and gathers their outputs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mapfold.states.data_flow import compile_flow
from mapfold.states.definition import Node
from mapfold.states.effects import Effect, Json, RunBranches, StateError, TaskFailed
from mapfold.states.fields import compile_next
from mapfold.states.frame import Frame, is_oversized
from mapfold.states.recovery import compile_recovery
from mapfold.states.visit import too_large
from mapfold.states.work import WorkState, failure_of

if TYPE_CHECKING:
    from mapfold.states.machine import Scope


@dataclass(frozen=True, slots=True)
class Parallel(WorkState):
    """A Parallel state."""

    branches: Sequence[Scope]

    entered_type: ClassVar[str] = "ParallelStateEntered"
    exited_type: ClassVar[str] = "ParallelStateExited"

    def work(self, inputs: Json, arguments: Json, frame: Frame) -> Generator[Effect, Any, Json]:
        """Run all branches. The first that fails fails the state, with its error and cause."""
        if arguments is not inputs and is_oversized(frame.text_of(arguments)):
            raise too_large(self.name)
        frame.record("ParallelStateStarted")
        answer: list[Json] | TaskFailed = yield RunBranches(self.branches, arguments)
        if isinstance(answer, TaskFailed):
            raise failure_of(answer)
        if is_oversized(frame.text_of(answer)):
            raise too_large(self.name)
        frame.record_leaf("ParallelStateSucceeded")
        return answer

    def give_up(self, error: StateError, frame: Frame) -> None:
        """Record ParallelStateFailed: not for what nothing may catch, which ends the execution at once (as on AWS).

        For a failed expression of the state's own fields it is unconfirmed; a Map then has its MapStateFailed.
        """
        if error.catchable:
            frame.record("ParallelStateFailed")


def compile_parallel(node: Node) -> Parallel:
    """The Parallel state `node`, and the scopes of its branches."""
    branches = node.objects("Branches") if node.has("Branches") else []
    return Parallel(
        name=node.name,
        next=compile_next(node),
        flow=compile_flow(node, extra="result"),
        recovery=compile_recovery(node),
        branches=tuple(node.build.compile_scope(branch) for branch in branches),
    )
