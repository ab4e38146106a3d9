"""A job for tests whose items are the members of a JSON object: a list of their keys' and values' texts."""

from __future__ import annotations

from typing import Any

from mapfold import Context, Job, JsonPairs

job = Job("pairs", source=JsonPairs("/prices"))


@job.map
def price(item: dict[str, Any], context: Context) -> dict[str, Any]:
    """One member."""
    return {item["key"]: item["value"]}


@job.fold
def add(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both."""
    return {**one, **other}
