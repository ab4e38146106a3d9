"""How the progress of a run is drawn: a live bar on a terminal, now and then a line anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from mapfold.cli.present import duration, number
from mapfold.client.follow import Progress, Watcher

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_FIRST_LINES_APART_SECONDS = 2.0
_LINES_APART_GROWTH = 1.5
_LINES_APART_LIMIT_SECONDS = 60.0


@contextmanager
def lines(stream: TextIO) -> Iterator[Watcher]:
    """A line when the stage changes, and then after two seconds, three, five, … up to a minute."""
    yield _Lines(stream)


@contextmanager
def bar(stream: TextIO) -> Iterator[Watcher]:
    """A bar that is drawn in place. Imports rich, which nothing else does."""
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as RichProgress

    drawn = RichProgress(
        SpinnerColumn(),
        TextColumn("{task.fields[stage]}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        console=Console(file=stream),
        refresh_per_second=8,
        transient=True,
    )
    with drawn:
        yield _Bar(drawn, drawn.add_task("", total=None, stage="starting", said=""))


def describe(progress: Progress) -> str:
    """`120 of 365 items · 15 of 46 batches · 48 items/s · 5.10 s left`; failures where there are any.

    While pieces of batches whose worker died run: `round 2: 3 of 8 pieces of batches that died`. From then on failures are
    left out, for the map run counts such a batch as failed with all its items.
    """
    if progress.pieces is not None:
        pieces = f"{progress.pieces.done:,} of {progress.pieces.total:,} pieces of batches that died"
        return f"round {progress.round}: {pieces}"
    items, batches = progress.items, progress.batches
    if not items.total and not batches.total:
        return f"{duration(progress.seconds)} so far"
    failed = items.failed + items.timed_out
    parts = [
        f"{items.done:,} of {items.total:,} items",
        f"{batches.done:,} of {batches.total:,} batches",
        f"{failed:,} failed" if failed and not progress.round else "",
        f"{number(round(progress.rate, 1))} items/s" if progress.rate else "",
        f"{duration(progress.seconds_left)} left" if progress.seconds_left else "",
    ]
    return " · ".join(part for part in parts if part)


class _Bar:
    def __init__(self, drawn: Bar, task: TaskID) -> None:
        self._drawn, self._task = drawn, task

    def progressed(self, progress: Progress, /) -> None:
        self._drawn.update(
            self._task,
            total=progress.items.total or None,
            completed=progress.items.done,
            stage=progress.stage or "starting",
            said=describe(progress),
        )


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage: str | None = None
        self._apart = _FIRST_LINES_APART_SECONDS
        self._next = 0.0

    def progressed(self, progress: Progress, /) -> None:
        if progress.status.is_terminal or (progress.stage == self._stage and progress.seconds < self._next):
            return
        if progress.stage == self._stage:
            self._apart = min(self._apart * _LINES_APART_GROWTH, _LINES_APART_LIMIT_SECONDS)
        self._stage = progress.stage
        self._next = progress.seconds + self._apart
        print(f"{progress.stage or 'starting'}: {describe(progress)}", file=self._stream, flush=True)
