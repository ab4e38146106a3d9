"""What moto sends to others over HTTP because of a change: SNS to its http subscribers, Firehose to its endpoints.

It is sent after the change, by a thread of its own, for who gets it may ask moto for something before answering, and
the change has the turn. And it is sent once: not again when the change is done again.

moto sends with `requests`, whose adapter is ours in its process, for the thread that works on a change.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)

MOST_WAITING = 1000
_SECONDS = 10.0
"""How long one may take to be connected, and then to answer."""

Send = Callable[[Any], None]
"""Takes a `requests.PreparedRequest`."""


class _Change(threading.local):
    send: Send | None = None


_change = _Change()


@contextmanager
def outgoing(send: Send) -> Iterator[None]:
    """Inside, what this thread sends with `requests` goes to `send`, and is answered 200 with nothing."""
    _change.send = send
    try:
        yield
    finally:
        _change.send = None


def to_nobody(request: Any) -> None:
    """It was sent the first time."""


class Deliveries:
    """Sends one after the other, in a thread that begins with the first. What is lost is in the log."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Any] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    def send(self, request: Any) -> None:
        """Send it, soon. Called in turn."""
        try:
            self._waiting.put_nowait(request)
        except queue.Full:
            log.warning("%s was not sent: %d others are waiting", request.url, MOST_WAITING)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        import requests

        while True:
            request = self._waiting.get()
            try:
                with requests.Session() as session:
                    session.send(request, timeout=_SECONDS).close()
            except requests.RequestException as error:
                log.warning("%s was not sent: %s", request.url, error)


def install() -> None:
    """Let `outgoing` work in this process, from now on."""
    import requests.sessions
    from requests import Response
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def send(self, request: Any, *more: Any, **settings: Any) -> Response:
            if _change.send is None:
                return super().send(request, *more, **settings)
            _change.send(request)
            answer = Response()
            answer.status_code, answer.request, answer.url = 200, request, request.url
            return answer

    sessions: Any = requests.sessions
    sessions.HTTPAdapter = Adapter  # what a session takes when it is made
