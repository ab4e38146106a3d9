"""`EventSourceMappings`: all mappings of the embedded Lambda, kept in its store, each with a poller."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from mapfold.local.lambda_.errors import LambdaError, invalid_parameter
from mapfold.local.lambda_.event_sources.mapping import EventSourceMapping
from mapfold.local.lambda_.event_sources.poller import Poller
from mapfold.local.lambda_.event_sources.queue import Queue
from mapfold.local.lambda_.event_sources.requests import Settings, queue_arn
from mapfold.local.lambda_.functions import Function, Scope
from mapfold.local.lambda_.invocations import Invocation

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Functions(Protocol):
    """What mappings take of `LambdaService`."""

    def function(self, reference: str, qualifier: str | None = None) -> tuple[Function, str | None]: ...
    async def invoke(self, function: str, payload: bytes, *, is_json: bool = False) -> Invocation: ...


class KeepsMappings(Protocol):
    """What mappings take of the store."""

    async def mappings(self) -> list[EventSourceMapping]: ...
    async def put_mapping(self, mapping: EventSourceMapping) -> None: ...
    async def delete_mapping(self, uuid: str) -> None: ...


class EventSourceMappings:
    """`async with` it: entering reads them back, leaving ends the pollers at once. `start` lets them poll.

    `sqs` gives the client, called in threads; without one, mappings are refused.
    """

    def __init__(
        self, *, scope: Scope, store: KeepsMappings, functions: Functions, sqs: Callable[[], SQSClient] | None
    ) -> None:
        self.scope = scope
        self._store, self._functions, self._sqs = store, functions, sqs
        self._mappings: dict[str, EventSourceMapping] = {}
        self._pollers: dict[str, Poller] = {}
        self._changes = asyncio.Lock()
        self._polling = False

    async def __aenter__(self) -> Self:
        self._mappings = {mapping.uuid: mapping for mapping in await self._store.mappings()}
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            self._running: set[asyncio.Task[None]] = set()
            stack.callback(self._cancel_all)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def start(self) -> None:
        """Poll, from now on."""
        self._polling = True
        for mapping in self._mappings.values():
            self._poll(mapping)

    def functions_changed(self) -> None:
        """A function came, changed or went."""
        for poller in self._pollers.values():
            poller.look_again()

    def all(self, *, queue: str | None = None, function: str | None = None) -> list[EventSourceMapping]:
        """The mappings by UUID; only those of a queue's ARN, or of a function's name or ARN."""
        name = _qualified(*self.scope.resolve(function)) if function else None
        return [
            self._mappings[uuid]
            for uuid in sorted(self._mappings)
            if queue in (None, self._mappings[uuid].queue_arn) and name in (None, self._mappings[uuid].function)
        ]

    def get(self, uuid: str) -> EventSourceMapping:
        """One mapping. ResourceNotFoundException if there is none."""
        try:
            return self._mappings[uuid]
        except KeyError:
            message = "The resource you requested does not exist."
            raise LambdaError("ResourceNotFoundException", message, 404) from None

    def state(self, mapping: EventSourceMapping) -> str:
        """Enabled, Disabled, or Disabling while a long poll or a batch is still under way."""
        if mapping.enabled:
            return "Enabled"
        poller = self._pollers.get(mapping.uuid)
        return "Disabled" if poller is None or poller.is_resting else "Disabling"

    async def create(self, document: Mapping[str, Any]) -> EventSourceMapping:
        """Make a mapping. ResourceConflictException if there is one of this queue and function."""
        settings, arn = Settings.of(document), queue_arn(document, self.scope)
        if settings.function is None:
            raise invalid_parameter("FunctionName is mandatory.")
        try:
            function, qualifier = self._functions.function(settings.function)
        except LambdaError as error:
            if error.code != "ResourceNotFoundException":
                raise
            raise invalid_parameter("Function does not exist") from error
        name = _qualified(function.name, qualifier)
        new = EventSourceMapping(str(uuid.uuid4()), arn, name, 0.0)
        mapping = settings.applied_to(new, function=name, now=time.time())
        await self._check_queue(mapping, function)
        async with self._changes:
            for other in self.all(queue=arn, function=name):
                message = (
                    f'An event source mapping with SQS arn (" {arn} ") and function (" {name} ") already '
                    f"exists. Please update or delete the existing mapping with UUID {other.uuid}"
                )
                raise LambdaError("ResourceConflictException", message, 409)
            await self._put(mapping)
        return mapping

    async def update(self, uuid: str, document: Mapping[str, Any]) -> EventSourceMapping:
        """Change what `document` gives; the rest stays."""
        settings = Settings.of(document)
        function, qualifier = self._functions.function(settings.function) if settings.function else (None, None)
        name = _qualified(function.name, qualifier) if function else None
        async with self._changes:
            mapping = settings.applied_to(self.get(uuid), function=name, now=time.time())
            if mapping.enabled:  # one that is disabled may be changed though its queue, or its function, is gone
                await self._check_queue(mapping, function or self._find(mapping.function))
            await self._put(mapping)
        return mapping

    async def delete(self, uuid: str) -> EventSourceMapping:
        """Forget a mapping. What its poller has under way is let finish."""
        async with self._changes:
            mapping = self.get(uuid)
            await self._store.delete_mapping(uuid)
            del self._mappings[uuid]
            if poller := self._pollers.pop(uuid, None):
                poller.retire()
        return mapping

    async def _put(self, mapping: EventSourceMapping) -> None:
        await self._store.put_mapping(mapping)
        self._mappings[mapping.uuid] = mapping
        if poller := self._pollers.get(mapping.uuid):
            poller.change(mapping)
        elif self._polling:
            self._poll(mapping)

    def _poll(self, mapping: EventSourceMapping) -> None:
        if self._sqs is None:
            return
        poller = Poller(mapping, self._queue(mapping), invoke=self._invoke, function_exists=self._exists)
        self._pollers[mapping.uuid] = poller
        task = self._tasks.create_task(poller.run(), name=f"poller-{mapping.uuid}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _cancel_all(self) -> None:
        for task in self._running:
            task.cancel()

    async def _invoke(self, function: str, event: bytes) -> Invocation:
        return await self._functions.invoke(function, event, is_json=True)

    def _exists(self, function: str) -> bool:
        return self._find(function) is not None

    def _find(self, name: str) -> Function | None:
        try:
            return self._functions.function(name)[0]
        except LambdaError:
            return None

    def _queue(self, mapping: EventSourceMapping) -> Queue:
        if self._sqs is None:
            raise invalid_parameter("No SQS is connected to this Lambda.")
        return Queue(mapping, self._sqs, account=self.scope.account)

    async def _check_queue(self, mapping: EventSourceMapping, function: Function | None) -> None:
        """The queue is there, and does not show a message again while it waits for its batch or is worked on.

        A function that is not there now has no timeout.
        """
        try:
            visible_after = await self._queue(mapping).visibility_seconds()
        except ClientError as error:
            facts = error.response.get("Error", {})
            raise invalid_parameter(
                f"Error occurred while ReceiveMessage. SQS Error Code: {facts.get('Code')}. "
                f"SQS Error Message: {facts.get('Message')}"
            ) from error
        except BotoCoreError as error:
            raise LambdaError(
                "ServiceException", f"SQS cannot be asked about {mapping.queue_arn}: {error}", 500
            ) from error
        timeout, window = function.timeout_seconds if function else 0, mapping.batching_window_seconds
        if visible_after < timeout + window:
            raise invalid_parameter(
                f"Queue visibility timeout: {visible_after} seconds is less than Function timeout: {timeout} seconds"
                + (f" and MaximumBatchingWindowInSeconds: {window} seconds" if window else "")
            )


def _qualified(name: str, qualifier: str | None) -> str:
    """How a mapping keeps its function: the name, with the version or alias if it has one."""
    return f"{name}:{qualifier}" if qualifier else name
