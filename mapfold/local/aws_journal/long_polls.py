"""ReceiveMessage in steps that do not wait, so that a consumer of a queue holds nobody else up.

How long it may wait, and whether receiving moves messages to a dead-letter queue, is asked of the queue first. While
there is no message to be seen, that is all that is asked: a consumer that waits leaves nothing in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlencode

import orjson

from mapfold.local.aws_journal.requests import Answer

NOTHING_NEW_SECONDS = 1.0
"""Even when nothing was sent: a message may have become visible again."""

SOON_SECONDS = 0.05
"""Between two looks, however much changes meanwhile: a map run's puts and updates come by the thousand a second."""

_LONGEST_WAIT_SECONDS = 20.0
_ATTRIBUTES = ["ReceiveMessageWaitTimeSeconds", "RedrivePolicy", "ApproximateNumberOfMessages"]
_MESSAGES = re.compile(rb'"Messages": ?\[ ?\{|<Message>')


@dataclass(frozen=True, slots=True)
class Poll:
    """How a ReceiveMessage goes: how long it waits, and whether even one that finds nothing may change something.

    `is_empty`: no message is to be seen now. One that was seen too often is, until receiving moves it away: then
    fewer are `visible`.
    """

    wait_seconds: float
    moves_messages: bool
    is_empty: bool
    visible: int = 0

    @classmethod
    def of(cls, settings: Answer, body: bytes) -> Self:
        """From GetQueueAttributes' answer and the request's body. Nothing is waited for at a queue that is not found."""
        content = settings.content()
        if settings.code != 200:
            return cls(0.0, True, False)  # moto may find it: by the path, which names it too
        attributes = orjson.loads(content).get("Attributes") or {}
        asked = _fields(body).get("WaitTimeSeconds", attributes.get("ReceiveMessageWaitTimeSeconds", 0))
        try:
            wait = float(asked)
        except (TypeError, ValueError):
            wait = 0.0  # moto will say what is wrong with it
        is_empty = attributes.get("ApproximateNumberOfMessages") == "0"
        moves_messages = "RedrivePolicy" in attributes and not is_empty
        visible = int(attributes.get("ApproximateNumberOfMessages") or 0)
        return cls(min(max(wait, 0.0), _LONGEST_WAIT_SECONDS), moves_messages, is_empty, visible)


def settings_request(environ: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """GetQueueAttributes of the queue that a ReceiveMessage names, as the same caller: WSGI variables and body."""
    asked = {
        **environ,
        "HTTP_X_AMZ_TARGET": "AmazonSQS.GetQueueAttributes",
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "QUERY_STRING": "",
    }
    return asked, orjson.dumps({"QueueUrl": _fields(body).get("QueueUrl", ""), "AttributeNames": _ATTRIBUTES})


def without_wait(environ: Mapping[str, Any], body: bytes) -> bytes:
    """The body of the same request that answers at once, unless its wait is one that moto would refuse."""
    fields = _fields(body)
    try:
        if not 0 <= float(fields.get("WaitTimeSeconds", 0)) <= _LONGEST_WAIT_SECONDS:
            return body
    except (TypeError, ValueError):
        return body
    if environ.get("HTTP_X_AMZ_TARGET"):
        return orjson.dumps({**fields, "WaitTimeSeconds": 0})
    pairs = [pair for pair in parse_qsl(body.decode("latin-1"), keep_blank_values=True) if pair[0] != "WaitTimeSeconds"]
    return urlencode([*pairs, ("WaitTimeSeconds", "0")]).encode()


def has_messages(content: bytes) -> bool:
    """Whether a ReceiveMessage's answer has any."""
    return _MESSAGES.search(content) is not None


def _fields(body: bytes) -> dict[str, Any]:
    if body.lstrip().startswith(b"{"):
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
        return fields if isinstance(fields, dict) else {}
    return {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
