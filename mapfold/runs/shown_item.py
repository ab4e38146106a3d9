"""An item as it is told to people, and digested: the author's item, wherever a batch's input is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapfold.job import Job


def shown_item(job: Job, raw: Any, batch: Mapping[str, Any]) -> Any:
    """The author's item, or `raw` itself where it is so broken that none can be made of it. `batch`: its BatchInput."""
    if batch.get("listed"):
        return raw
    try:
        return job.source.item(raw, batch.get("source") or {})
    except Exception:  # noqa: BLE001 - this is the report of an error already
        return raw
