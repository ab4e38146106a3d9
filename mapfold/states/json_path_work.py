"""What following one JSONPath may cost: its steps are counted, so that no path holds the service up.

`$..[?(@..[?(@..a)])]` looks at everything below everything, and `/(a+)+b/` over forty letters tries a billion ways.
Paths are followed one after the other, never two at once: each compiled path counts for itself, anew each time.
"""

from __future__ import annotations

from typing import Final

from mapfold.states.effects import StateError

STEP_LIMIT: Final = 500_000
"""Values looked at, and steps of regular expressions, of one path: about half a second."""


class Work:
    """What is left of a path's steps."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = STEP_LIMIT

    def begin(self) -> None:
        """The path is followed anew."""
        self._left = STEP_LIMIT

    def spend(self, steps: int) -> None:
        """Count steps. Raises StateError (States.Runtime) beyond the limit."""
        self._left -= steps
        if self._left < 0:
            raise StateError("States.Runtime", f"The path takes more than {STEP_LIMIT} steps.")
