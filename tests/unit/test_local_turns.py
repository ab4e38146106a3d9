"""How the embedded AWS shares the interpreter among its threads."""

from __future__ import annotations

import sys

from mapfold.local.turns import SWITCH_SECONDS, short_turns


def test_turns_are_short_inside_and_as_before_afterwards() -> None:
    """The interval is the whole process's: who embeds the server gets back what it had."""
    before = sys.getswitchinterval()

    with short_turns():
        inside = sys.getswitchinterval()

    assert (round(inside, 6), sys.getswitchinterval()) == (SWITCH_SECONDS, before)
