"""Paging tokens: opaque to callers, and good only for the same question.

A token carries where the listing goes on and a digest of the other arguments; as nothing is kept between pages, a token
outlives restarts. AWS lets them live 24 hours; ours do not age.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

from mapfold.local.service.faults import Fault

T = TypeVar("T")


def make_token(after: int, question: Sequence[Any]) -> str:
    """A token that goes on after `after` for the same `question`."""
    return base64.urlsafe_b64encode(orjson.dumps([after, _digest(question)])).decode()


def read_token(token: str, question: Sequence[Any]) -> int | None:
    """Where a token goes on; None for the empty token. InvalidToken if it is not ours, or asks something else."""
    if not token:
        return None
    try:
        after, digest = orjson.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise Fault("InvalidToken", "Invalid Token: 'Invalid token'") from error
    if not isinstance(after, int) or digest != _digest(question):
        raise Fault("InvalidToken", "Invalid Token: 'Invalid token'")
    return after


def cut_page(rows: Sequence[T], size: int, question: Sequence[Any], key: Callable[[T], int]) -> tuple[list[T], str]:
    """The first `size` rows of those found (ask for one more than the page), and the next token ("": no more)."""
    if len(rows) <= size:
        return list(rows), ""
    return list(rows[:size]), make_token(key(rows[size - 1]), question)


def with_token(answer: dict[str, Any], token: str) -> dict[str, Any]:
    """`answer` with its nextToken, if there is one."""
    if token:
        answer["nextToken"] = token
    return answer


def _digest(question: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(list(question))).hexdigest()[:16]
