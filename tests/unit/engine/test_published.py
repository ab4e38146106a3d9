"""Executions of versions, of machines that were deleted, and of machines that log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from mapfold.local.engine import Engine
from mapfold.local.execution_logs import LogDelivery
from mapfold.local.lambda_ import LambdaService
from mapfold.local.store import MachineRow, Page, Store
from tests.unit.engine.fakes import Clock, FakeLambda
from tests.unit.engine.world import ROLE, World, distributed_map, parallel, pass_, scope, task
from tests.unit.map_run.fakes import FakeS3

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"
GROUP = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/jobs:*"}}


def machine(store: Store, states: Mapping[str, Any], *, type_: str = "STANDARD", **logging: Any) -> MachineRow:
    options = {"loggingConfiguration": {"destinations": [GROUP], **logging}} if logging else {}
    row = MachineRow(
        ARN, "jobs", type_, json.dumps(scope(states)), ROLE, 1.0, 1.0, store.next_revision(), options=options
    )
    store.put_machine(row)
    return row


async def test_the_first_event_tells_the_version_and_the_alias(world: World) -> None:
    """As ExecutionStartedEventDetails has them; an execution of the machine itself has neither."""
    row = replace(machine(world.store, {"P": pass_()}), version_arn=f"{ARN}:1", alias_arn=f"{ARN}:prod")

    ended = await world.end(await world.engine.start_execution(row, name="one", input_text="{}"))

    details = ended.details("ExecutionStarted")
    assert details["stateMachineVersionArn"] == f"{ARN}:1"
    assert details["stateMachineAliasArn"] == f"{ARN}:prod"
    assert (ended.row.version_arn, ended.row.alias_arn) == (f"{ARN}:1", f"{ARN}:prod")


class TestDeleted:
    @pytest.mark.parametrize("branches", [False, True])
    async def test_an_execution_ends_at_its_next_transition(self, world: World, branches: bool) -> None:
        """What runs then runs to its end; the next state is not entered, and the execution is ABORTED."""
        answer = asyncio.Event()

        async def slow(event: Any) -> str:
            await answer.wait()
            return "done"

        world.functions.handlers["slow"] = slow
        steps = {"Call": task("slow", Next="Never"), "Never": pass_()}
        states = {"Both": parallel(steps, {"Other": pass_()})} if branches else steps
        row = machine(world.store, states)
        started = await world.engine.start_execution(row, name="one", input_text="{}")
        await world.until(lambda: bool(world.functions.calls))

        world.engine.end_executions(ARN)
        still = world.engine.runs_machine(ARN)
        answer.set()
        ended = await world.end(started)

        assert still
        assert not world.engine.runs_machine(ARN)
        assert ended.failure == ("ABORTED", None, None)
        assert ended.types[-1] == "ExecutionAborted"
        assert "LambdaFunctionSucceeded" in ended.types
        assert ended.types.count("PassStateEntered") == int(branches)


class FakeLogs:
    """CloudWatch Logs that keeps the lines it was given."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def create_log_stream(self, *, logGroupName: str, logStreamName: str) -> None:
        pass

    def put_log_events(self, *, logGroupName: str, logStreamName: str, logEvents: Sequence[Mapping[str, Any]]) -> None:
        assert logGroupName == "/aws/jobs"
        self.lines += [json.loads(event["message"]) for event in logEvents]

    def describe_log_groups(self, *, logGroupNamePrefix: str) -> Any:
        raise AssertionError("the engine asks for no log groups")


class TestLogging:
    async def logged(self, store: Store, states: Mapping[str, Any], **how: Any) -> tuple[list[Any], list[Any]]:
        """(the lines, the history) of an execution."""
        logs, clock = FakeLogs(), Clock()
        row = machine(store, states, **how)
        async with LogDelivery(lambda: logs, clock=clock) as delivery:
            functions = cast(LambdaService, FakeLambda())
            parts = {"lambda_service": functions, "region": "us-east-1", "s3": FakeS3, "clock": clock}
            async with Engine(store=store, logs=delivery, **cast(Any, parts)) as engine:
                started = await engine.start_execution(row, name=how["level"], input_text='{"items":[1,2]}')
                async with asyncio.timeout(10):
                    while engine.live_execution(started.arn) is not None:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.001)
        return logs.lines, await store.events(started.id, Page(1000))

    async def test_a_standard_execution_logs_its_history(self, world: World) -> None:
        """Event by event."""
        lines, events = await self.logged(world.store, {"A": pass_(Next="B"), "B": pass_()}, level="ALL")

        assert [(line["id"], line["type"], line["previous_event_id"]) for line in lines] == [
            (str(event["id"]), event["type"], str(event["previousEventId"])) for event in events
        ]
        assert len(lines) == 6

    async def test_an_express_execution_logs_its_history_too(self, world: World) -> None:
        """With its data where that is asked for."""
        lines, _ = await self.logged(
            world.store, {"A": pass_()}, type_="EXPRESS", level="ALL", includeExecutionData=True
        )

        assert [line["type"] for line in lines] == [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]
        assert lines[0]["details"]["input"] == '{"items":[1,2]}'
        assert ":express:jobs:ALL:" in lines[0]["execution_arn"]

    async def test_a_level_leaves_the_rest_out(self, world: World) -> None:
        """ERROR has what went wrong; OFF has nothing."""
        states = {"F": {"Type": "Fail", "Error": "E"}}

        errors, _ = await self.logged(world.store, states, level="ERROR")
        nothing, _ = await self.logged(world.store, states, level="OFF")

        assert [line["type"] for line in errors] == ["FailStateEntered", "ExecutionFailed"]
        assert nothing == []

    async def test_children_log_where_their_machine_does(self, world: World) -> None:
        """Each under its own ARN."""
        states = {"M": distributed_map({"P": pass_()}, ItemsPath="$.items")}

        lines, _ = await self.logged(world.store, states, level="ALL")

        arns = {line["execution_arn"] for line in lines}
        assert len(arns) == 3
        assert sum(":execution:jobs/Each:" in arn for arn in arns) == 2
