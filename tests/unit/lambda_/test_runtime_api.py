"""The Runtime API's protocol: requests whole, split, glued together, and what is no request at all."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.lambda_.errors import WorkerProtocolError
from mapfold.local.lambda_.runtime_api import ACCEPTED, RuntimeConnection

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept: */*\r\n\r\n"


def post(path: str, body: bytes, header: str = "content-length") -> bytes:
    return f"POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: a\r\n{header}: {len(body)}\r\n\r\n".encode() + body


class FakeTransport:
    """Keeps what is written; closing is remembered."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


class FakeWorker:
    """Keeps what it is told, as tuples; refuses answers to `stale`."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def asked_for_work(self, connection: RuntimeConnection) -> None:
        self.heard.append(("next",))

    def answered(self, request_id: str, body: bytes | None, *, failed: bool) -> None:
        if request_id == "stale":
            raise WorkerProtocolError('no such "request"')
        self.heard.append((request_id, body, failed))

    def init_failed(self, body: bytes) -> None:
        self.heard.append(("init", body))

    def hung_up(self, connection: RuntimeConnection) -> None:
        self.heard.append(("hung up",))


class Line:
    """One connection between a fake worker and the protocol."""

    def __init__(self) -> None:
        self.worker = FakeWorker()
        self.transport = FakeTransport()
        self.protocol = RuntimeConnection(self.worker)
        self.protocol.connection_made(cast(asyncio.BaseTransport, self.transport))

    def send(self, *packets: bytes) -> list[tuple[object, ...]]:
        for packet in packets:
            self.protocol.data_received(packet)
        return self.worker.heard


@pytest.fixture
def line() -> Line:
    return Line()


class TestRequests:
    def test_next_is_held_back(self, line: Line) -> None:
        """GET next gets no answer until the worker writes one."""
        assert line.send(NEXT) == [("next",)]
        assert line.transport.written == b""

    @pytest.mark.parametrize("header", ["content-length", "Content-Length", "CONTENT-LENGTH"])
    def test_header_names_have_no_case(self, line: Line, header: str) -> None:
        """libcurl and http.client spell Content-Length differently."""
        assert line.send(post("invocation/7/response", b"{}", header)) == [("7", b"{}", False)]

    def test_an_error_is_told_from_a_response(self, line: Line) -> None:
        """The path's last part says whether the handler failed."""
        assert line.send(post("invocation/7/error", b"{}")) == [("7", b"{}", True)]

    def test_an_init_error_is_accepted(self, line: Line) -> None:
        """init/error must be answered with exactly 202, or the client raises in the place of exiting."""
        assert line.send(post("init/error", b"{}")) == [("init", b"{}")]
        assert line.transport.written == ACCEPTED

    def test_an_empty_body_is_an_answer(self, line: Line) -> None:
        """Content-Length 0 has no second packet to wait for."""
        assert line.send(post("invocation/7/response", b"")) == [("7", b"", False)]

    def test_a_response_over_the_limit_is_read_and_forgotten(self, line: Line) -> None:
        """A body over 6,291,556 bytes is told as None; the connection goes on."""
        heard = line.send(post("invocation/7/response", bytes(6_291_557)), NEXT)

        assert heard == [("7", None, False), ("next",)]

    def test_the_largest_response_is_kept(self, line: Line) -> None:
        """6,291,556 bytes are still a response."""
        (answer,) = line.send(post("invocation/7/response", bytes(6_291_556)))

        assert answer == ("7", bytes(6_291_556), False)

    def test_a_packet_that_begins_with_next_may_hold_more(self, line: Line) -> None:
        """It begins and ends like the usual request, which is a packet of its own."""
        heard = line.send(NEXT + post("invocation/2/error", b"x") + NEXT)

        assert heard == [("next",), ("2", b"x", True), ("next",)]

    def test_the_answer_to_the_event_that_was_sent_is_known_at_sight(self, line: Line) -> None:
        """The usual answer is one packet with the event's request id; the same answer a second time is told as well."""
        line.protocol.send_event("7", b"event")

        heard = line.send(post("invocation/7/response", b"{}"), post("invocation/7/response", b"[]"))

        assert heard == [("7", b"{}", False), ("7", b"[]", False)]
        assert line.transport.written == b"event" + ACCEPTED * 2

    def test_an_answer_to_another_event_keeps_its_own_id(self, line: Line) -> None:
        """What was sent last does not stand for what was answered."""
        line.protocol.send_event("7", b"")

        assert line.send(post("invocation/77/response", b"{}")) == [("77", b"{}", False)]

    @pytest.mark.parametrize("sent", [None, "1"])
    @given(data=st.data())
    def test_packets_may_be_cut_anywhere(self, sent: str | None, data: st.DataObject) -> None:
        """TCP keeps the order of bytes and nothing else; whether an event was sent before makes no difference."""
        stream = post("invocation/1/response", b'{"a": "\r\n\r\n"}') + NEXT + post("invocation/2/error", b"GET ") + NEXT
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
        packets = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

        line = Line()
        if sent is not None:
            line.protocol.send_event(sent, b"")

        heard = line.send(*packets)

        assert heard == [("1", b'{"a": "\r\n\r\n"}', False), ("next",), ("2", b"GET ", True), ("next",)]


class TestRefusals:
    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x16\x03\x01\x02\x00\x01",
            b"hello\r\n\r\n",
            b"PUT /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n",
            b"GET next HTTP/1.1\r\n\r\n",
            b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_what_is_not_http_closes_the_connection(self, line: Line, garbage: bytes) -> None:
        """Nothing of it reaches the worker, nor what follows it."""
        heard = line.send(garbage, NEXT)

        assert line.transport.closed
        assert heard == []
        assert line.transport.written.startswith(b"HTTP/1.1 400 ")

    def test_a_head_without_end_is_given_up(self, line: Line) -> None:
        """2 MB of header lines are the most that is kept: the X-Ray cause may be 1 MB."""
        line.send(b"POST /x HTTP/1.1\r\nA: ", *([bytes(65536)] * 33))

        assert line.transport.closed

    def test_an_answer_out_of_turn_is_400_and_no_more(self, line: Line) -> None:
        """WorkerProtocolError becomes an answer; the connection lives on."""
        heard = line.send(post("invocation/stale/response", b"{}"), NEXT)

        assert line.transport.written.startswith(b"HTTP/1.1 400 ")
        assert heard == [("next",)]

    def test_other_paths_are_404(self, line: Line) -> None:
        """The embedded Lambda has no SnapStart: restore/next is nothing it knows."""
        line.send(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n")

        assert line.transport.written.startswith(b"HTTP/1.1 404 ")

    def test_a_write_after_hanging_up_is_dropped(self, line: Line) -> None:
        """A worker may be killed between asking and being given."""
        line.protocol.connection_lost(None)
        line.protocol.write(b"event")

        assert line.worker.heard == [("hung up",)]
        assert line.transport.written == b""
