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
    return _make(after, question)


def read_token(token: str, question: Sequence[Any]) -> int | None:
    """Where a token goes on; None for the empty token. InvalidToken if it is not ours, or asks something else."""
    if not token:
        return None
    after = _read(token, question)
    if type(after) is not int or not 0 <= after < 1 << 62:  # SQLite has no more
        raise _invalid_token()
    return after


def cut_page(rows: Sequence[T], size: int, question: Sequence[Any], key: Callable[[T], int]) -> tuple[list[T], str]:
    """The first `size` rows of those found (ask for one more than the page), and the next token ("": no more)."""
    if len(rows) <= size:
        return list(rows), ""
    return list(rows[:size]), make_token(key(rows[size - 1]), question)


def page_of(
    rows: Sequence[T], size: int, token: str, question: Sequence[Any], *, key: Callable[[T], Any]
) -> tuple[list[T], str]:
    """A page of rows that are all in memory, in the order of their keys (numbers or texts), and the next token."""
    after = _read(token, question) if token else None
    left = rows
    if after is not None:
        if type(after) is not type(key(rows[0]) if rows else after):
            raise _invalid_token()
        left = [row for row in rows if key(row) > after]
    if len(left) <= size:
        return list(left), ""
    return list(left[:size]), _make(key(left[size - 1]), question)


def with_token(answer: dict[str, Any], token: str) -> dict[str, Any]:
    """`answer` with its nextToken, if there is one."""
    if token:
        answer["nextToken"] = token
    return answer


def _make(after: Any, question: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([after, _digest(question)])).decode()


def _read(token: str, question: Sequence[Any]) -> Any:
    try:
        after, digest = orjson.loads(base64.urlsafe_b64decode(token.encode("ascii")))
    except (ValueError, TypeError) as error:  # TypeError: JSON, but no list
        raise _invalid_token() from error
    if digest != _digest(question):
        raise _invalid_token()
    return after


def _invalid_token() -> Fault:
    return Fault("InvalidToken", "Invalid Token: 'Invalid token'")


def _digest(question: Sequence[Any]) -> str:
    return hashlib.sha256(orjson.dumps(list(question))).hexdigest()[:16]
