"""Waiting on the event loop for work in a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any


async def settled(work: Future[Any]) -> None:
    """Return when `work` is done, however it ended; its outcome stays for the caller to take.

    Cancelling the waiting does not cancel the work.
    """
    if work.done():
        return
    waiting = asyncio.wrap_future(work)
    waiting.add_done_callback(_look_at_exception)
    await asyncio.wait([waiting])


def _look_at_exception(future: asyncio.Future[Any]) -> None:
    """The caller takes the exception from `work`; unseen here, asyncio would log it."""
    if not future.cancelled():
        future.exception()
