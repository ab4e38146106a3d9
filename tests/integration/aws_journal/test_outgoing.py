"""What moto sends to others because of a change (rules: `mapfold/local/aws_journal/outgoing.py`)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import orjson

from mapfold.local.aws_journal.records import Record
from tests.integration.aws_journal.moto_in_process import kept_moto, tell
from tests.unit.aws_journal.builders import S3, record, s3

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


def sns(action: str, **fields: str) -> Record:
    headers = {
        "HTTP_AUTHORIZATION": S3.replace("/s3/", "/sns/"),
        "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
    }
    body = urlencode({"Action": action, "Version": "2010-03-31", **fields}).encode()
    return record("POST", "/", "", body, **headers)


@contextmanager
def subscriber(hear: Callable[[bytes], None]) -> Iterator[str]:
    """A server on loopback that answers after `hear` has had what was posted; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hear(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


def test_a_subscriber_hears_a_message_once_and_may_call_back(tmp_path: Path) -> None:
    """It changes something before it answers. At the next start the message is published again, to nobody."""
    heard: queue.Queue[tuple[str, int]] = queue.Queue()
    with kept_moto(tmp_path) as kept:

        def hear(posted: bytes) -> None:
            answer = tell(kept.application, s3("PUT", "/meanwhile"))
            answer.close()
            heard.put((orjson.loads(posted)["Message"], answer.code))

        with subscriber(hear) as url:
            tell(kept.application, sns("CreateTopic", Name="topic")).close()
            tell(kept.application, sns("Subscribe", TopicArn=TOPIC, Protocol="http", Endpoint=url)).close()
            published = tell(kept.application, sns("Publish", TopicArn=TOPIC, Message="news"))
            published.close()
            first = heard.get(timeout=10)
            with kept_moto(tmp_path):
                pass

    assert published.code == 200
    assert first == ("news", 200)
    assert heard.empty()
