"""Succeed: ends its scope with its input."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states.data_flow import Flow, compile_flow
from mapfold.states.definition import Node
from mapfold.states.effects import Effect, Json, StateError, Transition
from mapfold.states.frame import Frame
from mapfold.states.visit import enter, fail, leave


@dataclass(frozen=True, slots=True)
class Succeed:
    """A Succeed state."""

    entered_type: ClassVar[str] = "SucceedStateEntered"

    name: str
    flow: Flow

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """End the scope with the input, or with what the fields make of it."""
        before = frame.previous
        enter(self.entered_type, self.name, data, frame)
        try:
            flow = self.flow
            result = data if flow.select is None else flow.select(data, frame)
            output = result if flow.give is None else flow.give(data, result, frame)
            return leave("SucceedStateExited", self.name, output, None, frame, None)
        except StateError as error:
            return fail(error, before, frame)
        yield  # never reached: it makes this a generator, as every state is


def compile_succeed(node: Node) -> Succeed:
    """The Succeed state `node`."""
    return Succeed(node.name, compile_flow(node))
