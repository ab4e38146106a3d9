"""Histories of EXPRESS children, from a server on loopback that answers as the embedded AWS does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mapfold.client import Unreachable
from mapfold.client.express_history import express_events
from mapfold.client.values import Event


class Answers(BaseHTTPRequestHandler):
    """Pages of one event; whoever asks for the second page has taken the first."""

    asked: list[dict[str, str]] = []  # noqa: RUF012 - the server makes a handler for each request; emptied by the fixture
    status = 200

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        self.asked.append(query)
        number = int(query.get("nextToken", "1"))
        event: dict[str, Any] = {"id": number, "previousEventId": number - 1, "timestamp": 1.5, "type": "T"}
        event["stateEnteredEventDetails"] = {"name": "S"}
        body = json.dumps({"events": [event], **({"nextToken": str(number + 1)} if number < 3 else {})}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    Answers.asked, Answers.status = [], 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_come_in_pages_as_they_are_taken(url: str) -> None:
    """The second page is asked for when the first has been gone through."""
    first = next(express_events(url, "arn", newest_first=True, page=1))
    asked = len(Answers.asked)
    everything = list(express_events(url, "arn", newest_first=False, page=1))

    assert first == Event(1, 0, "T", 1.5, {"name": "S"})
    assert asked == 1
    assert [event.id for event in everything] == [1, 2, 3]
    assert Answers.asked[0] == {"executionArn": "arn", "maxResults": "1", "reverseOrder": "true"}


def test_a_server_that_knows_no_such_history_has_no_events(url: str) -> None:
    """Another stand-in for AWS, or a top-level EXPRESS execution."""
    Answers.status = 404

    assert list(islice(express_events(url, "arn", newest_first=False, page=1), 5)) == []


def test_a_server_that_is_away_is_unreachable() -> None:
    """As with any other call."""
    with pytest.raises(Unreachable, match="nothing answers"):
        list(express_events("http://127.0.0.1:1", "arn", newest_first=False, page=1))
