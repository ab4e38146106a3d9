"""Wait: lets a number of seconds pass, or all time up to a timestamp."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from mapfold.states import problems
from mapfold.states.data_flow import Flow, compile_flow
from mapfold.states.definition import Node
from mapfold.states.effects import Effect, Json, Sleep, StateError, Transition
from mapfold.states.fields import compile_next
from mapfold.states.frame import Frame, encode
from mapfold.states.java_text import java_text
from mapfold.states.jsonata import wrong_type
from mapfold.states.timestamps import parse_offset_date_time, parse_timestamp
from mapfold.states.visit import enter, fail, leave

MOST_SECONDS = 99_999_999
"""Of a Wait that counts seconds."""
MOST_AHEAD_SECONDS = 2_147_483_647
"""From now to a Wait's timestamp. Unconfirmed: the largest Java int, which is some 24,855 days."""
FIELDS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")

_LONG = re.compile(r"[+-]?[0-9]{1,19}")

Until = Callable[[Json, Frame], float]
"""Takes the input after InputPath; gives the moment to wait for, in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A Wait state. `until` was compiled from the one field that says how long."""

    entered_type: ClassVar[str] = "WaitStateEntered"

    name: str
    next: str | None
    flow: Flow
    until: Until

    def run(self, data: Json, frame: Frame) -> Generator[Effect, Any, Transition]:
        """Sleep, then leave with the input. A moment that is past is not waited for."""
        before = frame.previous
        enter(self.entered_type, self.name, data, frame)
        try:
            flow = self.flow
            inputs = data if flow.select is None else flow.select(data, frame)
            until = self.until(inputs, frame)
            now = frame.clock()
            if until - now > MOST_AHEAD_SECONDS:
                raise StateError("States.Runtime", "Wait state delay is too long.")
            if until > now:
                yield Sleep(until)
            output = inputs if flow.give is None else flow.give(data, inputs, frame)
            assigned = None if flow.assign is None else flow.assign(data, inputs, frame)
            return leave("WaitStateExited", self.name, output, assigned, frame, self.next)
        except StateError as error:
            return fail(error, before, frame)


def compile_wait(node: Node) -> Wait:
    """The Wait state `node`."""
    given = [name for name in FIELDS if node.has(name)]
    allowed = FIELDS[::2] if node.is_jsonata else FIELDS
    node.only_one_of(*allowed)
    if not given:
        node.problem(f"Exactly one of these fields is required: [{', '.join(allowed)}]")
    compiled = _COMPILERS[given[0]](node) if given else None
    return Wait(node.name, compile_next(node), compile_flow(node), compiled or (lambda data, frame: 0.0))


def _compile_seconds(node: Node) -> Until | None:
    if node.holds_expression("Seconds"):
        return _compile_seconds_expression(node)
    seconds = node.integer("Seconds", least=0, most=MOST_SECONDS)
    return None if seconds is None else lambda data, frame: frame.clock() + seconds


def _compile_seconds_expression(node: Node) -> Until | None:
    evaluate = node.expression("Seconds")
    if evaluate is None:
        return None
    source = node.fields["Seconds"][2:-2].strip()

    def until(data: Json, frame: Frame) -> float:
        value = evaluate(data, None, frame)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(source, "Seconds", "integer", value)
        if value < 0:
            raise StateError(
                "States.QueryEvaluationError", f"The Seconds field must not be negative: {value}", location="Seconds"
            )
        if value > MOST_SECONDS:
            raise StateError("States.QueryEvaluationError", "Wait state delay is too long.", location="Seconds")
        return frame.clock() + value

    return until


def _compile_seconds_path(node: Node) -> Until | None:
    find = node.path("SecondsPath", reference=True)
    if find is None:
        return None
    text = node.fields["SecondsPath"]

    def until(data: Json, frame: Frame) -> float:
        value = _find_input(find, "SecondsPath", text, data, frame)
        shown = java_text(value)
        if isinstance(value, bool) or _LONG.fullmatch(shown) is None:
            problem = f"The SecondsPath parameter cannot be parsed as a long value: {text} == {shown}"
            raise StateError("States.Runtime", problem)
        if int(shown) < 0:
            problem = f"The SecondsPath parameter references a negative value: {text} == {shown}"
            raise StateError("States.Runtime", problem)
        return frame.clock() + _bounded(int(shown))

    return until


def _bounded(seconds: int) -> int:
    if seconds > MOST_SECONDS:
        raise StateError("States.Runtime", "Wait state delay is too long.")
    return seconds


def _compile_timestamp(node: Node) -> Until | None:
    if node.holds_expression("Timestamp"):
        return _compile_timestamp_expression(node)
    text = node.string("Timestamp")
    if text is None:
        return None
    moment = parse_timestamp(text)
    if moment is None:
        node.problem(problems.NO_TIMESTAMP, "Timestamp")
        return None
    seconds = float(moment[0])
    return lambda data, frame: seconds


def _compile_timestamp_expression(node: Node) -> Until | None:
    evaluate = node.expression("Timestamp")
    if evaluate is None:
        return None

    def until(data: Json, frame: Frame) -> float:
        value = evaluate(data, None, frame)
        moment = parse_offset_date_time(value)
        if moment is None:
            raise StateError(
                "States.QueryEvaluationError",
                "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: "
                f"{_bare(value)}",
                location="Timestamp",
            )
        return float(moment[0])

    return until


def _compile_timestamp_path(node: Node) -> Until | None:
    find = node.path("TimestampPath", reference=True)
    if find is None:
        return None
    text = node.fields["TimestampPath"]

    def until(data: Json, frame: Frame) -> float:
        value = _find_input(find, "TimestampPath", text, data, frame)
        moment = parse_offset_date_time(value)
        if moment is None:
            raise StateError(
                "States.Runtime",
                "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
                f"string: {text} == {java_text(value)}",
            )
        return float(moment[0])

    return until


def _find_input(find: Callable[[Json, Frame], Json], name: str, text: str, data: Json, frame: Frame) -> Json:
    try:
        value = find(data, frame)
    except StateError:
        value = None
    if value is None:
        raise StateError("States.Runtime", f"The {name} parameter does not reference an input value: {text}")
    return value


def _bare(value: Json) -> str:
    return value if isinstance(value, str) else encode(value)


_COMPILERS: dict[str, Callable[[Node], Until | None]] = {
    "Seconds": _compile_seconds,
    "SecondsPath": _compile_seconds_path,
    "Timestamp": _compile_timestamp,
    "TimestampPath": _compile_timestamp_path,
}
