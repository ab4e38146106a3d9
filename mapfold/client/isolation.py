"""How the items of a run stand, where some of them ran again as pieces of batches whose worker died.

The map run over the items counts such a batch as failed with all its items, or as pending where it was stopped. Each round
of the isolation is a map run of its own, and an item that it brought to its end is no new one: it only stands better now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mapfold.client.values import Counts


def counted_together(items: Counts, rounds: Iterable[Counts]) -> Counts:
    """The counts of the map run over the items, with what the rounds of the isolation have changed.

    Which of the counts an item was in before, no round says: failed ones are taken first, for most were.
    """
    left = recovered = sum(counts.succeeded for counts in rounds)
    changed = {}
    for name in ("failed", "timed_out", "aborted", "pending"):
        taken = min(left, getattr(items, name))
        changed[name] = getattr(items, name) - taken
        left -= taken
    return replace(items, succeeded=items.succeeded + recovered - left, **changed)
