"""Pass: hands its input on, or a literal, shaped on the way."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states.data_flow import Flow, compile_flow
from mapfold.states.definition import Node
from mapfold.states.effects import Effect, Json, StateError, Transition
from mapfold.states.fields import compile_next
from mapfold.states.frame import Frame
from mapfold.states.visit import enter, fail, leave


@dataclass(frozen=True, slots=True)
class Pass:
    """A Pass state. `literal` is its Result where `has_literal`: nothing in it is evaluated."""

    entered_type: ClassVar[str] = "PassStateEntered"

    name: str
    next: str | None
    flow: Flow
    has_literal: bool
    literal: Json

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """Leave with the input, or with what the fields make of it."""
        before = frame.previous
        enter(self.entered_type, self.name, data, frame)
        try:
            flow = self.flow
            result = data if flow.select is None else flow.select(data, frame)
            if flow.arguments is not None:
                result = flow.arguments(result, frame)
            if self.has_literal:
                result = self.literal
            output = result if flow.give is None else flow.give(data, result, frame)
            assigned = None if flow.assign is None else flow.assign(data, result, frame)
            return leave("PassStateExited", self.name, output, assigned, frame, self.next)
        except StateError as error:
            return fail(error, before, frame)
        yield  # a Pass never waits, but drivers run every state as a generator


def compile_pass(node: Node) -> Pass:
    """The Pass state `node`."""
    has_literal = "Result" in node.fields and not node.is_jsonata
    return Pass(node.name, compile_next(node), compile_flow(node), has_literal, node.fields.get("Result"))
