"""Takes log lines to CloudWatch Logs, in batches, from a bounded queue that the engine never waits for.

As on AWS this is best effort: where CloudWatch Logs cannot be reached, or falls far behind, lines are lost. One warning
says so, and another one only after lines have gone through again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import uuid4

from mapfold.local.execution_logs.entries import Destination, Event, Tell, line_of, milliseconds

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.25
"""How long the first line of a batch waits for others."""
QUEUE_BYTES = 32_000_000
QUEUE_LINES = 100_000
"""What may wait to be delivered; lines beyond that are lost."""
BATCH_BYTES, BATCH_LINES, LINE_OVERHEAD = 1_048_576, 10_000, 26
"""What one call of PutLogEvents takes (CloudWatch Logs quotas)."""
LAST_SECONDS = 5.0
"""How long the lines that are left at the end may take."""

Line = tuple[Destination, int, str]
"""(where to, epoch milliseconds, text)"""


class LogsClient(Protocol):
    """What is used of boto3's client of CloudWatch Logs."""

    def create_log_stream(self, *, logGroupName: str, logStreamName: str) -> Any: ...

    def put_log_events(
        self,
        *,
        logGroupName: str,
        logStreamName: str,
        logEvents: Sequence[Mapping[str, Any]],
    ) -> Any: ...

    def describe_log_groups(self, *, logGroupNamePrefix: str) -> Any: ...


class LogDelivery:
    """The queue and who empties it. Use it as an async context manager; `teller` may be called inside only.

    `client` makes the client at its first call, on a thread; `clock` gives epoch seconds.
    """

    def __init__(
        self, client: Callable[[], LogsClient], *, clock: Callable[[], float], most_lines: int = QUEUE_LINES
    ) -> None:
        self._client = client
        self._clock = clock
        self._most_lines = most_lines
        self._queue: deque[Line] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._streams: dict[tuple[str, str], str] = {}
        self._failing = False
        self._tasks = asyncio.TaskGroup()
        self._deliverer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._deliverer = self._tasks.create_task(self._deliver_for_ever(), name="execution-logs")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._deliverer is not None
        self._deliverer.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        try:
            async with asyncio.timeout(LAST_SECONDS):
                while self._queue:
                    await self._deliver()
        except TimeoutError:
            log.warning("%d line(s) of executions' logs were not delivered", len(self._queue))

    def teller(self, destination: Destination, execution_arn: str, redrive_count: Callable[[], int]) -> Tell:
        """What hears of an execution's events and puts those that its machine logs into the queue."""
        takes, with_data = destination.takes, destination.with_data

        def tell(event: Event) -> None:
            if takes(event["type"]):
                text = line_of(event, execution_arn=execution_arn, redrive_count=redrive_count(), with_data=with_data)
                self._put((destination, milliseconds(event), text))

        return tell

    async def has_group(self, name: str) -> bool:
        """Whether there is a log group of this name; also where CloudWatch Logs does not answer."""
        try:
            return await asyncio.to_thread(self._has_group, name)
        except Exception as error:  # noqa: BLE001 - whoever asked is not to blame for it
            self._fail(error)
            return True

    def _has_group(self, name: str) -> bool:
        found = self._client().describe_log_groups(logGroupNamePrefix=name)
        return any(group["logGroupName"] == name for group in found["logGroups"])

    def _put(self, line: Line) -> None:
        if self._bytes >= QUEUE_BYTES or len(self._queue) >= self._most_lines:
            self._fail("too many lines wait for CloudWatch Logs")
            return
        self._queue.append(line)
        self._bytes += len(line[2])
        self._something.set()

    async def _deliver_for_ever(self) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(LINGER_SECONDS)
            self._something.clear()
            while self._queue:
                await self._deliver()

    async def _deliver(self) -> None:
        """Take up to one batch from the queue to its log streams. A batch that cannot be delivered is lost."""
        batch: list[Line] = []
        size = 0
        while self._queue and len(batch) < BATCH_LINES:
            size += 4 * len(self._queue[0][2]) + LINE_OVERHEAD  # a character has four bytes at the most
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._queue.popleft())
            self._bytes -= len(batch[-1][2])
        try:
            await asyncio.to_thread(self._send, batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, executions are not hurt by it
            self._fail(error)
        else:
            self._failing = False

    def _send(self, batch: Iterable[Line]) -> None:
        by_stream: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for destination, timestamp, text in batch:
            events = by_stream.setdefault((destination.log_group, destination.machine), [])
            events.append({"timestamp": timestamp, "message": text})
        client = self._client()
        failure: Exception | None = None
        for (group, machine), events in by_stream.items():
            events.sort(key=lambda event: int(event["timestamp"]))  # PutLogEvents demands it; the sort is stable
            try:
                stream = self._stream(client, group, machine)
                client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
            except Exception as error:  # noqa: BLE001 - the other streams get theirs
                self._streams.pop((group, machine), None)  # it may have been deleted: the next batch makes one
                failure = error
        if failure is not None:
            raise failure

    def _stream(self, client: LogsClient, group: str, machine: str) -> str:
        """The name of a machine's log stream, which is made before its first line."""
        name = self._streams.get((group, machine))
        if name is None:
            name = stream_name(machine, self._clock(), uuid4().hex)
            client.create_log_stream(logGroupName=group, logStreamName=name)
            self._streams[group, machine] = name
        return name

    def _fail(self, reason: object) -> None:
        if not self._failing:
            self._failing = True
            log.warning("executions' log lines are lost: %s", reason)


def stream_name(machine: str, now: float, unique: str) -> str:
    """A log stream's name as AWS forms it: `states/<machine>/<date and minute>/<8 characters>`."""
    return f"states/{machine}/{datetime.fromtimestamp(now, UTC):%Y-%m-%d-%H-%M}/{unique[:8]}"
