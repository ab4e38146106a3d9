"""What becomes of a child that did not succeed: it is final, or its items go on as pieces. One rule, for all who ask.

A batch whose worker died (it ran out of time or memory, or the process exited) is cut into two halves. An item that died
alone is tried once more, for it may have been the machine; then it has failed. A batch that failed with an error of its
own (BatchFailed, a fold that raised) is final: its worker lived, and told all that there is to tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Any

OUT_OF_TIME_DEATHS = frozenset({"Sandbox.Timedout", "States.Timeout"})
DEATHS = OUT_OF_TIME_DEATHS | {"Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"}
"""Errors that say that the worker is gone, and with it what it knew.

Lambda.Unknown is what Step Functions makes of an answer of Lambda that names no error: older runtimes told so of functions
that ran out of time or memory (Step Functions' guide, "Handle Lambda service exceptions").
"""

TRIES_ALONE = 2
"""An item whose worker has died so often, with nothing but this item, has failed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Items that are run as a child of their own. `tries`: how often their worker has died already, with just these."""

    items: Sequence[Mapping[str, Json]]
    tries: int = 0

    def line(self) -> bytes:
        """As the ItemReader of IsolatePieces reads it."""
        return json.dumps({"items": self.items, "tries": self.tries}, separators=(",", ":")).encode()


def pieces_of(record: Mapping[str, Json], *, stopped: bool = False) -> list[Piece]:
    """What is run next of a child that did not succeed, from its execution record. Nothing: its end is final.

    stopped: its map run was stopped because too many items had failed, and goes on; then what it had not begun, or not
    brought to an end, is run as it is.
    """
    child = child_of(record)
    items, tries = child.get("Items") or [], int(child.get("tries") or 0)
    if not items:
        return []
    if record.get("Status") in ("PENDING", "ABORTED"):
        return [Piece(items, tries)] if stopped else []
    if not has_died(record):
        return []
    if len(items) == 1:
        return [Piece(items, tries + 1)] if tries + 1 < TRIES_ALONE else []
    middle = len(items) // 2
    return [Piece(items[:middle]), Piece(items[middle:])]


def has_died(record: Mapping[str, Json]) -> bool:
    """Whether the worker of a child died, and not its items failed."""
    return record.get("Status") == "TIMED_OUT" or record.get("Error") in DEATHS


def child_of(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """The input of the child that a record tells of: {"BatchInput", "Items", "tries"?}."""
    given = record.get("Input") or "{}"
    child = json.loads(given) if isinstance(given, str) else given
    return child if isinstance(child, dict) else {}
