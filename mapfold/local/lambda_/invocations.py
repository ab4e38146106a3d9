"""One call of a function: what waits for a worker, what comes back, and what Lambda says when it goes wrong."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass

MAX_REQUEST_BYTES = 6_291_456
"""Request of a RequestResponse invocation: 6 MB."""

MAX_RESPONSE_BYTES = 6_291_556
"""Its response: 6 MB and the 100 bytes that Lambda grants on top."""

MAX_ASYNC_PAYLOAD_BYTES = 1_048_576
"""Request of an Event invocation."""

OUT_OF_MEMORY = "Runtime.OutOfMemory"
EXIT_ERROR = "Runtime.ExitError"


@dataclass(slots=True)
class Invocation:
    """How a call ended.

    `payload` is the handler's JSON, or the error document when `function_error` is set ("Unhandled": Lambda
    uses no other value). `log_tail` is the last 4 KB of the log if it was asked for, else empty.
    """

    payload: bytes
    function_error: str | None
    request_id: str
    executed_version: str
    log_tail: bytes = b""


class Call:
    """A call on its way: waiting in a pool's FIFO, then with a worker. Plain slots: one is made per invocation."""

    __slots__ = ("answer", "arn", "client_context", "on_started", "payload", "request_id", "started", "want_log")

    def __init__(
        self,
        answer: asyncio.Future[Invocation],
        arn: bytes,
        payload: bytes,
        request_id: str,
        on_started: Callable[[], None] | None,
        want_log: bool,
        client_context: bytes | None,
    ) -> None:
        self.answer = answer
        self.arn = arn
        self.payload = payload
        self.request_id = request_id
        self.on_started = on_started
        self.want_log = want_log
        self.client_context = client_context
        self.started = 0.0
        """`time.time()` when a worker took it."""


def timed_out(request_id: str, seconds: float) -> bytes:
    """The payload of a call that its function's Timeout ended."""
    return _platform_error(
        "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    )


def exited(request_id: str, returncode: int) -> bytes:
    """The payload of a call whose worker exited. `returncode` as `subprocess` has it: negative for a signal."""
    return _platform_error(EXIT_ERROR, exit_reason(request_id, returncode))


def exit_reason(request_id: str, returncode: int) -> str:
    """Why a worker exited, as the payload and the log have it."""
    if returncode == 0:
        reason = "Runtime exited without providing a reason"
    elif returncode > 0:
        reason = f"Runtime exited with error: exit status {returncode}"
    else:
        reason = f"Runtime exited with error: signal: {_signal_name(-returncode)}"
    return f"RequestId: {request_id} Error: {reason}"


def out_of_memory(request_id: str) -> bytes:
    """The payload of a call whose worker was killed for its memory.

    The message is Lambda's for a process that the kernel's out-of-memory killer ended. The type is that of today's REPORT
    lines; that it is the payload's too, where Runtime.ExitError stood in earlier years, is unconfirmed.
    """
    reason = f"Runtime exited with error: signal: {_signal_name(signal.SIGKILL)}"
    return _platform_error(OUT_OF_MEMORY, f"RequestId: {request_id} Error: {reason}")


def not_startable(request_id: str, reason: str) -> bytes:
    """The payload of a call whose worker could not even be started: no such folder, no memory for a process."""
    return _platform_error("Runtime.InvalidEntrypoint", f"RequestId: {request_id} Error: {reason}")


def response_too_large() -> bytes:
    """The payload of a call whose handler returned more than 6 MB."""
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    return _platform_error("Function.ResponseSizeTooLarge", message)


def _platform_error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()


def _signal_name(number: int) -> str:
    """Go's words for a signal, which Lambda's runtime supervisor prints: 9 is `killed`."""
    description = signal.strsignal(number)
    return description.lower() if description else str(number)
