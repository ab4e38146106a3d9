"""Functions that take functions: $map, $filter, $single, $reduce, $sift, $each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError
from mapfold.states.jsonata_language.running import Run, apply, arity_of
from mapfold.states.jsonata_language.values import Sequence, truth


def _caller(run: Run, function: Any) -> Callable[[Any, Any, Any], Any]:
    """Calls a function with as many of value, position (or key) and whole as it takes."""
    most = max(1, min(arity_of(function), 3))
    depth = run.depth

    def call(value: Any, place: Any, whole: Any) -> Any:
        return apply(function, [value, place, whole][:most], None, run, depth)

    return call


def map_array(run: Run, array: Any, function: Any) -> Any:
    """`$map(array, function)`."""
    if array is UNDEFINED:
        return UNDEFINED
    call = _caller(run, function)
    values = (call(value, place, array) for place, value in enumerate(array))
    return Sequence(value for value in values if value is not UNDEFINED)


def filter_array(run: Run, array: Any, function: Any) -> Any:
    """`$filter(array, function)`."""
    if array is UNDEFINED:
        return UNDEFINED
    call = _caller(run, function)
    return Sequence(value for place, value in enumerate(array) if truth(call(value, place, array)))


def single(run: Run, array: Any, function: Any) -> Any:
    """`$single(array, function)`."""
    if array is UNDEFINED:
        return UNDEFINED
    call = None if function is UNDEFINED else _caller(run, function)
    found: Any = _NONE
    for place, value in enumerate(array):
        if call is None or truth(call(value, place, array)):
            if found is not _NONE:
                raise JsonataError("D3138", index=place)
            found = value
    if found is _NONE:
        raise JsonataError("D3139")
    return found


_NONE = object()


def reduce_array(run: Run, array: Any, function: Any, initial: Any) -> Any:
    """`$reduce(array, function, initial)`."""
    if array is UNDEFINED:
        return UNDEFINED
    arity = arity_of(function)
    if arity < 2:
        raise JsonataError("D3050", index=1)
    depth = run.depth
    skip = 1 if initial is UNDEFINED and array else 0
    result = array[0] if skip else initial
    for place in range(skip, len(array)):
        result = apply(function, [result, array[place], place, array][: min(arity, 4)], None, run, depth)
    return result


def sift(run: Run, members: Any, function: Any) -> Any:
    """`$sift(members, function)`."""
    call = _caller(run, function)
    sifted = {key: value for key, value in _items(members) if truth(call(value, key, members))}
    return sifted or UNDEFINED


def each(run: Run, members: Any, function: Any) -> Any:
    """`$each(members, function)`."""
    call = _caller(run, function)
    values = (call(value, key, members) for key, value in _items(members))
    return Sequence(value for value in values if value is not UNDEFINED)


def _items(members: Any) -> list[tuple[str, Any]]:
    return list(members.items()) if isinstance(members, Mapping) else []


HIGHER_ORDER: Table = {
    "map": define(map_array, "<af>"),
    "filter": define(filter_array, "<af>"),
    "single": define(single, "<af?>"),
    "reduce": define(reduce_array, "<afj?:j>"),
    "sift": define(sift, "<o-f?:o>"),
    "each": define(each, "<o-f:a>"),
}
