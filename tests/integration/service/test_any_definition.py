"""Whatever somebody calls a state machine, it is refused properly, or runs to a proper end with a proper history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapfold.local.map_run import identity
from mapfold.local.sdk.models import knows_action
from mapfold.local.service import Service, create_app
from mapfold.local.store import open_store
from mapfold.states import Json, compile_machine
from tests.integration.service.any_machines import machines
from tests.integration.service.conftest import ROLE, FakeEngine
from tests.integration.service.inside import Inside, Refused
from tests.integration.wire_model import misfits
from tests.unit.engine.fakes import FunctionError
from tests.unit.engine.world import World, opened

INPUTS = st.sampled_from([{}, {"a": 1, "b": [1, 2]}, {"a": "x", "b": {"k": None}}, [3, 4], None, "text"])
ENDS = {
    "SUCCEEDED": "ExecutionSucceeded",
    "FAILED": "ExecutionFailed",
    "TIMED_OUT": "ExecutionTimedOut",
    "ABORTED": "ExecutionAborted",
}
LEAVES = (
    "MapIterationSucceeded",
    "MapIterationFailed",
    "MapIterationAborted",
    "MapStateSucceeded",
    "ParallelStateSucceeded",
)
"""What no event follows: the next one points to what came before them."""
LOOKS = 30
"""How often an execution is looked at, a millisecond apart, before it is stopped: some loop, or wait for nobody."""
TEST_ERRORS = ("InvalidDefinition", "ValidationException", "InvalidExecutionInput")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    some=st.lists(
        st.tuples(machines(), INPUTS, st.sampled_from(["STANDARD", "STANDARD", "EXPRESS"])), min_size=1, max_size=4
    )
)
def test_any_definition_is_refused_or_runs_to_an_end(some: list[tuple[dict[str, Json], Json, str]]) -> None:
    """
    Validation and creation say the same. An execution ends in any case, if need be by StopExecution; its history begins
    with ExecutionStarted, ends with what its status says, and each event follows one that came before.
    """

    async def check(folder: str) -> None:
        async with _open(Path(folder)) as (world, inside):
            for number, (definition, data, type_) in enumerate(some):
                text = json.dumps(definition)
                await _check_tested(inside, definition, data)
                arn = await _created(inside, text, type_, f"m{number}")
                if arn is not None:
                    await (_check_sync if type_ == "EXPRESS" else _check_run)(world, inside, arn, json.dumps(data))

    with TemporaryDirectory() as folder:
        asyncio.run(check(folder))


@asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[tuple[World, Inside]]:
    """The service with the real engine behind it, and functions `work` and `fail`."""
    async with open_store(folder) as store, opened(store) as world:
        world.functions.handlers |= {"work": lambda event: event, "fail": _fail}
        service = Service(
            store=store,
            engine=world.engine,
            children=identity,
            check_definition=lambda text, express: _compile(text, express=express),
            clock=world.clock,
            region="us-east-1",
        )
        yield world, Inside(service, cast(FakeEngine, world.engine), create_app(service, health=dict))


def _compile(text: str, *, express: bool) -> None:
    compile_machine(text, express=express, knows_action=knows_action)


def _fail(event: Json) -> Json:
    raise FunctionError("Broken")


async def _created(inside: Inside, text: str, type_: str, name: str) -> str | None:
    """The machine's ARN, or None where it was refused: with all that validation says, in its order."""
    told = await inside.call("ValidateStateMachineDefinition", definition=text, type=type_, severity="WARNING")
    assert misfits("ValidateStateMachineDefinition", told) == []
    errors = [one for one in told["diagnostics"] if one["severity"] == "ERROR"]
    assert told["result"] == ("FAIL" if errors else "OK")
    members = {"name": name, "definition": text, "roleArn": ROLE, "type": type_}
    if not errors:
        return str((await inside.call("CreateStateMachine", **members))["stateMachineArn"])
    said = ", ".join(f"{one['code']}: {one['message']} at {one.get('location', 'null')}" for one in errors)
    refused = await inside.error("CreateStateMachine", **members)
    assert refused == ("InvalidDefinition", f"Invalid State Machine Definition: '{said}'")
    return None


async def _check_run(world: World, inside: Inside, machine: str, data: str) -> None:
    arn = (await inside.call("StartExecution", stateMachineArn=machine, input=data))["executionArn"]
    for _ in range(LOOKS):
        if world.engine.live_execution(arn) is None:
            break
        await asyncio.sleep(0.001)
    await inside.call("StopExecution", executionArn=arn)
    await world.until(lambda: world.engine.live_execution(arn) is None)
    ended = await inside.call("DescribeExecution", executionArn=arn)
    assert misfits("DescribeExecution", ended) == []
    assert "The embedded AWS has a fault" not in ended.get("cause", "")
    assert ("output" in ended) == (ended["status"] == "SUCCEEDED")
    events = await _history(inside, arn)
    assert events[0]["type"] == "ExecutionStarted"
    assert [event["type"] for event in events if event["type"] in ENDS.values()] == [ENDS[ended["status"]]]
    assert events[-1]["type"] == ENDS[ended["status"]]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    for event in events:
        previous = event["previousEventId"]
        assert 0 <= previous < event["id"]
        if previous == 0:  # the start, and what happens until the first state has been entered
            assert event["id"] <= 2 or event["type"] in ("EvaluationFailed", *ENDS.values()), event
        else:
            assert events[previous - 1]["type"] not in LEAVES, event
        assert sum(name.endswith("EventDetails") for name in event) <= 1


async def _history(inside: Inside, arn: str) -> list[dict[str, Any]]:
    """All events, page by page."""
    page = await inside.call("GetExecutionHistory", executionArn=arn, maxResults=1000)
    events: list[dict[str, Any]] = page["events"]
    assert misfits("GetExecutionHistory", page) == []
    while "nextToken" in page:
        page = await inside.call("GetExecutionHistory", executionArn=arn, maxResults=1000, nextToken=page["nextToken"])
        events += page["events"]
    return events


async def _check_sync(world: World, inside: Inside, machine: str, data: str) -> None:
    """A loop would take the five minutes that an EXPRESS execution has; it is left to itself."""
    with suppress(TimeoutError):
        ended = await asyncio.wait_for(inside.call("StartSyncExecution", stateMachineArn=machine, input=data), 0.1)
        assert misfits("StartSyncExecution", ended) == []
        assert "The embedded AWS has a fault" not in ended.get("cause", "")
        assert ("output" in ended) == (ended["status"] == "SUCCEEDED")


async def _check_tested(inside: Inside, definition: dict[str, Json], data: Json) -> None:
    """One state of the machine by itself, with a mock or without: an answer of the model, or an error of TestState's."""
    states = definition.get("States")
    for name in list(states)[:1] if isinstance(states, dict) else ():
        members: dict[str, Any] = {"definition": json.dumps(definition), "stateName": name or "x", "roleArn": ROLE}
        members["input"] = json.dumps(data)
        for more in (
            {"inspectionLevel": "DEBUG"},
            {"inspectionLevel": "TRACE", "mock": {"result": "[1]", "fieldValidationMode": "NONE"}},
            {"inspectionLevel": "DEBUG", "mock": {"errorOutput": {"error": "Broken", "cause": "c"}}},
        ):
            try:
                told = await inside.call("TestState", **members, **more)
            except Refused as refused:
                if refused.error[0] not in TEST_ERRORS:
                    raise
            else:
                assert misfits("TestState", told) == []
                assert ("output" in told) == (told["status"] in ("SUCCEEDED", "CAUGHT_ERROR"))
