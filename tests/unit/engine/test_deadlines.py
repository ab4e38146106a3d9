"""TimeoutSeconds of many tasks on one timer: who expires, who does not, and whose cancellation it was."""

from __future__ import annotations

import asyncio

from mapfold.local.engine.deadlines import Deadline, Deadlines


class Tasks:
    """Tasks that wait for ever, each within a limit of its own. `ended`: name -> how, in that order."""

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.running: dict[str, Deadline] = {}
        self.ended: dict[str, str] = {}

    async def run(self, name: str, seconds: float, *, work: float = 60.0) -> None:
        deadline = self.running[name] = Deadline()
        self.deadlines.start(deadline, seconds)
        try:
            await asyncio.sleep(work)
            self.ended[name] = "done"
        except asyncio.CancelledError:
            if not deadline.has_expired():
                self.ended[name] = "cancelled"
                raise
            self.ended[name] = "expired"
        finally:
            self.deadlines.stop(deadline)


class TestDeadlines:
    async def test_each_expires_in_its_time(self) -> None:
        """Tasks with the same limit in the order in which they began, others by their own limit."""
        tasks = Tasks()

        async with asyncio.TaskGroup() as group:
            for name, seconds in (("a", 0.04), ("b", 0.04), ("short", 0.01)):
                group.create_task(tasks.run(name, seconds))

        assert list(tasks.ended.items()) == [("short", "expired"), ("a", "expired"), ("b", "expired")]

    async def test_who_ends_in_time_is_left_alone(self) -> None:
        """Also when it was the one that the timer was for; the next one still expires."""
        tasks = Tasks()

        async with asyncio.TaskGroup() as group:
            group.create_task(tasks.run("quick", 0.03, work=0.0))
            group.create_task(tasks.run("slow", 0.03))

        assert tasks.ended == {"quick": "done", "slow": "expired"}

    async def test_a_cancellation_from_outside_is_no_timeout(self) -> None:
        """It goes on to whoever asked for it."""
        tasks = Tasks()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(tasks.run("stopped", 60))
            await asyncio.sleep(0)
            task.cancel()

        assert tasks.ended == {"stopped": "cancelled"}
        assert task.cancelled()

    async def test_a_cancellation_that_comes_with_the_timeout_is_kept(self) -> None:
        """A task that is stopped in the moment it expires is stopped."""
        tasks = Tasks()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(tasks.run("both", 60))
            await asyncio.sleep(0)
            tasks.running["both"].expire()
            task.cancel()

        assert tasks.ended == {"both": "cancelled"}

    async def test_a_task_that_expired_can_go_on(self) -> None:
        """The cancellation was taken back: a retry may wait again."""
        tasks = Tasks()

        async def twice() -> None:
            await tasks.run("first", 0.01)
            await tasks.run("second", 60, work=0.0)

        await asyncio.create_task(twice())

        assert tasks.ended == {"first": "expired", "second": "done"}
