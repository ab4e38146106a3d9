"""moto's application with a journal around it.

Requests take turns: the identifiers that moto draws for a change must not depend on who else draws at the same time.
That costs nothing, for moto works in one interpreter; bodies are read and answers are sent outside of it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mapfold.local.aws_journal.bodies import Bodies, IncompleteBody
from mapfold.local.aws_journal.bucket_owner import owner_refusal
from mapfold.local.aws_journal.changes import Kind, action_of, is_made_in_parts, kind_of
from mapfold.local.aws_journal.errors import NotKept
from mapfold.local.aws_journal.journal import Journal
from mapfold.local.aws_journal.long_polls import (
    NOTHING_NEW_SECONDS,
    SOON_SECONDS,
    Poll,
    has_messages,
    settings_request,
    without_wait,
)
from mapfold.local.aws_journal.outgoing import Deliveries, outgoing
from mapfold.local.aws_journal.records import DONE, FAILED, Record, SideBody
from mapfold.local.aws_journal.refusals import refusal
from mapfold.local.aws_journal.reproducible import reproducible
from mapfold.local.aws_journal.requests import Answer, Application, ask, for_moto, kept

LONGEST_TURN_SECONDS = 60.0
"""A request that waits longer for its turn is refused: something hangs, and who waits for it should hear."""


class _Busy(Exception):
    """The turn did not come."""


@dataclass(frozen=True, slots=True)
class _Request:
    environ: dict[str, Any]
    body: bytes
    side: SideBody | None


class Journaled:
    """WSGI: `application`, every change of which is in `journal` before its answer is sent.

    `settled` is called after each change, in the request's turn. `unkept` is the application itself, for who has `turn`.
    """

    def __init__(
        self,
        application: Application,
        journal: Journal,
        bodies: Bodies,
        *,
        clock: Callable[[], float] = time.time,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self.unkept = application
        self._journal, self._bodies = journal, bodies
        self._clock, self._settled = clock, settled
        self._deliveries = Deliveries()
        self.turn = threading.Lock()
        self._changed = threading.Condition()
        self._changes = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = self._answer(environ)
        start_response(answer.status, answer.headers)
        return answer.body

    def _answer(self, environ: dict[str, Any]) -> Answer:
        try:
            body, side = self._bodies.read(environ)
        except IncompleteBody as error:
            return refusal(environ, "400 Bad Request", "IncompleteBody", f"{error}. Nothing was changed.")
        except NotKept as error:
            return _not_kept(environ, error)
        if refused := owner_refusal(environ):
            self._bodies.remove(side)
            return refused
        request = _Request(kept(environ), body, side)
        kind = kind_of(request.environ, body)
        try:
            if kind is Kind.PASS:
                return self._ask(request)
            if kind is Kind.READ:
                # One moment for all of it: a message that is seen again between two counts of a queue would be in neither.
                with self._my_turn(), reproducible(secrets.randbits(62), self._clock()):
                    return self._ask(request)
            if action_of(request.environ, body) == "ReceiveMessage":
                return self._receive(request)
            with self._my_turn():
                answer = self._change(request)
            self._tell_of_change()
            return answer
        except NotKept as error:
            self._bodies.remove(side)
            return _not_kept(environ, error)
        except _Busy:
            self._bodies.remove(side)
            return refusal(
                environ,
                "503 Service Unavailable",
                "ServiceUnavailable",
                f"Another request has been at work for {LONGEST_TURN_SECONDS:.0f} s. Nothing was changed.",
            )
        finally:
            if kind is not Kind.CHANGE:
                self._bodies.remove(side)  # it is open, and goes when it has been read

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self.turn.acquire(timeout=LONGEST_TURN_SECONDS):
            raise _Busy
        try:
            yield
        finally:
            self.turn.release()

    def _ask(self, request: _Request) -> Answer:
        size = len(request.body) if request.side is None else request.side.size
        body = self._bodies.open(request.body, request.side)
        try:
            return ask(self.unkept, for_moto(request.environ, body, size))
        finally:
            if request.side is not None:
                body.close()

    def _change(
        self,
        request: _Request,
        *,
        keep: Callable[[Answer], bool] = lambda answer: True,
        moment: float | None = None,
    ) -> Answer:
        """Do it, and have it in the journal unless it was refused, or `keep` says that it changed nothing."""
        seed, moment = secrets.randbits(62), self._clock() if moment is None else moment
        start = self._journal.begin(Record(request.environ, request.body, seed, moment, request.side))
        try:
            with reproducible(seed, moment), outgoing(self._deliveries.send):
                answer = self._ask(request)
        except BaseException:
            self._journal.settle(start, FAILED)
            raise
        was_refused = 400 <= answer.code < 500 and not is_made_in_parts(action_of(request.environ, request.body))
        if was_refused or not keep(answer):
            self._journal.take_back(start)
            self._bodies.remove(request.side)
        else:
            self._journal.settle(start, DONE if answer.code < 400 else FAILED)
            self._settled()
        return answer

    def _receive(self, request: _Request) -> Answer:
        """ReceiveMessage: it may wait for messages, and must not do so in its turn."""
        asked = _Request(*settings_request(request.environ, request.body), None)
        once = _Request(request.environ, without_wait(request.environ, request.body), None)
        deadline: float | None = None
        while True:
            seen, looked_at = self._changes, time.monotonic()
            with self._my_turn():
                moment = self._clock()
                with reproducible(0, moment):  # what is visible when we look is what is visible when we receive
                    poll = Poll.of(self._ask(asked), request.body)
                deadline = looked_at + poll.wait_seconds if deadline is None else deadline
                left = deadline - time.monotonic()
                if not poll.is_empty or left <= 0:
                    answer, content = self._receive_once(once, asked, poll, moment)
                    if answer.code != 200 or has_messages(content) or left <= 0:
                        return Answer(answer.status, answer.headers, [content])
            self._wait_for_change(seen, min(left, NOTHING_NEW_SECONDS))
            time.sleep(max(0.0, min(looked_at + SOON_SECONDS, deadline) - time.monotonic()))  # others have their turns

    def _receive_once(self, once: _Request, asked: _Request, poll: Poll, moment: float) -> tuple[Answer, bytes]:
        """The answer, and its content whole. It is in the journal if it has messages, or moved some.

        Messages that are seen and not received may be those of a FIFO queue's group, another of which is in flight.
        """
        found: list[bytes] = []

        def keep(answer: Answer) -> bool:
            found.append(answer.content())
            return has_messages(found[0]) or (poll.moves_messages and self._visible(asked, moment) != poll.visible)

        answer = self._change(once, keep=keep, moment=moment)
        return answer, found[0] if found else answer.content()

    def _visible(self, asked: _Request, moment: float) -> int | None:
        """How many messages are to be seen at that moment; None where nothing says so, which is never what it was."""
        with reproducible(0, moment):
            answer = self._ask(asked)
            return Poll.of(answer, asked.body).visible if answer.code == 200 else None

    def _wait_for_change(self, seen: int, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen, seconds)

    def _tell_of_change(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()


def _not_kept(environ: dict[str, Any], error: NotKept) -> Answer:
    return refusal(
        environ,
        "503 Service Unavailable",
        "ServiceUnavailable",
        f"The embedded AWS cannot keep what it changes: {error}. Is the disk full?",
    )
