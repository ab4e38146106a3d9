"""One mapping at work: receive a batch, invoke the function with it, delete what succeeded.

What failed is left to the queue: it becomes visible again when its visibility timeout is over, and goes to the
dead-letter queue, if there is one, when it was received too often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.lambda_.errors import LambdaError
from mapfold.local.lambda_.event_sources.event import Message, events, succeeded
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.event_sources.queue import MOST_AT_ONCE
from mapfold.local.lambda_.invocations import Invocation

log = logging.getLogger(__name__)

BATCHES_AT_ONCE = 5
"""Of one mapping: what Lambda begins with for a standard queue."""

WAIT_SECONDS = 5
"""Of a long poll. One that is under way when its mapping is disabled still takes messages."""

_MOST_BATCH_BYTES = 6 * 1024 * 1024
_RETRY_SECONDS = (0.1, 0.4, 1.0, 3.0, 5.0)
"""Before each further try to invoke a function that is not there (somebody makes it anew) or throttled."""

_LONGEST_PAUSE_SECONDS = 30.0

Invoke = Callable[[str, bytes], Awaitable[Invocation]]


class Receives(Protocol):
    """What a poller takes of a queue."""

    async def receive(self, most: int, *, wait_seconds: int) -> list[Message]: ...
    async def delete(self, messages: Sequence[Message]) -> None: ...


class Poller:
    """The task of one mapping. `function_exists` tells whether a function, by name, can be invoked."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        queue: Receives,
        *,
        invoke: Invoke,
        function_exists: Callable[[str], bool],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.mapping = mapping
        self.is_resting = True
        """Whether no long poll is under way, and no batch is at work."""
        self._queue, self._invoke, self._function_exists = queue, invoke, function_exists
        self._sleep = sleep
        self._slots = asyncio.Semaphore(BATCHES_AT_ONCE)
        self._under_way = 0
        self._news = asyncio.Event()
        self._failures = 0
        self._retired = False

    def change(self, mapping: EventSourceMapping) -> None:
        """Go on as `mapping` says, from the next batch on."""
        self.mapping = mapping
        self.look_again()

    def look_again(self) -> None:
        """Something changed that may let it go on: a function came, say."""
        self._news.set()

    def retire(self) -> None:
        """End when what is under way has ended."""
        self._retired = True
        self.look_again()

    async def run(self) -> None:
        """Poll until `retire` is called."""
        async with asyncio.TaskGroup() as batches:
            while await self._may_poll():
                await self._slots.acquire()
                self._begin()
                messages = await self._receive()
                if messages:
                    batches.create_task(self._work(self.mapping, messages), name=f"batch-{self.mapping.uuid}")
                else:
                    self._end()

    async def _may_poll(self) -> bool:
        """Wait until there is something to poll for; False when that will not be."""
        while not self._retired:
            self._news.clear()
            if self.mapping.enabled and self._function_exists(self.mapping.function):
                return True
            await self._news.wait()
        return False

    def _begin(self) -> None:
        self._under_way += 1
        self.is_resting = False

    def _end(self) -> None:
        self._under_way -= 1
        self.is_resting = not self._under_way
        self._slots.release()

    async def _receive(self) -> list[Message]:
        """A batch as large, and gathered for as long, as the mapping says; none when SQS cannot be asked."""
        mapping = self.mapping
        try:
            batch = await self._queue.receive(min(mapping.batch_size, MOST_AT_ONCE), wait_seconds=WAIT_SECONDS)
            if batch and mapping.batching_window_seconds:
                await self._gather(batch, mapping)
        except Exception as error:  # noqa: BLE001  botocore's own, and what a strange endpoint makes of it
            await self._pause(error)
            return []
        self._failures = 0
        return batch

    async def _gather(self, batch: list[Message], mapping: EventSourceMapping) -> None:
        """Add to `batch` until it is full or its window is over. What was received is worked on whatever comes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + mapping.batching_window_seconds
        while (missing := mapping.batch_size - len(batch)) > 0 and (left := until - loop.time()) > 0:
            if sum(len(message["Body"]) for message in batch) > _MOST_BATCH_BYTES:
                return
            wait = min(WAIT_SECONDS, int(left))
            try:
                more = await self._queue.receive(min(missing, MOST_AT_ONCE), wait_seconds=wait)
            except (BotoCoreError, ClientError):
                return
            batch += more
            if not more and not wait:
                await self._sleep(max(0.0, until - loop.time()))  # less than a second: SQS waits for whole ones

    async def _pause(self, error: Exception) -> None:
        """Wait the longer the more often SQS could not be asked; the first time is in the log."""
        if not self._failures:
            log.warning(
                "event source mapping %s: %s cannot be asked for messages, it is tried again: %s",
                self.mapping.uuid,
                self.mapping.queue_arn,
                error,
            )
        pause = min(2.0**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures += 1
        await self._sleep(pause)

    async def _work(self, mapping: EventSourceMapping, messages: Sequence[Message]) -> None:
        try:
            for batch, event in events(messages, mapping):
                done = await self._succeeded(mapping, batch, event)
                if done:
                    await self._queue.delete(done)
        except (BotoCoreError, ClientError) as error:
            log.warning(
                "event source mapping %s: what succeeded could not be deleted from %s, it will be received again: %s",
                mapping.uuid,
                mapping.queue_arn,
                error,
            )
        except Exception:  # a fault of this batch must not end the poller; its messages are received again
            log.exception("event source mapping %s: a batch could not be worked on", mapping.uuid)
        finally:
            self._end()

    async def _succeeded(self, mapping: EventSourceMapping, batch: Sequence[Message], event: bytes) -> list[Message]:
        try:
            outcome = await self._invoked(mapping.function, event)
        except LambdaError as error:
            log.warning("event source mapping %s: %d message(s) are left: %s", mapping.uuid, len(batch), error)
            return []
        if outcome.function_error:
            log.warning(
                "event source mapping %s: %s failed on %d message(s), request %s: %s",
                mapping.uuid,
                mapping.function,
                len(batch),
                outcome.request_id,
                outcome.payload[:500].decode(errors="replace"),
            )
            return []
        return succeeded(batch, outcome.payload, reports_failures=mapping.reports_failures)

    async def _invoked(self, function: str, event: bytes) -> Invocation:
        for seconds in _RETRY_SECONDS:
            try:
                return await self._invoke(function, event)
            except LambdaError as error:
                if error.status not in (404, 429):
                    raise
                await self._sleep(seconds)
        return await self._invoke(function, event)
