"""What an audit finds: findings, one by one, and the totals behind them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from mapfold.client.values import Json
from mapfold.errors import UsageError


class CannotAudit(UsageError):
    """There is nothing to hold a run against, or nothing of it that could be held."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run} cannot be audited: {reason.rstrip('.')}.")
        self.run, self.reason = run, reason


class Kind(StrEnum):
    """What is wrong with an item, or with the items of a batch."""

    MISSING = "missing"
    """It is in the manifest, and no batch had it."""
    TWICE = "twice"
    """More than one batch had it, and both are in the result or among the failed."""
    UNKNOWN = "unknown"
    """A batch had it, or failures.jsonl lists it, and it is not in the manifest."""
    ALTERED = "altered"
    """A batch had other items at these places than the manifest has there."""
    FAILURES = "failures"
    """A batch says that more, or fewer, of its items failed than failures.jsonl lists; or that lists an item twice."""
    COUNTS = "counts"
    """The run's record says other numbers than were counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold, at the item `index`, or at all from there to `last`.

    item: None where it is not known. run: of a chain of retries, the run that it is in.
    """

    kind: Kind
    index: int | None
    item: Json = None
    last: int | None = None
    detail: str = ""
    run: str = ""

    @property
    def items(self) -> int:
        """How many items it is about."""
        return 1 if self.last is None or self.index is None else self.last - self.index + 1

    def as_document(self) -> dict[str, Json]:
        """One of the `findings` of `mapfold audit --json`."""
        document: dict[str, Json] = {"kind": str(self.kind), "index": self.index, "item": self.item}
        document |= {"last": self.last} if self.last is not None else {}
        document |= {"detail": self.detail} if self.detail else {}
        return {**document, "run": self.run}


@dataclass(slots=True)
class Totals:
    """Items, as far as they have been looked at. manifest = succeeded + failed + not_reached where all holds."""

    manifest: int = 0
    succeeded: int = 0
    failed: int = 0
    not_reached: int = 0
    unread: int = 0
    """Of those not reached, items that no batch had been made of when the run stopped."""
    compared: int = 0
    """Items whose content was compared with what the batches had, and not only their places."""
    placed: int = 0
    """Items of which only the place was compared: what they are cannot be read here."""
    found: Counter[Kind] = field(default_factory=Counter)
    """Items by what is wrong with them."""

    def note(self, finding: Finding) -> Finding:
        """Count a finding; gives it back."""
        self.found[finding.kind] += finding.items
        return finding

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.found
