"""How a child that did not succeed ended, in words: what failures.jsonl says of its items."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mapfold.runs.pieces import OUT_OF_TIME_DEATHS, child_of, has_died

NOT_STARTED = "Mapfold.NotStarted"


def how_it_ended(record: Mapping[str, Any], *, timeout_seconds: int | None = None) -> tuple[str, str]:
    """Error and message for the items of a child, from its execution record. timeout_seconds: the job's, if it is known."""
    status = str(record.get("Status") or "FAILED")
    if status == "PENDING":
        return NOT_STARTED, "the run stopped before this item"
    error = str(record.get("Error") or f"Execution{status.title().replace('_', '')}")
    told = readable_cause(record.get("Cause"), error=error)
    if not has_died(record):
        return error, told
    how_often = _how_often(child_of(record))
    if status == "TIMED_OUT" or error in OUT_OF_TIME_DEATHS:
        limit = "in time" if timeout_seconds is None else f"within {timeout_seconds} s (timeout_seconds)"
        return error, f"did not end {limit} {how_often}"
    said = _REQUEST.sub("", told)
    return error, f"its worker died {how_often}{': ' if said else ''}{said}"


def _how_often(child: Mapping[str, Any]) -> str:
    """How often an item died, and in which company: only a run that stopped early leaves batches that died whole."""
    others = len(child.get("Items") or ()) - 1
    if others:
        company = "another item" if others == 1 else f"{others} others"
        return f"in a batch with {company}, and the run stopped before it was known which of them did it"
    return f"{'twice' if child.get('tries') else 'once'}, alone with this item"


_REQUEST = re.compile(r"^RequestId: \S+ Error: ")
"""What Lambda puts before its reason; which request it was is in the log."""


def readable_cause(cause: str | None, *, error: str) -> str:
    """A cause in words: Lambda's is a JSON document, of which the message is what a reader wants.

    The type of the exception stands before it, unless that is `error`, which is shown beside it anyway.
    """
    if not cause:
        return ""
    try:
        document = json.loads(cause)
    except ValueError:
        return cause
    if not isinstance(document, dict) or "errorMessage" not in document:
        return cause
    kind = document.get("errorType")
    return f"{kind}: {document['errorMessage']}" if kind and kind != error else str(document["errorMessage"])
