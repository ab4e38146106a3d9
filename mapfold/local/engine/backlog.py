"""Map runs that may be open at once; further ones wait for their turn (quotas: "Maximum number of open Map Runs")."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

OPEN_MAP_RUNS = 1_000


class Backlog:
    """Gives turns in the order in which they are asked for. A map run in the backlog has been started, with all counts 0.

    Map runs that are nested could wait for each other: a thousand open ones whose children all wait for a turn. What AWS
    does then is unconfirmed; here the owner lets one in beyond the limit (`let_in`).
    """

    def __init__(self, most: int = OPEN_MAP_RUNS) -> None:
        self._most = most
        self._open = 0
        self._waiting: OrderedDict[str, asyncio.Future[None]] = OrderedDict()

    @property
    def waiting(self) -> Iterable[str]:
        """The ARNs of those that wait, the longest first."""
        return self._waiting.keys()

    async def enter(self, arn: str) -> None:
        """Wait for a turn; `leave` gives it back."""
        if self._open < self._most and not self._waiting:
            self._open += 1
            return
        turn = self._waiting[arn] = asyncio.get_running_loop().create_future()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise
        finally:
            self._waiting.pop(arn, None)

    def leave(self) -> None:
        """Give the turn back, to the one that has waited the longest if there is room."""
        self._open -= 1
        while self._waiting and self._open < self._most:
            self.let_in(next(iter(self._waiting)))

    def let_in(self, arn: str) -> None:
        """Give one that waits its turn, whether there is room or not."""
        turn = self._waiting.pop(arn)
        if not turn.done():
            self._open += 1
            turn.set_result(None)
