"""One warm worker: a process running `awslambdaric`, its Runtime API port, its deadline, its output.

It takes calls from its pool one at a time. The result of a call, however it came to be, is set on the call's future;
a future that was cancelled meanwhile is left alone, and the worker goes on with the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from mapfold.local.lambda_ import invocations
from mapfold.local.lambda_.errors import WorkerProtocolError
from mapfold.local.lambda_.functions import Function
from mapfold.local.lambda_.invocations import Call, Invocation
from mapfold.local.lambda_.layers import layer_paths
from mapfold.local.lambda_.lifecycle import Phase, Signal, advance
from mapfold.local.lambda_.logs import LogBuffer, LogRecord
from mapfold.local.lambda_.process import WorkerProcess, execution_environment, inherited_environment
from mapfold.local.lambda_.runtime_api import RuntimeConnection

logger = logging.getLogger(__name__)

_PIPE_BYTES = 65536
_TASK_ROOT = b"/var/task"
_KILLED = "Runtime exited with error: signal: killed"
_OUT_OF_MEMORY_STATUS = f"error\tError Type: {invocations.OUT_OF_MEMORY}"
_EXIT_STATUS = f"error\tError Type: {invocations.EXIT_ERROR}"
"""As today's REPORT lines have it."""
_DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local"}
_EVENT_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Lambda-Runtime-Aws-Request-Id: %b\r\n"
    b"Lambda-Runtime-Deadline-Ms: %d\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: %b\r\n"
    # A trace that is not sampled, as of a function without active tracing: tracers in the handler keep quiet.
    # Its time and half of its digits are the server's: only what differs is formatted for each call.
    b"Lambda-Runtime-Trace-Id: Root=1-"
    + f"{int(time.time()):08x}-{os.urandom(6).hex()}%b;Parent={os.urandom(8).hex()};Sampled=0\r\n".encode()
    + b"%bContent-Length: %d\r\n\r\n"
)


class Owner(Protocol):
    """The pool that a worker belongs to."""

    def next_call(self) -> Call | None:
        """The call that has waited longest, or None. It is the caller's from now on."""

    def is_idle(self, worker: Worker) -> None:
        """`worker` found no call waiting."""

    def is_gone(self, worker: Worker) -> None:
        """`worker` will take no more calls."""

    def keep_log(self, record: LogRecord) -> None:
        """A call has ended that printed something."""


