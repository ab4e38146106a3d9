"""When failed items fail a map run (ToleratedFailureCount, ToleratedFailurePercentage).

Items are counted, not children. Failed and timed-out ones count, aborted ones do not. With neither limit the first
failed item fails the run; with both, exceeding either does. The count can be judged at once; the percentage is of all
items, so it is judged when their number is known.
"""

from __future__ import annotations

from dataclasses import dataclass

ERROR = "States.ExceedToleratedFailureThreshold"
CAUSE = "The specified tolerated failure threshold was exceeded"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """`count` is a number of items, `percentage` is 0 to 100. `None`: not set."""

    count: int | None = None
    percentage: float | None = None

    def is_exceeded(self, *, failed: int, total: int | None) -> bool:
        """Whether `failed` items are too many. `total` is None while it is not known how many there are."""
        if not failed:
            return False
        if self.count is None and self.percentage is None:
            return True
        if self.count is not None and failed > self.count:
            return True
        return self.percentage is not None and total is not None and failed * 100 > self.percentage * total
