"""Task tokens that are waited for, and the answers that SendTaskSuccess and SendTaskFailure bring.

Whoever waits opens a token before the call that hands it out, since an answer may come at once, and closes it in the
end. An open token is in the store too, and so is its answer until the history has it: after a restart the same attempt
has the same token (`mapfold.states.task_token`), finds what was answered meanwhile, and waits on where nothing was.

Nothing polls: a token that waits costs one future, and a timer if it has a heartbeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import orjson

from mapfold.local.store import KeptAnswer
from mapfold.states.effects import RunTask, TaskFailed, TaskSucceeded

Answer = TaskSucceeded | TaskFailed


class TokenStore(Protocol):
    """Where open tokens are kept (`mapfold.local.store.TaskStore`)."""

    def take_open_tokens(self) -> dict[str, KeptAnswer | None]:
        """The tokens that a former process left open, with the answers that came to them."""
        ...

    def token_opened(self, token: str) -> None: ...

    def token_answered(self, token: str, answer: KeptAnswer) -> None: ...

    def tokens_closed(self, tokens: Iterable[str]) -> None: ...


class TaskTokens:
    """The open tokens of all executions. Methods are called on the event loop's thread.

    `answer` and `beat` return False for a token that is not open: it was never opened, was answered, or has timed out.
    What they change is queued to the store: flush it before the caller is told.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._open: dict[str, OpenToken] = {}
        self._left_behind: dict[str, KeptAnswer | None] = store.take_open_tokens()
        """Open tokens of the former process, until those who waited for them go on."""
        self._closed: list[str] = []
        self._leaving = False

    def open(self, token: str, *, heartbeat_seconds: float | None) -> OpenToken:
        """Wait for answers to `token` from now on; its heartbeat's clock stands until the first `beat`.

        If it was open in a former process, and answered meanwhile, the answer is there at once.
        """
        known = token in self._left_behind
        kept = self._left_behind.pop(token, None)
        opened = self._open[token] = OpenToken(token, heartbeat_seconds, self._forget)
        if not known:
            self._store.token_opened(token)
        if kept is not None:
            opened.settle(answer_of(kept))
        return opened

    def answer(self, token: str, answer: KeptAnswer) -> bool:
        """Give whoever waits for `token` its answer: only the first one counts."""
        opened = self._open.get(token)
        if opened is None:
            if token not in self._left_behind or self._left_behind[token] is not None:
                return False
            self._left_behind[token] = answer
        elif opened.is_settled:
            return False
        else:
            opened.settle(answer_of(answer))
        self._store.token_answered(token, answer)
        return True

    def beat(self, token: str) -> bool:
        """SendTaskHeartbeat: the heartbeat's clock starts again."""
        opened = self._open.get(token)
        if opened is None:
            return token in self._left_behind and self._left_behind[token] is None
        if opened.is_settled:
            return False
        opened.beat()
        return True

    def sweep(self) -> None:
        """Let the store forget closed tokens. Called when the events that tell of their ends were queued to it."""
        if self._closed:
            self._store.tokens_closed(self._closed)
            self._closed = []

    def forget_others(self, goes_on: Callable[[str], bool]) -> None:
        """Forget what a former process left open for executions that do not go on. `goes_on` is told each token."""
        over = [token for token in self._left_behind if not goes_on(token)]
        for token in over:
            del self._left_behind[token]
        self._store.tokens_closed(over)

    def leave(self) -> None:
        """The engine ends, and cuts off who waits: their tokens stay open in the store."""
        self._leaving = True

    def _forget(self, opened: OpenToken) -> None:
        if self._open.get(opened.token) is opened:
            del self._open[opened.token]
            if not self._leaving:
                self._closed.append(opened.token)


class OpenToken:
    """A token that somebody waits for. `close` it in the end, whatever happened: later answers are refused then."""

    __slots__ = ("_answer", "_due", "_forget", "_heartbeat", "_loop", "_timer", "token")

    def __init__(self, token: str, heartbeat_seconds: float | None, forget: Callable[[OpenToken], None]) -> None:
        self.token = token
        self._heartbeat = heartbeat_seconds
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Answer] = self._loop.create_future()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it has its answer, or has missed a heartbeat."""
        return self._answer.done()

    def settle(self, answer: Answer) -> None:
        """Give the answer to whoever waits; once."""
        self._answer.set_result(answer)

    def beat(self) -> None:
        """The heartbeat's clock starts, or starts again. Without HeartbeatSeconds there is none."""
        if self._heartbeat is None or self._answer.done():
            return
        self._due = self._loop.time() + self._heartbeat
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._look)

    async def answer(self) -> Answer:
        """What SendTaskSuccess or SendTaskFailure brought, or the failure of a missed heartbeat."""
        return await self._answer

    def close(self) -> None:
        """Nobody waits any more. Safe to repeat."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._forget(self)

    def _look(self) -> None:
        """The moment that the timer was for: heartbeats since then may have moved it on."""
        self._timer = None
        if self._answer.done():
            return
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._answer.set_result(TaskFailed("States.HeartbeatTimeout", None, timed_out=True))


def answer_of(kept: KeptAnswer) -> Answer:
    """The answer for the state that waits."""
    if kept.output is None:
        return TaskFailed(kept.error, kept.cause)
    return TaskSucceeded(orjson.loads(kept.output), kept.output)


async def wait_on(tokens: TaskTokens, effect: RunTask, started: Callable[[], None]) -> Answer:
    """How a `.waitForTaskToken` task goes on that was submitted before it was cut off: an integration.

    The time that nobody could send heartbeats does not count.
    """
    del started  # it had
    opened = tokens.open(effect.token or "", heartbeat_seconds=effect.heartbeat_seconds)
    try:
        opened.beat()
        return await opened.answer()
    finally:
        opened.close()
