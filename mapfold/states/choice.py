"""Choice: goes where the first rule that matches points."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states.choice_rules import NEVER, OPERATORS, Rule, compile_rule
from mapfold.states.data_flow import Assign, Flow, Output, compile_assign, compile_flow
from mapfold.states.definition import Node
from mapfold.states.effects import Effect, Json, StateError, Transition
from mapfold.states.frame import Frame
from mapfold.states.jsonata import wrong_type
from mapfold.states.visit import enter, fail, leave


@dataclass(frozen=True, slots=True)
class Option:
    """One member of Choices. Its own `give` and `assign` stand in for the state's: in JSONata even where it has none.

    `give` is the state's in JSONPath, where rules have no Output.
    """

    matches: Rule
    next: str
    give: Output | None
    assign: Assign | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A Choice state. `default` None: no rule may fail to match."""

    entered_type: ClassVar[str] = "ChoiceStateEntered"

    name: str
    flow: Flow
    options: Sequence[Option]
    default: str | None

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """Go where the first matching rule says, or to Default."""
        before = frame.previous
        enter(self.entered_type, self.name, data, frame)
        try:
            flow = self.flow
            inputs = data if flow.select is None else flow.select(data, frame)
            next_, give, assign = self._choose(inputs, frame)
            output = inputs if give is None else give(data, inputs, frame)
            assigned = None if assign is None else assign(data, inputs, frame)
            return leave("ChoiceStateExited", self.name, output, assigned, frame, next_)
        except StateError as error:
            return fail(error, before, frame)
        yield  # never reached: it makes this a generator, as every state is

    def _choose(self, inputs: Json, frame: Frame) -> tuple[str, Output | None, Assign | None]:
        for option in self.options:
            if option.matches(inputs, frame):
                return option.next, option.give, option.assign
        if self.default is None:
            # The specification's States.NoChoiceMatched is not what the service reports.
            raise StateError(
                "States.Runtime",
                "Failed to transition out of the state. The state does not point to a next state.",
            )
        return self.default, self.flow.give, self.flow.assign


def compile_choice(node: Node) -> Choice:
    """The Choice state `node`."""
    rules = node.objects("Choices") if node.has("Choices") else []
    flow = compile_flow(node)
    return Choice(
        name=node.name,
        flow=flow,
        options=tuple(_compile_option(rule, flow) for rule in rules),
        default=node.string("Default"),
    )


_JSONATA_FIELDS = ("Condition", "Output")


def _compile_option(node: Node, flow: Flow) -> Option:
    node.require(*("Condition", "Next") if node.is_jsonata else ("Next",))
    node.string("Comment")
    if not node.is_jsonata:
        node.check_fields([name for name in node.fields if name not in _JSONATA_FIELDS], _JSONATA_FIELDS)
    extra = ("Next", "Assign", "Comment", *_JSONATA_FIELDS)
    matches = _compile_condition(node) if node.is_jsonata else compile_rule(node, extra=extra)
    give = node.json("Output") if node.is_jsonata else flow.give
    return Option(matches, node.string("Next") or "", give, compile_assign(node))


def _compile_condition(node: Node) -> Rule:
    node.check_fields(
        ("Condition", "Next", "Assign", "Output", "Comment"), ("Variable", "And", "Or", "Not", *OPERATORS)
    )
    if not node.has("Condition"):
        return NEVER
    condition = node.fields["Condition"]
    if isinstance(condition, bool):
        return lambda data, frame: condition
    if not node.holds_expression("Condition"):
        node.problem("Condition must be a boolean or a JSONata expression", "Condition")
        return NEVER
    evaluate = node.expression("Condition")
    if evaluate is None:
        return NEVER
    source = node.fields["Condition"][2:-2].strip()
    field = node.field_path("Condition")

    def matches(data: Json, frame: Frame) -> bool:
        value = evaluate(data, None, frame)
        if not isinstance(value, bool):
            raise wrong_type(source, field, "boolean", value)
        return value

    return matches
