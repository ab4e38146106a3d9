"""$sum, $count, $max, $min, $average."""

from __future__ import annotations

from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED
from mapfold.states.jsonata_language.operators import OPERATORS
from mapfold.states.jsonata_language.running import Run
from mapfold.states.jsonata_language.values import as_double, exact


def total(run: Run, numbers: Any) -> Any:
    """`$sum(numbers)`."""
    if numbers is UNDEFINED:
        return UNDEFINED
    run.spend(len(numbers))
    try:
        return exact(sum(numbers))
    except OverflowError:
        return sum(map(as_double, numbers))


def count(run: Run, array: Any) -> int:
    """`$count(array)`."""
    return 0 if array is UNDEFINED else len(array)


def largest(run: Run, numbers: Any) -> Any:
    """`$max(numbers)`."""
    return max(numbers) if numbers else UNDEFINED


def smallest(run: Run, numbers: Any) -> Any:
    """`$min(numbers)`."""
    return min(numbers) if numbers else UNDEFINED


def average(run: Run, numbers: Any) -> Any:
    """`$average(numbers)`."""
    return OPERATORS["/"](total(run, numbers), len(numbers), run) if numbers else UNDEFINED


AGGREGATION: Table = {
    "sum": define(total, "<a<n>:n>"),
    "count": define(count, "<a:n>"),
    "max": define(largest, "<a<n>:n>"),
    "min": define(smallest, "<a<n>:n>"),
    "average": define(average, "<a<n>:n>"),
}
