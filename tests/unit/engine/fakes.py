"""A Lambda that answers from functions of this process, and a clock that never makes anybody wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from mapfold.local.lambda_ import Invocation, LambdaError

Handler = Callable[[Any], Any]


class FunctionError(Exception):
    """What a fake handler raises: `type_` and `message` become the error document's (no type: a hard crash)."""

    def __init__(self, type_: str | None, message: str = "broken") -> None:
        self.document = {"errorMessage": message} | ({} if type_ is None else {"errorType": type_})
        super().__init__(message)


class FakeLambda:
    """Functions by the last part of their ARN. A handler may be a coroutine function, which lets it wait.

    `calls` are (function, event), `dropped` the functions whose caller did not wait for the answer, `events` what
    was only queued, `contexts` the client contexts that were given.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.calls: list[tuple[str, Any]] = []
        self.dropped: list[str] = []
        self.events: list[tuple[str, Any]] = []
        self.contexts: list[bytes] = []
        self.starts = True
        """False: no worker ever takes a call."""

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        on_started: Callable[[], None] | None = None,
        want_log: bool = False,
        client_context: bytes | None = None,
        is_json: bool = False,
    ) -> Invocation:
        name, event = function.rpartition(":")[2], json.loads(payload)
        if name not in self.handlers:
            raise LambdaError("ResourceNotFoundException", f"Function not found: {function}:$LATEST", 404)
        self.calls.append((name, event))
        try:
            if not self.starts:
                await asyncio.Event().wait()
            if on_started is not None:
                on_started()
            output = self.handlers[name](event)
            if isinstance(output, Awaitable):
                output = await output
        except FunctionError as error:
            return Invocation(json.dumps(error.document).encode(), "Unhandled", "request-1", "$LATEST")
        except asyncio.CancelledError:
            self.dropped.append(name)
            raise
        if client_context is not None:
            self.contexts.append(client_context)
        log = b"log" if want_log else b""
        return Invocation(json.dumps(output).encode(), None, "request-1", "$LATEST", log)

    def invoke_event(
        self, function: str, payload: bytes, *, qualifier: str | None = None, client_context: bytes | None = None
    ) -> str:
        self.events.append((function.rpartition(":")[2], json.loads(payload)))
        return self.new_request_id()

    def submit(
        self, function: str, payload: bytes, qualifier: str | None, on_started: Callable[[], None] | None
    ) -> Awaitable[Invocation]:
        return self.invoke(function, payload, qualifier=qualifier, on_started=on_started, is_json=True)

    def new_request_id(self) -> str:
        return "request-2"


class Clock:
    """Each look at it is ten seconds later, so waits and backoffs of a few seconds are over at once."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


class StillClock:
    """Stands at `now` until a test moves it: who waits for a moment that has not come, waits for good."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Gate:
    """A handler that waits until `open` is called. `waiting` counts who waits, `came` is set by the first."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self.came = asyncio.Event()
        self.waiting = 0

    def open(self) -> None:
        self._opened.set()

    async def __call__(self, event: Any) -> Any:
        self.waiting += 1
        self.came.set()
        try:
            await self._opened.wait()
        finally:
            self.waiting -= 1
        return event
