"""Whatever an execution is started with, it ends as an execution does, and no fault of ours shows in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.local.store import open_store
from tests.unit.engine.world import opened, pass_, task

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abAB$. '"), inner, max_size=4),
    max_leaves=12,
)
JSONATA = {"QueryLanguage": "JSONata"}
MACHINES: tuple[dict[str, Any], ...] = (
    {"P": pass_(InputPath="$.a", Parameters={"x.$": "$.b", "f.$": "States.Format('{}', $)"}, ResultPath="$.c")},
    {"P": pass_(Parameters={"all.$": "$..a", "some.$": "$[?(@.a > 1)]", "n.$": "States.ArrayLength($)"})},
    {"C": {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericGreaterThan": 1, "Next": "P"}], "Default": "P"},
     "P": pass_(ResultPath="$.a.b", Result=1)},
    {"T": task("work", Parameters={"FunctionName": "f", "Payload.$": "$"}, ResultSelector={"r.$": "$.a"})},
    {"M": {"Type": "Map", "ItemProcessor": {"StartAt": "I", "States": {"I": pass_()}}, "End": True}},
    {"J": pass_(**JSONATA, Output="{% $states.input.a + 1 %}", Assign={"v": "{% $string($states.input) %}"})},
    {"J": pass_(**JSONATA, Output={"sorted": "{% $sort($states.input) %}", "keys": "{% $keys($states.input) %}"})},
    {"W": {"Type": "Wait", "SecondsPath": "$.a", "Next": "F"}, "F": {"Type": "Fail", "ErrorPath": "$.a", "CausePath": "$.b"}},
)  # fmt: skip


@pytest.mark.parametrize("states", MACHINES, ids=lambda states: "".join(states))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=st.lists(VALUES, min_size=4, max_size=4), depth=st.sampled_from([0, 300, 1000]))
def test_whatever_comes_in_it_ends(states: dict[str, Any], inputs: list[Any], depth: int) -> None:
    """SUCCEEDED or FAILED, with an error that has a name; deep data and large numbers too."""

    async def check(folder: str) -> None:
        async with open_store(Path(folder)) as store, opened(store) as world:
            world.functions.handlers["work"] = lambda event: event
            for value in [*inputs, nested(inputs, depth)]:
                ended = await asyncio.wait_for(world.run(states, bounded(value)), 20)
                assert ended.row.status in ("SUCCEEDED", "FAILED")
                assert "The embedded AWS has a fault" not in (ended.row.cause or "")
                assert (
                    ended.types[-1]
                    == {"SUCCEEDED": "ExecutionSucceeded", "FAILED": "ExecutionFailed"}[ended.row.status]
                )

    with TemporaryDirectory() as folder:
        asyncio.run(check(folder))


def nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def bounded(value: Any) -> Any:
    """Waits of the input's are a second at most: `a` at the top is no number above 1."""
    return {**value, "a": 1} if isinstance(value, dict) and isinstance(value.get("a"), int | float) else value
