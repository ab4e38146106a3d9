"""Task tokens: what a `.waitForTaskToken` task or an activity is answered by.

A token is made from what the history tells of an attempt, and from nothing else: so an attempt that was cut off by a
crash has the same token when it goes on, and every other attempt has another. It is opaque to workers, base64 as AWS's.
"""

from __future__ import annotations

import base64
import hashlib

HEADER = bytes((0, 0, 0, 42, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1))
"""The first bytes of every token, as AWS's begin: `AAAAKgAAAAIAAAAA…`."""
DIGEST_BYTES = 24


def make_token(execution: str, redrives: int, event: int) -> str:
    """The token of an attempt of the execution (its ARN) that follows the event with this id.

    `redrives` is how often the execution was redriven: a redrive may do again what follows the same event.
    """
    body = f"{redrives}.{event}.{execution}".encode()
    return base64.b64encode(HEADER + _digest(body) + body).decode()


def execution_of(token: str) -> str:
    """The ARN of the execution that a token was made for. ValueError if it is no token of ours."""
    raw = base64.b64decode(token, validate=True)
    at = len(HEADER) + DIGEST_BYTES
    body = raw[at:]
    if raw[: len(HEADER)] != HEADER or raw[len(HEADER) : at] != _digest(body):
        raise ValueError("no task token")
    return body.decode().split(".", 2)[2]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES, person=b"task-token").digest()
