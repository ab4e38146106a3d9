"""A job for tests whose partials are so large that they are folded in groups, and then lie in S3."""

from __future__ import annotations

from mapfold import Context, Job, JsonLines

INLINE = 199_990
"""With the quotes around it as long as a partial in a payload may be, but for a few characters."""

job = Job("large", source=JsonLines(), batch_items=1, memory_mb=1024)


@job.map
def text(item: int, context: Context) -> str:
    """A long text: 36 MB of them are more than one Lambda folds at once."""
    return "x" * INLINE


@job.fold
def add(one: str, other: str) -> str:
    """One character more than the longer one, so that a few folded no longer fit into a payload."""
    return max(one, other, key=len) + "+"


@job.finish
def length(folded: str) -> int:
    """The result need not be long."""
    return len(folded)
