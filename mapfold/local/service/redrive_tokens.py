"""RedriveExecution's client tokens: the same token redrives once."""

from __future__ import annotations

from collections import OrderedDict

TOKENS_KEPT = 10
TOKEN_SECONDS = 900.0


class RedriveTokens:
    """The client tokens that redrove an execution: the last 10 of each, for 15 minutes. A restart forgets them."""

    def __init__(self) -> None:
        self._dates: OrderedDict[tuple[str, str], float] = OrderedDict()
        """(execution, token) -> when it was used first, the oldest first."""

    def used(self, arn: str, token: str, now: float) -> float | None:
        """When the execution was redriven with this token; None if it was not, or too long ago."""
        while self._dates:
            oldest = next(iter(self._dates))
            if now - self._dates[oldest] < TOKEN_SECONDS:
                break
            del self._dates[oldest]
        return self._dates.get((arn, token))

    def use(self, arn: str, token: str, now: float) -> None:
        """Remember that the execution was redriven with this token."""
        self._dates[arn, token] = now
        known = [key for key in self._dates if key[0] == arn]
        for key in known[:-TOKENS_KEPT]:
            del self._dates[key]
