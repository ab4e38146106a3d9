"""Functions of arrays."""

from __future__ import annotations

from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError
from mapfold.states.jsonata_language.running import Run, apply
from mapfold.states.jsonata_language.sorting import merge_sort
from mapfold.states.jsonata_language.values import Sequence, append, deep_equal, is_numeric, truth


def append_values(run: Run, first: Any, second: Any) -> Any:
    """`$append(first, second)`."""
    run.hold(8 * ((len(first) if isinstance(first, list) else 1) + (len(second) if isinstance(second, list) else 1)))
    return append(first, second)


def reverse(run: Run, array: Any) -> Any:
    """`$reverse(array)`."""
    if array is UNDEFINED or len(array) <= 1:
        return array
    return list(reversed(array))


def shuffle(run: Run, array: Any) -> Any:
    """`$shuffle(array)`."""
    if array is UNDEFINED or len(array) <= 1:
        return array
    drawn = run.random.random
    return sorted(array, key=lambda value: drawn())  # thrice as quick as Random.shuffle


def distinct(run: Run, array: Any) -> Any:
    """`$distinct(array)`."""
    if not isinstance(array, list) or len(array) <= 1:
        return array
    found: list[Any] = Sequence() if type(array) is Sequence else []
    scalars: set[Any] = set()
    for value in array:
        if isinstance(value, list | dict):
            run.spend(len(found))
            run.weigh(value)
            if not any(deep_equal(value, known) for known in found):
                found.append(value)
            continue
        mark = (type(value) is bool, value)
        if mark not in scalars:
            scalars.add(mark)
            found.append(value)
    return found


def sort(run: Run, array: Any, comparator: Any) -> Any:
    """`$sort(array, comparator)`."""
    if array is UNDEFINED or len(array) <= 1:
        return array
    if comparator is UNDEFINED:
        if not _all_numeric(array) and not all(type(value) is str for value in array):
            raise JsonataError("D3070")
        run.spend(len(array))
        return sorted(array)
    depth = run.depth

    def comes_after(one: Any, other: Any) -> bool:
        return _is_truthy(apply(comparator, [one, other], None, run, depth))

    return merge_sort(array, comes_after, run)


def _all_numeric(array: list[Any]) -> bool:
    return all(is_numeric(value) for value in array)


def _is_truthy(value: Any) -> bool:
    """JavaScript's truth, which takes every object and array for true."""
    return isinstance(value, dict | list) or truth(value)


def zip_arrays(run: Run, *arrays: Any) -> list[Any]:
    """`$zip(*arrays)`."""
    if not all(isinstance(array, list) for array in arrays):
        return []
    run.hold(8 * (len(arrays) + 1) * min(map(len, arrays), default=0))
    return [list(row) for row in zip(*arrays, strict=False)]


ARRAYS: Table = {
    "append": define(append_values, "<xx:a>"),
    "reverse": define(reverse, "<a:a>"),
    "shuffle": define(shuffle, "<a:a>"),
    "distinct": define(distinct, "<x:x>"),
    "sort": define(sort, "<af?:a>"),
    "zip": define(zip_arrays, "<a+>", 0),
}
