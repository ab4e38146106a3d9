"""Calls of AWS APIs: botocore's clients, made when first needed, each call in a thread of its own, so many at once.

A call that nobody waits for any more (its task has timed out, or was stopped) runs on and is dropped: a request that was
sent cannot be taken back. Threads are daemons, so that no such call keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mapfold.local.engine.integrations.results import MOST_BYTES_OF_A_BODY
from mapfold.local.engine.integrations.stand_in import STATUSES, aws_message, aws_request_id

AT_ONCE = 32
"""Calls of one service that run at once; others wait, and their tasks have not started."""

MOST_CLIENTS = 200
"""Clients that are kept; the oldest is made anew when it is needed again."""

T = TypeVar("T")


class Clients(Protocol):
    """Makes botocore's clients (`mapfold.local.endpoints`)."""

    def task_client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """A client of `service`, by botocore's name. Takes some 100 ms: it is called in a thread."""
        ...

    def task_credentials(self) -> Any:
        """botocore's credentials for what is signed without a client."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API answered: botocore's result with bodies read, and the HTTP status and headers."""

    output: dict[str, Any]
    status: int
    request_id: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServiceError:
    """A call that the service refused.

    `code` is the one on the wire, `newer_code` that of the model where the service still sends an older protocol's
    (SQS), `extended_id` S3's second id.
    """

    code: str
    message: str | None
    status: int
    request_id: str
    extended_id: str | None = None
    newer_code: str | None = None


@dataclass(frozen=True, slots=True)
class ClientFault:
    """A call that did not come through: no connection, no answer in time, an answer that cannot be read."""

    message: str


@dataclass(slots=True)
class Caller:
    """Calls operations. One for the whole embedded AWS; used from its event loop."""

    clients: Clients
    _made: dict[tuple[str, str | None], Any] = field(default_factory=dict)
    _slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sent: set[asyncio.Task[Any]] = field(default_factory=set)

    async def call(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        started: Callable[[], None] = lambda: None,
        credentials: Mapping[str, str] | None = None,
    ) -> Answer | ServiceError | ClientFault:
        """Call `operation` (PutItem) of `service` (botocore's name). `started` is called when the call begins."""
        slots = self._slots.setdefault(service, asyncio.Semaphore(AT_ONCE))
        await slots.acquire()
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                slots.release()

        try:
            started()
        except BaseException:
            release()
            raise
        return await in_thread(lambda: self._call(service, operation, params, credentials), release)

    def send(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        """Make a call that nobody waits for, in its turn: its answer, or that there is none, is dropped."""
        call = self.call(service, operation, params, credentials=credentials)
        sent = asyncio.get_running_loop().create_task(call, name="task-call")
        self._sent.add(sent)  # the loop alone would let it be collected
        sent.add_done_callback(self._sent.discard)

    def _call(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        credentials: Mapping[str, str] | None,
    ) -> Answer | ServiceError | ClientFault:
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            client = self._client(service, credentials)
            output = getattr(client, xform_name(operation))(**params)
            _read_bodies(output)
        except ClientError as error:
            return _service_error(service, error.response)
        except (BotoCoreError, ResponseParserError) as error:
            return ClientFault(str(error))
        metadata = output.pop("ResponseMetadata", {})
        given = str(metadata.get("RequestId") or uuid.uuid4())
        request_id = aws_request_id(service, given)
        headers = metadata.get("HTTPHeaders", {})
        if request_id != given:
            headers = {name: request_id if value == given else value for name, value in headers.items()}
        return Answer(output, int(metadata.get("HTTPStatusCode", 200)), request_id, headers)

    def _client(self, service: str, credentials: Mapping[str, str] | None) -> Any:
        key = (service, None if credentials is None else credentials["AccessKeyId"])
        with self._lock:  # making one is not safe in two threads at once
            client = self._made.get(key)
            if client is None:
                while len(self._made) >= MOST_CLIENTS:
                    del self._made[next(iter(self._made))]
                client = self._made[key] = self.clients.task_client(service, credentials)
            return client


async def in_thread(work: Callable[[], T], done: Callable[[], None] = lambda: None) -> T:
    """What `work` returns, done in a daemon thread. `done` is called on the loop when it has ended, waited for or not."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        done()
        if outcome.done():  # cancelled: nobody waits
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as fault:  # noqa: BLE001 - it is raised where the work was asked for
            error = fault
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    try:
        threading.Thread(target=run, name="task-call", daemon=True).start()
    except RuntimeError:  # the system gives no more threads
        done()
        raise
    return await outcome


def _read_bodies(output: dict[str, Any]) -> None:
    """Read streaming bodies while still in the thread: at most as much as makes a result too large."""
    for name, value in output.items():
        if hasattr(value, "iter_chunks"):
            with value as body:
                output[name] = body.read(MOST_BYTES_OF_A_BODY)


def _service_error(service: str, response: Mapping[str, Any]) -> ServiceError:
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code = str(error.get("Code", ""))
    return ServiceError(
        code=code,
        message=aws_message(service, code, error.get("Message") or None),
        status=STATUSES.get((service, code)) or int(metadata.get("HTTPStatusCode", 0)),
        request_id=aws_request_id(service, str(metadata.get("RequestId") or uuid.uuid4())),
        extended_id=metadata.get("HostId") or None,
        newer_code=error.get("QueryErrorCode"),
    )
