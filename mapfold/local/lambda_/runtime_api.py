"""The Lambda Runtime API (2018-06-01), thin: one `asyncio.Protocol` a connection, one port a worker.

The client always asks for the same paths and sends nothing that names the worker, so each worker gets a loopback
port of its own: whatever comes in there is that worker's, on the connection of `libcurl` that stays open as on the
one that `http.client` opens for `init/error`. No framework and no HTTP library: the two requests of every call are
known by how they begin (1.3 µs for both; taken apart by expressions 2.8), all others are parsed.

Answers: 200 with the event (held back until there is one), 202 for results and errors, 400 for what a worker may
not send now, 404 for other paths. What is not HTTP closes the connection.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Protocol, cast

from mapfold.local.lambda_.errors import WorkerProtocolError
from mapfold.local.lambda_.invocations import MAX_RESPONSE_BYTES

ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'

MAX_HEAD_BYTES = 2 * 1024 * 1024
"""The client sends the X-Ray cause of an error as a header of up to 1 MB."""

_NEXT = b"GET /2018-06-01/runtime/invocation/next "
_INVOCATION = "/2018-06-01/runtime/invocation/"
_RESPONSE = b"POST /2018-06-01/runtime/invocation/%b/response "
_NOTHING_GIVEN = b"no request begins like this"
_END_OF_HEAD = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.[01]\r\n")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)
_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


class RuntimePeer(Protocol):
    """The worker at the other end, as this protocol sees it. All methods may raise WorkerProtocolError."""

    def asked_for_work(self, connection: RuntimeConnection) -> None:
        """It waits on `connection` for its next event."""

    def answered(self, request_id: str, body: bytes | None, *, failed: bool) -> None:
        """It answered a call; `body` is None if that was larger than a response may be."""

    def init_failed(self, body: bytes) -> None:
        """Its handler could not be loaded."""

    def hung_up(self, connection: RuntimeConnection) -> None:
        """`connection` is closed."""


class RuntimeConnection(asyncio.Protocol):
    """One connection of one worker: parses requests, tells the worker, writes answers."""

    __slots__ = (
        "_body",
        "_given",
        "_head",
        "_method",
        "_missing",
        "_peer",
        "_response",
        "_target",
        "_too_large",
        "_transport",
    )

    def __init__(self, peer: RuntimePeer) -> None:
        self._peer = peer
        self._transport: asyncio.Transport | None = None
        self._head = b""  # a head that came in pieces
        self._method = b""
        self._target: str | None = None  # path of the request whose body is being read
        self._missing = 0  # bytes of that body still to come
        self._body: list[bytes] = []
        self._too_large = False
        self._given = ""  # id of the event that was sent last
        self._response = _NOTHING_GIVEN  # how the request with its result will begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._peer.hung_up(self)

    def write(self, data: bytes) -> None:
        """Send `data`, or drop it if the worker hung up in the meantime (its exit tells the rest)."""
        if self._transport is not None:
            self._transport.write(data)

    def send_event(self, request_id: str, event: bytes) -> None:
        """Answer the request for work with `event`, head and all."""
        self._given = request_id
        self._response = _RESPONSE % request_id.encode()
        self.write(event)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:  # refused, or hung up
            return
        if self._target is None and not self._head and self._take_usual(data):
            return
        while data and self._transport is not None:
            data = self._read_body(data) if self._target is not None else self._read_head(data)

    def _take_usual(self, data: bytes) -> bool:
        """Handle one of the two usual requests, if `data` is that in its usual shape: one packet, nothing after it."""
        if data.startswith(self._response):
            end = data.find(_END_OF_HEAD)
            body = data[end + 4 :]
            if end < 0 or not data.endswith(b"\r\ncontent-length: %d" % len(body), 0, end):
                return False
            self._response = _NOTHING_GIVEN
            try:
                self._peer.answered(self._given, body, failed=False)
            except WorkerProtocolError as error:
                self._answer("400 Bad Request", "InvalidStateTransition", str(error))
            else:
                self.write(ACCEPTED)
            return True
        if data.startswith(_NEXT) and data.find(_END_OF_HEAD) == len(data) - len(_END_OF_HEAD):
            self._ask()
            return True
        return False

    def _read_head(self, data: bytes) -> bytes:
        """Take a request's head from `data`; give back what follows it."""
        data = self._head + data if self._head else data
        end = data.find(_END_OF_HEAD)
        if end < 0:
            if len(data) > MAX_HEAD_BYTES or not _may_become_request(data):
                self._refuse()
            else:
                self._head = data
            return b""
        self._head = b""
        head, rest = data[: end + 2], data[end + 4 :]
        request = _REQUEST_LINE.match(head)
        length = _CONTENT_LENGTH.search(head)
        if request is None or (length is None and _TRANSFER_ENCODING.search(head)):
            self._refuse()
            return b""
        self._method, self._target = request[1], request[2].decode("latin-1")
        self._missing = int(length[1]) if length else 0
        self._too_large = self._missing > MAX_RESPONSE_BYTES
        if not self._missing:
            return self._read_body(b"") + rest
        return rest

    def _read_body(self, data: bytes) -> bytes:
        """Take the body's next bytes from `data`; give back what follows them."""
        size = len(data)
        if size < self._missing:
            self._missing -= size
            if not self._too_large:
                self._body.append(data)
            return b""
        rest = b""
        if size > self._missing:
            data, rest = data[: self._missing], data[self._missing :]
        if self._body:
            self._body.append(data)
            data = b"".join(self._body)
            self._body = []
        target, self._target, self._missing = self._target, None, 0
        assert target is not None
        self._handle(target, None if self._too_large else data)
        return rest

    def _handle(self, target: str, body: bytes | None) -> None:
        try:
            if self._method == b"GET":
                if target == _INVOCATION + "next":
                    self._peer.asked_for_work(self)
                    return
            elif target.startswith(_INVOCATION):
                request_id, _, kind = target[len(_INVOCATION) :].partition("/")
                if kind in ("response", "error"):
                    self._peer.answered(request_id, body, failed=kind == "error")
                    self.write(ACCEPTED)
                    return
            elif target == "/2018-06-01/runtime/init/error":
                self._peer.init_failed(body or b"")
                self.write(ACCEPTED)
                return
        except WorkerProtocolError as error:
            self._answer("400 Bad Request", "InvalidStateTransition", str(error))
            return
        self._answer("404 Not Found", "NotFound", f"the Runtime API has no {target}")

    def _ask(self) -> None:
        try:
            self._peer.asked_for_work(self)
        except WorkerProtocolError as error:
            self._answer("400 Bad Request", "InvalidStateTransition", str(error))

    def _answer(self, status: str, error_type: str, message: str) -> None:
        body = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.write(head.encode() + body)

    def _refuse(self) -> None:
        """Close the connection: what came is not HTTP as a runtime client speaks it."""
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self._transport.close()
            self._transport = None


def _may_become_request(head: bytes) -> bool:
    """Whether more bytes could make a GET or POST of these first ones."""
    return head.startswith((b"GET ", b"POST ")) or b"GET ".startswith(head) or b"POST ".startswith(head)
