"""The item and execution counts of a map run, as DescribeMapRun shows them.

All items of a child share its fate. `pending` is what is left of `total`, so the parts always add up.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """One of the two count objects of DescribeMapRun."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    aborted: int = 0
    total: int = 0
    results_written: int = 0
    failures_not_redrivable: int = 0
    pending_redrive: int = 0

    def as_api(self) -> dict[str, int]:
        """The object with the API's names."""
        return {
            "pending": self.pending,
            "running": self.running,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "timedOut": self.timed_out,
            "aborted": self.aborted,
            "total": self.total,
            "resultsWritten": self.results_written,
            "failuresNotRedrivable": self.failures_not_redrivable,
            "pendingRedrive": self.pending_redrive,
        }


@dataclass(frozen=True, slots=True)
class MapRunCounts:
    """Both count objects at one moment."""

    items: Counts
    executions: Counts


class Tally:
    """Counts that change: plain attributes, because they are touched four times a child."""

    __slots__ = (
        "aborted",
        "failed",
        "not_redrivable",
        "pending_redrive",
        "results_written",
        "running",
        "succeeded",
        "timed_out",
    )

    def __init__(self) -> None:
        self.running = 0
        self.succeeded = 0
        self.failed = 0
        self.timed_out = 0
        self.aborted = 0
        self.results_written = 0
        self.pending_redrive = 0
        """Unsuccessful ones that wait to run again: in none of the other counts meanwhile."""
        self.not_redrivable = 0
        """How many of the unsuccessful ones stay what they are."""

    @property
    def started(self) -> int:
        """All that ever began, whatever became of it."""
        ended = self.succeeded + self.failed + self.timed_out + self.aborted
        return self.running + ended + self.pending_redrive

    @property
    def failures(self) -> int:
        """What counts against the tolerance: failed and timed out, not aborted."""
        return self.failed + self.timed_out

    def add(self, status: str, count: int) -> None:
        """`count` more have ended with `status`, before this process or without running again."""
        self.running += count
        self.end(status, count)

    def end(self, status: str, count: int) -> None:
        """`count` of the running ones have ended with `status`."""
        self.running -= count
        match status:
            case "SUCCEEDED":
                self.succeeded += count
            case "FAILED":
                self.failed += count
            case "TIMED_OUT":
                self.timed_out += count
            case "ABORTED":
                self.aborted += count
            case _:
                raise ValueError(f"a child ended with {status!r}; expected SUCCEEDED, FAILED, TIMED_OUT or ABORTED")

    def snapshot(self, *, pending: int) -> Counts:
        """The counts now, with `pending` more that have not begun."""
        return Counts(
            pending=pending,
            running=self.running,
            succeeded=self.succeeded,
            failed=self.failed,
            timed_out=self.timed_out,
            aborted=self.aborted,
            total=self.started + pending,
            results_written=self.results_written,
            failures_not_redrivable=self.not_redrivable,
            pending_redrive=self.pending_redrive,
        )
