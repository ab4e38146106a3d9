"""A world for states: a history that is a list, a clock that jumps, and work that answers from a dict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mapfold.states import (
    CheckTask,
    Effect,
    EndScope,
    FailScope,
    Frame,
    Json,
    RunBranches,
    RunIterations,
    RunMap,
    RunTask,
    Scope,
    Sleep,
    StateError,
    TaskFailed,
    TaskSucceeded,
    compile_machine,
)

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:work"
EXECUTION: Mapping[str, Json] = {
    "Execution": {
        "Id": "arn:aws:states:us-east-1:123456789012:execution:demo:run-1",
        "Input": {},
        "Name": "run-1",
        "RedriveCount": 0,
        "StartTime": "2025-01-31T12:00:00Z",
    },
    "StateMachine": {"Id": "arn:aws:states:us-east-1:123456789012:stateMachine:demo", "Name": "demo"},
}
START = 1_738_324_800.25  # 2025-01-31T12:00:00.250Z


@dataclass(frozen=True)
class Event:
    type: str
    id: int
    previous: int
    details: Mapping[str, Any]


class ListedHistory:
    """A history that keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, type_: str, previous: int, key: str | None, details: Mapping[str, Any] | None) -> int:
        self.events.append(Event(type_, len(self.events) + 1, previous, dict(details or {})))
        return len(self.events)

    def keep(self) -> None:
        """All is kept already."""


Answer = TaskSucceeded | TaskFailed


@dataclass
class World:
    """Runs scopes. `answers` holds, for each resource or Map, the answers that its attempts get, in order."""

    answers: Mapping[str, list[Answer]] = field(default_factory=dict)
    seed: int = 7
    now: float = START
    history: ListedHistory = field(default_factory=ListedHistory)
    effects: list[Effect] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Why tasks of a resource cannot be scheduled."""

    def __post_init__(self) -> None:
        self.left = {name: list(answers) for name, answers in self.answers.items()}
        self.frame = Frame(history=self.history, clock=lambda: self.now, execution=EXECUTION, random=Random(self.seed))

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.history.events]

    def details(self, type_: str) -> Mapping[str, Any]:
        """The details of the last event of a type."""
        return [event for event in self.history.events if event.type == type_][-1].details

    def run(self, scope: Scope, data: Json, frame: Frame | None = None) -> EndScope | FailScope:
        frame = frame or self.frame
        name = scope.start_at
        while True:
            visit = scope.states[name].run(data, frame)
            answer: Any = None
            try:
                while True:
                    answer = self.perform(visit.send(answer), frame)
            except StopIteration as stop:
                step = stop.value
            if isinstance(step, EndScope | FailScope):
                return step
            name, data = step.name, step.data

    def perform(self, effect: Effect, frame: Frame) -> Any:
        self.effects.append(effect)
        match effect:
            case Sleep(until):
                self.sleeps.append(round(until - self.now, 6))
                self.now = until
                return None
            case CheckTask():
                return self.refusals.get(effect.resource.arn)
            case RunTask():
                return self.left[effect.resource.arn].pop(0)
            case RunMap():
                return self.left[effect.state_name].pop(0)
            case RunBranches():
                return self.gather([(scope, lambda: effect.data) for scope in effect.branches], frame)
            case RunIterations():
                inputs = [lambda index=index: effect.select(index) for index in range(effect.count)]
                return self.gather([(effect.processor, get) for get in inputs], frame)

    def gather(self, runs: list[tuple[Scope, Callable[[], Json]]], frame: Frame) -> list[Json] | TaskFailed:
        started = frame.previous
        outputs = []
        for scope, get_input in runs:
            inner = frame.fork(previous=started)
            try:
                end = self.run(scope, get_input(), inner)
            except StateError as error:
                return TaskFailed(error.error, error.cause, catchable=error.catchable)
            frame.previous = inner.previous
            if isinstance(end, FailScope):
                return TaskFailed(end.error, end.cause, catchable=end.catchable)
            outputs.append(end.data)
        return outputs


RunMachine = Callable[..., tuple[EndScope | FailScope, World]]


@pytest.fixture
def run_machine() -> RunMachine:
    """Compile a definition, run it in a fresh world, and give its end and that world."""

    def run(definition: Mapping[str, Json], data: Json = None, **options: Any) -> tuple[EndScope | FailScope, World]:
        world = World(**options)
        return world.run(compile_machine(definition).scope, {} if data is None else data), world

    return run


def one_state(state: Mapping[str, Json], **more: Json) -> dict[str, Json]:
    """A machine of the state S, which ends it unless it says otherwise."""
    ends = not ({"Next", "End", "Choices"} & state.keys()) and state["Type"] not in ("Succeed", "Fail")
    return {"StartAt": "S", **more, "States": {"S": {**state, **({"End": True} if ends else {})}}}


def cases(name: str) -> list[Any]:
    """The cases of a JSON file: each a list of parameters, the first of which names it."""
    path = Path(__file__).parent / "cases" / name
    return [pytest.param(*case[1:], id=case[0]) for case in json.loads(path.read_text())]
