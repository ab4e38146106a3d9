"""Which variables each state of a machine reads: `variableReferences` of DescribeStateMachine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import orjson

from mapfold.states.effects import Json
from mapfold.states.jsonata import is_expression
from mapfold.states.jsonata_functions import FUNCTIONS
from mapfold.states.jsonata_language import JsonataError, parse_tree
from mapfold.states.jsonata_misuse import free_variables

_SCOPES = ("Branches", "ItemProcessor", "Iterator")
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'")
_REFERENCE = re.compile(r"(?<![\w$.\]])\$([^\W\d]\w*)")


@lru_cache(maxsize=16)
def _references(definition: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    machine = orjson.loads(definition)
    scopes = list(_scopes_of(machine))
    assigned = {name for scope in scopes for fields in scope.values() for name in _assigned_in(fields)}
    default = machine.get("QueryLanguage") if isinstance(machine, dict) else None
    found = []
    for scope in scopes:
        for name, fields in scope.items():
            language = fields.get("QueryLanguage", default)
            read = _jsonata_names(fields, assigned) if language == "JSONata" else _jsonpath_names(fields)
            names = tuple(dict.fromkeys(read))
            if names:
                found.append((name, names))
    return tuple(found)


def variable_references(definition: str) -> dict[str, list[str]]:
    """The names of the variables (without `$`) that each state reads, by the state's name, in order of appearance.

    `definition` is the JSON text of a valid machine. States that read no variable are left out, as the API reference
    has it; states of branches and processors are named as all others are.
    """
    return {name: list(names) for name, names in _references(definition)}


def _scopes_of(scope: Json) -> Iterator[dict[str, dict[str, Json]]]:
    """The states of a scope, then those of the scopes inside of it."""
    states = scope.get("States") if isinstance(scope, dict) else None
    if not isinstance(states, dict):
        return
    known = {name: fields for name, fields in states.items() if isinstance(fields, dict)}
    yield known
    for fields in known.values():
        for field in _SCOPES:
            inner = fields.get(field)
            for member in inner if isinstance(inner, list) else [inner]:
                yield from _scopes_of(member)


def _assigned_in(fields: dict[str, Json]) -> Iterator[str]:
    holders = [fields, *(member for key in ("Choices", "Catch") for member in fields.get(key) or ())]
    for holder in holders:
        if isinstance(holder, dict) and isinstance(holder.get("Assign"), dict):
            yield from (key.removesuffix(".$") for key in holder["Assign"])


def _texts(value: Json, key: str) -> Iterator[tuple[str, str]]:
    """Every string of a state with the key that it stands under; states inside of it are left out."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in _SCOPES:
                yield from _texts(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member, key)


def _jsonata_names(fields: dict[str, Json], assigned: set[str]) -> Iterator[str]:
    for _, text in _texts(fields, ""):
        if is_expression(text):
            for name in _names_in(text):
                if name != "states" and (name in assigned or name not in FUNCTIONS):
                    yield name


def _names_in(text: str) -> list[str]:
    try:
        return free_variables(parse_tree(text[2:-2].strip()))
    except (JsonataError, RecursionError):
        return []  # a machine with such an expression was never created, or fails when it evaluates it


def _jsonpath_names(fields: dict[str, Json]) -> Iterator[str]:
    """Paths and intrinsic functions stand under `….$`, `…Path` and `Variable`; `$` and `$$` are no variables."""
    for key, text in _texts(fields, ""):
        if key.endswith((".$", "Path")) or key == "Variable":
            yield from _REFERENCE.findall(_QUOTED.sub("''", text))
