"""One event source mapping at work (rules: `mapfold/local/lambda_/event_sources/poller.py`), on a queue in a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import EndpointConnectionError

from mapfold.local.lambda_.errors import function_not_found
from mapfold.local.lambda_.event_sources.event import Message
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.event_sources.poller import BATCHES_AT_ONCE, Poller
from mapfold.local.lambda_.invocations import Invocation

MAPPING = EventSourceMapping("u", "arn:aws:sqs:us-east-1:123456789012:q", "f", 0.0, batch_size=1)


@dataclass
class FakeQueue:
    """Messages that are to be received, and those that were deleted; `away` so often, it does not answer."""

    waiting: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    asked: int = 0
    away: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, *bodies: str) -> None:
        self.waiting += bodies
        self.changed.set()

    async def receive(self, most: int, *, wait_seconds: int) -> list[Message]:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise EndpointConnectionError(endpoint_url="http://nowhere")
        if not self.waiting:
            self.changed.clear()
            await self.changed.wait()
        some, self.waiting = self.waiting[:most], self.waiting[most:]
        return [{"MessageId": b, "ReceiptHandle": b, "Body": b, "MD5OfBody": ""} for b in some]

    async def delete(self, messages: Sequence[Message]) -> None:
        self.deleted += [message["MessageId"] for message in messages]


@dataclass
class FakeFunctions:
    """Functions by name; each call is noted, and answered by `answer`."""

    there: set[str] = field(default_factory=lambda: {"f"})
    called: list[tuple[str, str]] = field(default_factory=list)
    missing_for: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def invoke(self, function: str, event: bytes) -> Invocation:
        if self.missing_for:
            self.missing_for -= 1
            raise function_not_found(function)
        self.called.append((function, json.loads(event)["Records"][0]["body"]))
        await self.gate.wait()
        return Invocation(b"null", None, "r", "$LATEST")


@asynccontextmanager
async def polling(
    queue: FakeQueue, functions: FakeFunctions, *, slept: list[float] | None = None, **settings: Any
) -> AsyncIterator[Poller]:
    """A poller at work, whose pauses take no time; they are noted in `slept`."""
    pauses = [] if slept is None else slept

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    poller = Poller(
        replace(MAPPING, **settings),
        queue,
        invoke=functions.invoke,
        function_exists=lambda name: name in functions.there,
        sleep=sleep,
    )
    task = asyncio.get_running_loop().create_task(poller.run())
    try:
        yield poller
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(true: Callable[[], object]) -> None:
    """Let the loop go on until something is so (pytest's timeout bounds the wait)."""
    while not true():  # noqa: ASYNC110  what it waits for are lists that grow
        await asyncio.sleep(0)


async def until_nothing_moves() -> None:
    """Let every task go on as far as it can: none of them waits for the clock."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_so_many_batches_are_worked_on_at_once_and_no_more() -> None:
    """More are not even received: what waits stays visible to other consumers, and counts no receive."""
    queue, functions = FakeQueue([str(n) for n in range(20)]), FakeFunctions()
    async with polling(queue, functions):
        await until(lambda: len(functions.called) == BATCHES_AT_ONCE)
        await until_nothing_moves()
        received_meanwhile = 20 - len(queue.waiting)
        functions.gate.set()
        await until(lambda: len(queue.deleted) == 20)

    assert received_meanwhile == BATCHES_AT_ONCE


async def test_nothing_is_received_for_a_function_that_is_not_there() -> None:
    """Until there is one: then its messages are given to it at once."""
    queue, functions = FakeQueue(["one"]), FakeFunctions(there=set())
    functions.gate.set()
    async with polling(queue, functions) as poller:
        await until_nothing_moves()
        asked_before = queue.asked
        functions.there.add("f")
        poller.look_again()
        await until(lambda: queue.deleted == ["one"])

    assert asked_before == 0


async def test_a_function_that_is_made_anew_meanwhile_is_invoked_then() -> None:
    """Who deletes a function may create it again: the batch that comes in between is not left to the queue."""
    queue, functions, slept = FakeQueue(["one"]), FakeFunctions(missing_for=2), list[float]()
    functions.gate.set()
    async with polling(queue, functions, slept=slept):
        await until(lambda: queue.deleted == ["one"])

    assert (functions.called, slept) == ([("f", "one")], [0.1, 0.4])


async def test_a_disabled_mapping_rests_and_an_enabled_one_goes_on() -> None:
    """What is under way when it is disabled ends as it would have."""
    queue, functions = FakeQueue(["one"]), FakeFunctions()
    async with polling(queue, functions) as poller:
        await until(lambda: functions.called)
        poller.change(replace(poller.mapping, enabled=False))
        queue.send("two")
        resting_while_at_work = poller.is_resting
        functions.gate.set()
        await until(lambda: poller.is_resting)
        seen = list(functions.called)
        queue.send("three")
        await until_nothing_moves()
        seen_later = list(functions.called)
        poller.change(replace(poller.mapping, enabled=True))
        await until(lambda: "three" in queue.deleted)

    assert not resting_while_at_work
    assert seen == seen_later


async def test_a_queue_that_is_away_is_asked_again_after_a_pause() -> None:
    """Longer each time, up to half a minute: one that is down is not asked a thousand times a second."""
    queue, functions, slept = FakeQueue(["one"], away=7), FakeFunctions(), list[float]()
    functions.gate.set()
    async with polling(queue, functions, slept=slept):
        await until(lambda: queue.deleted == ["one"])

    assert slept == [1, 2, 4, 8, 16, 30, 30]


async def test_one_that_is_retired_ends_when_its_batch_has() -> None:
    """Of a mapping that was deleted: no further message is received."""
    queue, functions = FakeQueue(["one"]), FakeFunctions()
    poller = Poller(MAPPING, queue, invoke=functions.invoke, function_exists=lambda name: True)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(poller.run())
        await until(lambda: functions.called)
        poller.retire()
        queue.send("two")
        functions.gate.set()
        await running

    assert queue.deleted[0] == "one"
