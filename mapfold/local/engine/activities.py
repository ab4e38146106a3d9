"""Activities: tasks that wait in a line until a worker asks for one (GetActivityTask), and answers it by its token.

One line an activity. In it wait either tasks, the longest scheduled first, or workers, the longest asking first; never
both. What waits costs a future, and nothing polls. A line has nothing to do with whether its activity exists: that may
be deleted while tasks wait, and made again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from mapfold.local.engine.tokens import Answer, TaskTokens
from mapfold.states.effects import RunTask

POLL_SECONDS = 60.0
"""How long GetActivityTask waits for a task (API Reference: GetActivityTask)."""
MOST_POLLERS = 1_000
"""Workers that may ask for tasks of one activity at once (Step Functions service quotas)."""


@dataclass(frozen=True, slots=True)
class ActivityTask:
    """What a worker is given. `input` is JSON text."""

    token: str
    input: str


class _Scheduled:
    """A task in a line. `begin` is called when a worker takes it; `is_over` says that nobody may any more."""

    __slots__ = ("begin", "is_over", "task")

    def __init__(self, task: ActivityTask, begin: Callable[[str | None], None]) -> None:
        self.task = task
        self.begin = begin
        self.is_over = False


_Poll = asyncio.Future[_Scheduled | None]


class _Line:
    __slots__ = ("polls", "tasks")

    def __init__(self) -> None:
        self.tasks: OrderedDict[_Scheduled, None] = OrderedDict()
        self.polls: OrderedDict[_Poll, None] = OrderedDict()


class Activities:
    """The lines of all activities. Methods are called on the event loop's thread.

    `exists` says whether there is an activity with an ARN.
    """

    def __init__(self, tokens: TaskTokens, exists: Callable[[str], bool]) -> None:
        self.exists = exists
        self._tokens = tokens
        self._lines: dict[str, _Line] = {}
        self._closed = False

    async def run(self, effect: RunTask, started: Callable[[], None]) -> Answer:
        """Let a worker do the task, from its place in the line to its answer: an integration.

        One that was cut off after a worker had taken it is only waited for. TimeoutSeconds and HeartbeatSeconds count
        from when a worker takes it: in the line nothing times out (guide: Troubleshooting activities).
        """
        opened = self._tokens.open(effect.token or "", heartbeat_seconds=effect.heartbeat_seconds)

        def begin(worker: str | None) -> None:
            effect.worker = worker
            started()
            opened.beat()

        scheduled = _Scheduled(ActivityTask(opened.token, effect.text or ""), begin)
        try:
            if effect.went_on is None or effect.went_on.started is None:
                self._offer(effect.resource.arn, scheduled)
            else:
                opened.beat()
            return await opened.answer()
        finally:
            opened.close()
            self._withdraw(effect.resource.arn, scheduled)

    def is_crowded(self, arn: str) -> bool:
        """Whether as many workers as there may be ask for tasks of the activity already."""
        line = self._lines.get(arn)
        return line is not None and len(line.polls) >= MOST_POLLERS

    async def poll(self, arn: str, worker: str | None, *, seconds: float = POLL_SECONDS) -> ActivityTask | None:
        """The activity's next task, which has begun then; None if none comes in time.

        Who is cancelled takes no task: one that was meant for it goes to the next worker, or to the head of the line.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (scheduled := await self._next(arn, until - loop.time())) is not None:
            if not scheduled.is_over:
                scheduled.is_over = True
                scheduled.begin(worker)
                return scheduled.task
        return None

    def close(self) -> None:
        """The server ends: who asks for a task, now or later, is told at once that there is none."""
        self._closed = True
        for line in self._lines.values():
            for poll in line.polls:
                if not poll.done():
                    poll.set_result(None)

    async def _next(self, arn: str, seconds: float) -> _Scheduled | None:
        if self._closed:
            return None
        line = self._line(arn)
        if line.tasks:
            scheduled, _ = line.tasks.popitem(last=False)
            self._tidy(arn)
            return scheduled
        poll: _Poll = asyncio.get_running_loop().create_future()
        line.polls[poll] = None
        try:
            await asyncio.wait({poll}, timeout=max(0.0, seconds))
            return poll.result() if poll.done() else None
        except asyncio.CancelledError:
            if poll.done() and (given := poll.result()) is not None:
                self._offer(arn, given, first=True)
            raise
        finally:
            line.polls.pop(poll, None)
            self._tidy(arn)

    # --- the lines ------------------------------------------------------------------------------------------

    def _offer(self, arn: str, scheduled: _Scheduled, *, first: bool = False) -> None:
        if scheduled.is_over:
            return
        line = self._line(arn)
        while line.polls:
            poll, _ = line.polls.popitem(last=False)
            if not poll.done():  # it is, where we are closed
                poll.set_result(scheduled)
                return
        line.tasks[scheduled] = None
        if first:
            line.tasks.move_to_end(scheduled, last=False)

    def _withdraw(self, arn: str, scheduled: _Scheduled) -> None:
        """The task has ended, in the hands of a worker or before one took it."""
        scheduled.is_over = True
        line = self._lines.get(arn)
        if line is not None:
            line.tasks.pop(scheduled, None)
            self._tidy(arn)

    def _line(self, arn: str) -> _Line:
        line = self._lines.get(arn)
        if line is None:
            line = self._lines[arn] = _Line()
        return line

    def _tidy(self, arn: str) -> None:
        line = self._lines.get(arn)
        if line is not None and not line.tasks and not line.polls:
            del self._lines[arn]
