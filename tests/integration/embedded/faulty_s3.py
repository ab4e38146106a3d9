"""A proxy in front of S3 that can be told to fail: to refuse, to break off in the middle, to be busy, to hang."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum

BREAK_AFTER_BYTES = 20_000
BUSY = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
_SECONDS = 30.0


class Fault(StrEnum):
    """What becomes of a connection."""

    NONE = "none"
    REFUSED = "refused"
    BROKEN = "broken"
    BUSY = "busy"
    HANGS = "hangs"


class FaultyS3:
    """Set `fault` at any time; connections that are open then are broken. `seen` counts connections while it fails.

    `target` is the port of what it stands in front of, which may become known later than its own.
    """

    def __init__(self) -> None:
        self.target = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._fault = Fault.NONE
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.seen = 0
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all of it."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.fault = Fault.NONE
        self._accepting.join(_SECONDS)
        for thread in self._threads:
            thread.join(_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        fault = self._fault
        with self._known(connection):
            if fault is not Fault.NONE:
                self.seen += 1
            with suppress(OSError):
                match fault:
                    case Fault.NONE:
                        self._pass_on(connection, None)
                    case Fault.BROKEN:
                        self._pass_on(connection, BREAK_AFTER_BYTES)
                    case Fault.REFUSED:
                        _reset(connection)
                    case Fault.BUSY:
                        connection.recv(65536)
                        head = f"HTTP/1.1 503 Slow Down\r\nContent-Length: {len(BUSY)}\r\nConnection: close\r\n\r\n"
                        connection.sendall(head.encode() + BUSY)
                    case Fault.HANGS:
                        while connection.recv(65536):
                            pass

    def _pass_on(self, connection: socket.socket, limit: int | None) -> None:
        """Copy in both directions; after `limit` bytes of answers, or so, break off."""
        with socket.create_connection(("127.0.0.1", self.target)) as server, self._known(server):
            back = threading.Thread(target=self._copy, args=(server, connection, limit))
            back.start()
            self._copy(connection, server, None)
            back.join(_SECONDS)

    def _copy(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(16384):
                target.sendall(data)
                if limit is not None:
                    limit -= len(data)
                    if limit <= 0:
                        self.seen += 1
                        _reset(target)
                        break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _known(self, connection: socket.socket) -> Iterator[None]:
        with closing(connection):
            with self._lock:
                self._open.add(connection)
            try:
                yield
            finally:
                with self._lock:
                    self._open.discard(connection)


def _reset(connection: socket.socket) -> None:
    """Break it off: reset when it is closed, and whoever still reads from it hears of it now."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty_s3() -> Iterator[FaultyS3]:
    """One that is well."""
    with closing(FaultyS3()) as proxy:
        yield proxy
