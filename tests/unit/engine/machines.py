"""Small machines of all kinds, drawn at random, whose outcome does not depend on what runs first.

Every state takes and gives an object with a number `n`; every failure is the same; what a task does follows from its
event alone, which has the retry's number in it. So an execution that was cut off anywhere must come to the same end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.unit.engine.fakes import FunctionError
from tests.unit.engine.world import function, scope

INPUT = {"n": 1, "items": [{"n": 10}, {"n": 21}, {"n": 32}]}

States = dict[str, Any]


def machines(*, catch: bool = True) -> st.SearchStrategy[States]:
    """Machines of one to three steps, which may have machines inside. `catch` False: no state catches anything."""
    return _scopes(catch=catch, depth=2).map(lambda build: build(_Names()))


def task_names(states: Mapping[str, Any]) -> list[str]:
    """The names of all Task states."""
    found: list[str] = []
    for name, state in states.items():
        inner = [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]
        found += [name] if state["Type"] == "Task" else [task for one in inner for task in task_names(one["States"])]
    return found


class Function:
    """What all tasks call: adds one, or fails as often as the event says, or always if the task is `broken`."""

    def __init__(self) -> None:
        self.broken: frozenset[str] = frozenset()

    def __call__(self, event: Any) -> Any:
        if event["retry"] < event["fails"] or event["task"] in self.broken:
            raise FunctionError("Broken")
        return {"n": event["n"] + 1}


class _Names:
    def __init__(self) -> None:
        self.last = 0

    def __call__(self, kind: str) -> str:
        self.last += 1
        return f"{kind}{self.last}"


def _scopes(*, catch: bool, depth: int) -> st.SearchStrategy[Any]:
    steps = [_passes, _waits, _choices, _tasks(catch=catch)]
    if depth:
        inner = _scopes(catch=catch, depth=depth - 1)
        steps += [_parallels(inner, catch=catch), _maps(inner, catch=catch)]
    return st.lists(st.one_of(steps), min_size=1, max_size=3).map(_sequence)


def _sequence(steps: list[Any]) -> Any:
    def build(names: _Names) -> States:
        order = [names("S") for _ in steps] + [names("End")]
        states: States = {}
        for step, name, next_ in zip(steps, order, order[1:], strict=False):
            states[name] = step(name, next_, order[-1], names)
        states[order[-1]] = {"Type": "Pass", "End": True}
        return states

    return build


def _pass(name: str, next_: str, end: str, names: _Names) -> Any:
    plus = {"n.$": "States.MathAdd($.n, 1)"}
    return {"Type": "Pass", "Parameters": plus, "Assign": {f"v{name}.$": "$.n"}, "Next": next_}


def _read(name: str, next_: str, end: str, names: _Names) -> Any:
    del name, end, names
    return {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, $$.Execution.Input.n)"}, "Next": next_}


def _wait(name: str, next_: str, end: str, names: _Names) -> Any:
    return {"Type": "Wait", "Seconds": 15, "Next": next_}


def _choice(name: str, next_: str, end: str, names: _Names) -> Any:
    return {
        "Type": "Choice",
        "Choices": [{"Variable": "$.n", "NumericGreaterThan": 20, "Next": end}],
        "Default": next_,
    }


_passes = st.sampled_from([_pass, _read])
_waits = st.just(_wait)
_choices = st.just(_choice)


def _recovery(catch: bool) -> st.SearchStrategy[Any]:
    retriers = st.integers(0, 2).map(
        lambda n: {"Retry": [{"ErrorEquals": ["Broken"], "IntervalSeconds": 2, "MaxAttempts": n}]}
    )
    return st.tuples(retriers, st.booleans() if catch else st.just(False))


def _with_recovery(state: Any, recovery: Any, next_: str) -> Any:
    retry, catches = recovery
    catch = {"Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": next_}]} if catches else {}
    return {**state, **retry, **catch, "Next": next_}


def _tasks(*, catch: bool) -> st.SearchStrategy[Any]:
    def of(fails: int, recovery: Any) -> Any:
        def step(name: str, next_: str, end: str, names: _Names) -> Any:
            event = {"task": name, "fails": fails, "retry.$": "$$.State.RetryCount", "n.$": "$.n"}
            return _with_recovery({"Type": "Task", "Resource": function("any"), "Parameters": event}, recovery, next_)

        return step

    fails = st.sampled_from([0, 0, 0, 1, 2] if catch else [0, 0, 1])
    return st.builds(of, fails, _recovery(catch))


def _parallels(inner: Any, *, catch: bool) -> st.SearchStrategy[Any]:
    def of(branches: list[Any], recovery: Any) -> Any:
        def step(name: str, next_: str, end: str, names: _Names) -> Any:
            built = [scope(branch(names)) for branch in branches]
            state = {"Type": "Parallel", "Branches": built, "ResultSelector": {"n.$": "$[0].n"}}
            return _with_recovery(state, recovery, next_)

        return step

    return st.builds(of, st.lists(inner, min_size=1, max_size=3), _recovery(catch))


def _maps(inner: Any, *, catch: bool) -> st.SearchStrategy[Any]:
    def of(processor: Any, at_once: int, recovery: Any) -> Any:
        def step(name: str, next_: str, end: str, names: _Names) -> Any:
            state = {
                "Type": "Map",
                "ItemsPath": "$$.Execution.Input.items",
                "MaxConcurrency": at_once,
                "ItemProcessor": scope(processor(names)),
                "ResultSelector": {"n.$": "$[2].n"},
            }
            return _with_recovery(state, recovery, next_)

        return step

    return st.builds(of, inner, st.integers(0, 2), _recovery(catch))
