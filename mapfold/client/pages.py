"""Long lists page by page, without anything being kept between two pages.

A list is a stream of entries: a value, and the position right behind it, from which the stream can be had again. `fill`
takes a page of them; `seal` makes an opaque token of the position, good only for the same question.

A page ends at its limit, or before what is in it grows too large for an answer of Lambda, or when it has taken too long:
then it is shorter, and the next one goes on behind it. Nothing is left out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mapfold.client.values import Json, Page
from mapfold.errors import UsageError

T = TypeVar("T")

ANSWER_BYTES = 5_000_000
"""Of a page's documents as they travel. Lambda answers with at most 6,291,556 bytes (Lambda quotas)."""

PAGE_SECONDS = 15.0
"""What a page may take. API Gateway waits 29 seconds, and the last entry may cost calls that are tried again."""

Entry = tuple[T, Json]
"""A value of a list and the position behind it; None behind the last one. A value may be None: nothing was found there."""


class BadToken(UsageError):
    """The `next` of a request is no token of ours, or of another list."""

    def __init__(self) -> None:
        super().__init__(
            "this `next` is not of this list. Give it as the page before gave it, with the same path and filters, and "
            "within 24 hours; or leave it out to start from the beginning."
        )


def seal(position: Json, question: Sequence[Json]) -> str | None:
    """The token of a position in the list that `question` asks for; None where there is nothing behind it."""
    if position is None:
        return None
    text = json.dumps([_digest(question), position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unseal(token: str | None, question: Sequence[Json]) -> Json:
    """The position that a token stands for; None, the beginning, without one. `BadToken` if it is not of this list."""
    if not token:
        return None
    try:
        digest, position = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadToken from error
    if digest != _digest(question) or position is None:
        raise BadToken
    return position


def fill(
    entries: Iterator[Entry[T | None]],
    document: Callable[[T], Json],
    *,
    limit: int,
    budget: int = ANSWER_BYTES,
    seconds: float = PAGE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[Json], Json]:
    """A page: the documents of the first entries, and the position behind them.

    At most `limit`, and no more than have `budget` bytes, but always one. No entry behind the page is asked for unless
    the budget ends it. When `seconds` have passed it ends behind the entry that it has, even if nothing was found so far:
    then the position has gone on.
    """
    documents: list[Json] = []
    position: Json = None
    end = clock() + seconds
    for value, behind in entries:
        if value is not None:
            made = document(value)
            budget -= travelling_bytes(made)
            if budget < 0 and documents:
                return documents, position
            documents.append(made)
        position = behind
        if len(documents) >= limit or clock() >= end:
            return documents, position
    return documents, None


def entries_of(fetch: Callable[[int, str | None], Page[T]], *, size: int, position: Json = None) -> Iterator[Entry[T]]:
    """The entries of a list that a service pages: `fetch(size, token)` gets a page.

    A position within a page is its own token and how many of its entries to skip: that page is fetched once more.
    """
    token, size, skip = (None, size, 0) if position is None else _checked(position)
    while True:
        page = fetch(size, token)
        last = len(page.items) - 1
        for index, value in enumerate(page.items[skip:], skip):
            behind = [token, size, index + 1] if index < last else [page.next, size, 0] if page.next else None
            yield value, behind
        if not page.next:
            return
        token, skip = page.next, 0


def travelling_bytes(document: Json) -> int:
    """Bytes of a document in an answer at most: it is a JSON text within a JSON text, where quotes are escaped."""
    return len(json.dumps(json.dumps(document, ensure_ascii=False, separators=(",", ":"))))


def _checked(position: Json) -> tuple[str | None, int, int]:
    match position:
        case [str() | None as token, int() as size, int() as skip] if 0 < size <= 1000 and 0 <= skip <= size:
            return token, size, skip
        case _:
            raise BadToken


def _digest(question: Sequence[Json]) -> str:
    return hashlib.sha256(json.dumps(list(question)).encode()).hexdigest()[:12]