class Worker:
    """See the module. Create it on the loop and run `run()` as a task; all else happens in callbacks."""

    def __init__(self, owner: Owner, function: Function, environment: Mapping[str, str], init_timeout: float) -> None:
        self.phase = Phase.STARTING
        self.idle_since = 0.0
        self.retiring = False
        self._owner = owner
        self._function = function
        self._environment = environment
        self._timeout = float(function.timeout_seconds)
        self._connection: RuntimeConnection | None = None
        self._process: WorkerProcess | None = None
        self._call: Call | None = None
        self._log: LogBuffer | None = None
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._born = time.monotonic()
        self._init_ms: float | None = None
        self._is_out_of_memory = False
        self._began = 0.0  # monotonic, of the present call
        self._deadline: float | None = self._born + init_timeout  # monotonic, of the present phase
        self._init_timeout = init_timeout
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # monotonic

    async def run(self) -> None:
        """Live until the process has ended and been reaped. Cancelling kills it, and still reaps it."""
        try:
            listener = _listen()
        except OSError as error:
            self._not_startable(error)
            return
        server = await self._loop.create_server(lambda: RuntimeConnection(self), sock=listener)
        try:
            if not self._start(port=listener.getsockname()[1]):
                return
            try:
                await asyncio.shield(self._exited)
            except asyncio.CancelledError:
                self._end(Signal.KILLED)
                await self._exited
                raise
        finally:
            server.close()
            self._finish()

    def give(self, call: Call) -> None:
        """Hand `call` to this worker, which must be idle."""
        self.phase = advance(self.phase, Signal.GIVEN_WORK)
        assert self._connection is not None
        self._call = call
        self._began = time.monotonic()
        call.started = time.time()
        self._connection.send_event(call.request_id, self._event_head(call) + call.payload)
        _tell_started(call)  # after the write: the worker is at it meanwhile
        self._set_deadline(self._began + self._timeout)

    def retire(self) -> None:
        """Take no more calls: end now, or when the present call is answered."""
        self.retiring = True
        if self.phase is not Phase.BUSY:
            self._end(Signal.KILLED)

    def abandon(self) -> None:
        """End now; the task that waits for the present call is cancelled."""
        if self._call is not None:
            self._call.answer.cancel()
        self._end(Signal.KILLED)

    # --- memory -------------------------------------------------------------------------------------------

    @property
    def watched_pid(self) -> int | None:
        """Its process while it loads its handler or has a call."""
        if self._process is None or self.phase not in (Phase.BUSY, Phase.STARTING):
            return None
        return self._process.pid

    @property
    def memory_limit_mb(self) -> int:
        """Its function's MemorySize."""
        return self._function.memory_mb

    def exceeded_memory(self) -> None:
        """Kill it, and fail its call as Lambda does."""
        self._is_out_of_memory = True
        if self._call is not None:
            self._complete(
                self._call,
                invocations.out_of_memory(self._call.request_id),
                failed=True,
                status=_OUT_OF_MEMORY_STATUS,
                line=f"RequestId: {self._call.request_id} Error: {_KILLED}\n{invocations.OUT_OF_MEMORY}\n".encode(),
            )
        elif self.phase is Phase.STARTING:
            self._fail_init(lambda call: invocations.out_of_memory(call.request_id), status=_OUT_OF_MEMORY_STATUS)
        self._end(Signal.KILLED)

    # --- what the Runtime API hears ---------------------------------------------------------------------

    def asked_for_work(self, connection: RuntimeConnection) -> None:
        if self._init_ms is None:
            self._init_ms = (time.monotonic() - self._born) * 1000
        self.phase = advance(self.phase, Signal.ASKED_FOR_WORK)
        self._connection = connection
        self._deadline = None
        if self.retiring:
            self._end(Signal.KILLED)
        elif call := self._owner.next_call():
            self.give(call)
        else:
            self.idle_since = time.monotonic()
            self._owner.is_idle(self)

    def answered(self, request_id: str, body: bytes | None, *, failed: bool) -> None:
        call = self._call
        if call is None or call.request_id != request_id:
            raise WorkerProtocolError(f"request {request_id} is not the one this worker was given")
        self.phase = advance(self.phase, Signal.ANSWERED)
        if body is None:
            body, failed = invocations.response_too_large(), True
        elif failed:
            body = self._as_deployed(body)
        self._complete(call, body, failed=failed)

    def init_failed(self, body: bytes) -> None:
        self.phase = advance(self.phase, Signal.INIT_FAILED)
        self._set_deadline(time.monotonic() + 1.0)  # by then it has read our answer, and exited by itself
        self._fail_init(lambda call: self._as_deployed(body))
        self._owner.is_gone(self)

    def _as_deployed(self, error: bytes) -> bytes:
        """An error document in which the files of a zip lie where Lambda has them. Those of a folder in place stay."""
        if self._function.in_place:
            return error
        folder = json.dumps(str(self._function.folder))[1:-1].encode()
        return error.replace(folder, _TASK_ROOT)

    def hung_up(self, connection: RuntimeConnection) -> None:
        if connection is self._connection:
            self._connection = None
            if self.phase is Phase.IDLE:
                self._end(Signal.HUNG_UP)

    # --- the process --------------------------------------------------------------------------------------

    def _start(self, *, port: int) -> bool:
        environment = worker_environment(self._function, self._environment, port=port)
        try:
            self._process = WorkerProcess(
                handler=self._function.handler,
                folder=self._function.folder,
                environment=environment,
                on_exit=self._process_ended,
            )
        except OSError as error:
            self._not_startable(error)
            return False
        self._loop.add_reader(self._process.output, self._read_output)
        self._set_deadline(self._born + self._init_timeout)
        return True

    def _not_startable(self, error: OSError) -> None:
        reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        self.phase = Phase.GONE
        self._fail_init(lambda call: invocations.not_startable(call.request_id, reason))
        self._owner.is_gone(self)

    def _end(self, signal: Signal) -> None:
        """Kill the process; whatever call it has must have been answered, or is by `_process_ended`."""
        if self.phase is not Phase.GONE:
            self.phase = advance(self.phase, signal)
            self._owner.is_gone(self)
            if self._process is not None:
                self._process.kill()

    def _process_ended(self, returncode: int) -> None:
        was_starting = self.phase is Phase.STARTING
        self.phase = advance(self.phase, Signal.EXITED)
        if self._call is not None:
            request_id = self._call.request_id
            line = f"{invocations.exit_reason(request_id, returncode)}\n{invocations.EXIT_ERROR}\n"
            self._complete(
                self._call,
                invocations.exited(request_id, returncode),
                failed=True,
                status=_EXIT_STATUS,
                line=line.encode(),
            )
        elif was_starting:
            self._fail_init(lambda call: invocations.exited(call.request_id, returncode))
        self._owner.is_gone(self)
        self._exited.set_result(returncode)

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._loop.remove_reader(self._process.output)
            self._process.close()
        if self._call is not None:
            self._call.answer.cancel()
        self._owner.is_gone(self)

    # --- deadlines ----------------------------------------------------------------------------------------

    def _set_deadline(self, deadline: float) -> None:
        """Be called at `deadline`, or earlier and then look again.

        One timer serves many calls: arming and cancelling one for each would cost 2 µs a call.
        """
        self._deadline = deadline
        if self._timer is None:
            self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._look_at_deadline)
            self._timer_at = deadline
        elif self._timer_at > deadline:
            self._timer.cancel()
            self._timer = None
            self._set_deadline(deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._deadline > time.monotonic():
            self._set_deadline(self._deadline)
        elif self._call is not None:
            self._time_out(self._call)
        elif self.phase is Phase.STARTING:
            self._fail_init(lambda call: invocations.timed_out(call.request_id, self._init_timeout))
            self._end(Signal.KILLED)
        elif self._process is not None:
            self._process.kill()

    def _time_out(self, call: Call) -> None:
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}"
        line = f"{stamp}Z {call.request_id} Task timed out after {self._timeout:.2f} seconds\n\n"
        self._complete(
            call,
            invocations.timed_out(call.request_id, self._timeout),
            failed=True,
            status="timeout",
            line=line.encode(),
        )
        self._end(Signal.KILLED)

    # --- results and their logs -----------------------------------------------------------------------------

    def _complete(self, call: Call, body: bytes, *, failed: bool, status: str = "", line: bytes = b"") -> None:
        """End the present call with `body`."""
        self._call = None
        self._deadline = None
        # All that the handler printed before it answered is in the pipe by now: the two are written in order.
        if self._process is not None and self._process.has_output():
            self._read_output()
        if line:
            self._add_to_log(line)
        tail = self._take_log(call, status) if self._log is not None or call.want_log else b""
        self._init_ms = -1.0
        if not call.answer.done():
            error = "Unhandled" if failed else None
            call.answer.set_result(Invocation(body, error, call.request_id, self._function.version, tail))

    def _fail_init(self, body: Callable[[Call], bytes], *, status: str = "error") -> None:
        """End the call that has waited longest, as Lambda fails the call that an environment was started for."""
        self._init_ms = (time.monotonic() - self._born) * 1000
        call = self._owner.next_call()
        if call is None:
            self._read_output()
            output = self._log.value().decode(errors="replace") if self._log is not None else ""
            logger.warning("function %s failed to start\n%s", self._function.name, output)
            return
        self._began = time.monotonic()
        call.started = time.time()
        _tell_started(call)
        self._complete(call, body(call), failed=True, status=status)

    def _take_log(self, call: Call, status: str) -> bytes:
        record = LogRecord(
            request_id=call.request_id,
            function=self._function.name,
            version=self._function.version,
            started=call.started,
            duration_ms=(time.monotonic() - self._began) * 1000,
            memory_mb=self._function.memory_mb,
            peak_memory_mb=self._peak_memory_mb(),
            init_ms=self._init_ms if self._init_ms is not None and self._init_ms >= 0 else None,
            status=status,
            output=self._log.value() if self._log is not None else b"",
        )
        if self._log is not None:
            self._log = None
            self._owner.keep_log(record)
        return record.tail() if call.want_log else b""

    def _peak_memory_mb(self) -> int:
        """Of one that was killed for it, all that it may have: on Lambda it never had more."""
        if self._is_out_of_memory:
            return self._function.memory_mb
        return self._process.peak_memory_mb() if self._process is not None else 0

    def _read_output(self) -> None:
        """Take what the pipe holds, at most twice its capacity: a thread of the handler may print without end."""
        if self._process is None:
            return
        for _ in range(2):
            output = self._process.read_output(_PIPE_BYTES)
            if output:
                self._add_to_log(output)
            elif output is not None:
                self._loop.remove_reader(self._process.output)
            if output is None or len(output) < _PIPE_BYTES:
                return

    def _add_to_log(self, output: bytes) -> None:
        if self._log is None:
            self._log = LogBuffer()
        self._log.add(output)

    def _event_head(self, call: Call) -> bytes:
        request_id = call.request_id.encode()
        context = b"Lambda-Runtime-Client-Context: %b\r\n" % call.client_context if call.client_context else b""
        return _EVENT_HEAD % (
            request_id,
            int((call.started + self._timeout) * 1000),
            call.arn,
            request_id[24:],
            context,
            len(call.payload),
        )


