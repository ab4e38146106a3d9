"""What a look at a source gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mapfold.runs.looks.head import Head

TYPICAL_ITEM_BYTES = 100


@dataclass(frozen=True, slots=True)
class Look:
    """items: about how many there are; it need not be right, it only shapes batches.

    etag, version: which object it is that Plan saw; empty for a listing, "null" where the bucket has no versions.
    """

    items: int
    etag: str = ""
    version: str = ""


def look_of(head: Head, *, marks: int) -> Look:
    """From the `marks` items that were counted in the head's text."""
    return Look(estimate(head, marks=marks), head.etag, head.version)


def estimate(head: Head, *, marks: int) -> int:
    """About how many items an object has that has `marks` in its head."""
    if not head.size:
        return 0
    if head.text is None:
        return math.ceil(head.unpacked_size / TYPICAL_ITEM_BYTES)
    return marks if head.is_whole else math.ceil(head.unpacked_size / (len(head.text) / max(1, marks)))
