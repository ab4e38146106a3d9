"""Calls of services: how many run at once."""

from __future__ import annotations

import asyncio
import threading

from mapfold.local.engine.integrations.calls import AT_ONCE, Caller
from tests.unit.integrations.fakes import FakeClients


async def test_calls_that_nobody_waits_for_take_their_turn_too(clients: FakeClients) -> None:
    """However many jobs are called off at once, there are never more threads than a service may have calls."""
    many, lock, go = 3 * AT_ONCE, threading.Lock(), threading.Event()
    running = most = ended = 0

    def stop(**_: object) -> dict[str, str]:
        nonlocal running, most, ended
        with lock:
            running += 1
            most = max(most, running)
        go.wait(5)
        with lock:
            running -= 1
            ended += 1
        return {}

    clients.answer("batch", "TerminateJob", stop)
    caller = Caller(clients)

    for number in range(many):
        caller.send("batch", "TerminateJob", {"jobId": str(number)})
    async with asyncio.timeout(5):
        while running < AT_ONCE:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.001)
        go.set()
        while ended < many:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    assert most == AT_ONCE
    assert len(clients.sent("TerminateJob")) == many