def worker_environment(function: Function, shared: Mapping[str, str], *, port: int) -> dict[str, str]:
    """The environment variables of a worker: Lambda's, then `shared` (endpoints, credentials), then the function's.

    The function may override `shared` (its own endpoint) but nothing that Lambda says about the worker.
    """
    region = shared.get("AWS_REGION") or shared.get("AWS_DEFAULT_REGION") or "us-east-1"
    stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{function.version}]{os.urandom(16).hex()}"
    inherited = inherited_environment()
    return {
        **inherited,
        **({} if "AWS_ACCESS_KEY_ID" in shared else _DUMMY_CREDENTIALS),
        "LANG": "en_US.UTF-8",
        "PYTHONUTF8": "1",  # a laptop may not have that locale
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        **shared,
        **(function.environment or {}),
        **layer_paths(function.layers, inherited | dict(function.environment or {})),
        **execution_environment(),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "LAMBDA_RUNTIME_DIR": os.path.dirname(__file__),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_LOG_FORMAT": "Text",
    }


def _listen() -> socket.socket:
    """A loopback port. Its connections send without pacing where the system's default paces (BBR).

    On loopback there is nothing to pace for. Measured where BBR is the default: 36 µs of the server's CPU a call of the
    raw loop in place of 40, and 4 % more calls.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    if hasattr(socket, "TCP_CONGESTION"):
        with contextlib.suppress(OSError):  # a sandbox may forbid it; the default works too
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    return listener


def _tell_started(call: Call) -> None:
    """Call `on_started`; a fault of it must not reach the worker."""
    if call.on_started is not None:
        try:
            call.on_started()
        except Exception:  # whatever the caller's own code does wrong: the worker goes on, and the log has it
            logger.exception("on_started of request %s failed", call.request_id)
