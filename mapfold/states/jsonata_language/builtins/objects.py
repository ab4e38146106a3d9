"""Functions of objects, and of any value."""

from __future__ import annotations

import json
from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED
from mapfold.states.jsonata_language.running import Run, is_function
from mapfold.states.jsonata_language.text import string_text
from mapfold.states.jsonata_language.values import Sequence, append, in_order, is_numeric, lookup, truth


def keys(run: Run, value: Any) -> Sequence:
    """`$keys(value)`."""
    names: dict[str, Any] = {}
    _add_keys(value, names)
    return Sequence(in_order(names))


def _add_keys(value: Any, names: dict[str, Any]) -> None:
    if type(value) is dict:
        names.update(dict.fromkeys(value))
    elif isinstance(value, list):
        for member in value:
            _add_keys(member, names)


def lookup_name(run: Run, value: Any, name: Any) -> Any:
    """`$lookup(value, name)`."""
    return lookup(value, "undefined" if name is UNDEFINED else name)


def spread(run: Run, value: Any) -> Any:
    """`$spread(value)`."""
    if type(value) is dict:
        return Sequence({key: member} for key, member in value.items())
    if not isinstance(value, list):
        return value
    found: Any = Sequence()
    for member in value:
        found = append(found, spread(run, member))
    return found


def merge(run: Run, objects: Any) -> Any:
    """`$merge(objects)`."""
    if objects is UNDEFINED:
        return UNDEFINED
    merged: dict[str, Any] = {}
    for members in objects:
        merged.update(members)
    return in_order(merged)


def exists(run: Run, value: Any) -> bool:
    """`$exists(value)`."""
    return value is not UNDEFINED


def type_name(run: Run, value: Any) -> Any:
    """`$type(value)`."""
    if value is UNDEFINED:
        return UNDEFINED
    if value is None:
        return "null"
    if is_numeric(value):
        return "number"
    if is_function(value):
        return "function"
    for kind, name in ((str, "string"), (bool, "boolean"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"


def boolean(run: Run, value: Any) -> Any:
    """`$boolean(value)`."""
    return UNDEFINED if value is UNDEFINED else truth(value)


def negate(run: Run, value: Any) -> Any:
    """`$not(value)`."""
    return UNDEFINED if value is UNDEFINED else not truth(value)


def clone(run: Run, value: Any) -> Any:
    """A copy, by way of the text that `$string` gives: functions are empty strings in it."""
    if value is UNDEFINED:
        return UNDEFINED
    run.weigh(value)
    return json.loads(string_text(value))


OBJECTS: Table = {
    "keys": define(keys, "<x-:a<s>>"),
    "lookup": define(lookup_name, "<x-s:x>"),
    "spread": define(spread, "<x-:a<o>>"),
    "merge": define(merge, "<a<o>:o>"),
    "exists": define(exists, "<x:b>"),
    "type": define(type_name, "<x:s>"),
    "boolean": define(boolean, "<x-:b>"),
    "not": define(negate, "<x-:b>"),
    "clone": define(clone, "<(oa)-:o>"),
}
