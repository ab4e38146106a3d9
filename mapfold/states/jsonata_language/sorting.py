"""The merge sort of JSONata: stable, and with a comparison that says whether the first value comes after the second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mapfold.states.jsonata_language.running import AT_ONCE, Run


def merge_sort(items: list[Any], comes_after: Callable[[Any, Any], bool], run: Run) -> list[Any]:
    """A sorted array; one of a single member, or none, is given back as it is."""
    if len(items) <= AT_ONCE:
        return _sorted(items, comes_after, run)

    def counted(one: Any, other: Any) -> bool:
        run.spend(1)
        return comes_after(one, other)

    return _sorted(items, counted, run)


def _sorted(items: list[Any], comes_after: Callable[[Any, Any], bool], run: Run) -> list[Any]:
    if len(items) <= 1:
        return items
    middle = len(items) // 2
    left = _sorted(list(items[:middle]), comes_after, run)
    right = _sorted(list(items[middle:]), comes_after, run)
    run.spend(len(items))
    merged: list[Any] = []
    one = other = 0
    while one < len(left) and other < len(right):
        if comes_after(left[one], right[other]):
            merged.append(right[other])
            other += 1
        else:
            merged.append(left[one])
            one += 1
    merged += left[one:]
    merged += right[other:]
    return merged
