"""The ends of TimeoutSeconds: one timer for all tasks with the same limit, in place of one for each.

With the same limit, what began first expires first: a dictionary keeps that order, and only its first entry needs a
timer. To enter and leave it costs 1.0 µs a task, `asyncio.timeout` 4.1.
"""

from __future__ import annotations

import asyncio


class Deadline:
    """The present task's. It counts from `Deadlines.start`; `has_expired` then tells whose cancellation came."""

    __slots__ = ("_cancelling", "_line", "_task", "at", "expired")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._line: _Line | None = None
        self.at = 0.0
        """The loop's time."""
        self.expired = False

    def expire(self) -> None:
        """Cancel the task."""
        self.expired = True
        self._line = None
        self._task.cancel()

    def has_expired(self) -> bool:
        """Whether the CancelledError that the task has caught is this deadline's alone. Ask once: it takes it back."""
        return self.expired and self._task.uncancel() <= self._cancelling


class Deadlines:
    """Tasks that may not take longer than so many seconds. Used on one event loop."""

    def __init__(self) -> None:
        self._lines: dict[float, _Line] = {}

    def start(self, deadline: Deadline, seconds: float) -> None:
        """Cancel `deadline`'s task in so many seconds, unless `stop` comes first."""
        line = self._lines.get(seconds)
        if line is None:
            line = self._lines[seconds] = _Line(seconds)
        deadline._line = line
        line.add(deadline)

    def stop(self, deadline: Deadline) -> None:
        """The task has ended, or never began: nothing is cancelled any more. Safe to repeat."""
        line, deadline._line = deadline._line, None
        if line is not None and line.remove(deadline):
            del self._lines[line.seconds]


class _Line:
    """Deadlines of one length, the first to expire first."""

    __slots__ = ("_entries", "_loop", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._entries: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, deadline: Deadline) -> None:
        deadline.at = self._loop.time() + self.seconds
        self._entries[deadline] = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline.at, self._look)

    def remove(self, deadline: Deadline) -> bool:
        """True if nothing is left, and no timer with it."""
        self._entries.pop(deadline, None)
        if self._entries:
            return False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return True

    def _look(self) -> None:
        """Some are due, or the one that the timer was for has ended: wait for the next."""
        now = self._loop.time()
        self._timer = None
        while self._entries:
            first = next(iter(self._entries))
            if first.at > now:
                self._timer = self._loop.call_at(first.at, self._look)
                return
            del self._entries[first]
            first.expire()
