"""How often the server looks for garbage."""

from __future__ import annotations

import gc

from mapfold.local.garbage import THRESHOLDS, rare_collections


def test_collections_are_rare_while_the_server_answers() -> None:
    """What is there at the start is not searched, what comes later seldom; afterwards all is as it was."""
    before = gc.get_threshold()

    with rare_collections():
        during = gc.get_threshold(), gc.get_freeze_count()

    assert during[0] == THRESHOLDS
    assert during[1] > 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
