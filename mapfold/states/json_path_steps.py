"""The steps of a JSONPath, and what each finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mapfold.states.effects import Json


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a definite path gives for a document that does not have it."""


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    index: int


@dataclass(frozen=True, slots=True)
class Slice:
    start: int | None
    stop: int | None
    step: int | None


@dataclass(frozen=True, slots=True)
class Union:
    members: tuple[Name | Index, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    pass


@dataclass(frozen=True, slots=True)
class Filter:
    matches: Callable[[Json, Json], bool]
    """Given a member and the document, whether the member stays."""


@dataclass(frozen=True, slots=True)
class Deep:
    """`..`: the step applied to the value and to everything below it."""

    step: Step


Step = Name | Index | Slice | Union | Wildcard | Filter | Deep


def find_definite(steps: tuple[Step, ...]) -> Callable[[Json], Json]:
    if not steps:
        return lambda document: document
    if len(steps) == 1 and isinstance(steps[0], Name):
        only = steps[0].name
        return lambda document: document.get(only, MISSING) if isinstance(document, dict) else MISSING

    def find(document: Json) -> Json:
        value = document
        for step in steps:
            value = step_into(value, step)
            if value is MISSING:
                return MISSING
        return value

    return find


def step_into(value: Json, step: Step) -> Json:
    if isinstance(step, Name):
        return value.get(step.name, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(step, Index) and isinstance(value, list) and -len(value) <= step.index < len(value):
        return value[step.index]
    return MISSING


def find_indefinite(steps: tuple[Step, ...]) -> Callable[[Json], Json]:
    def find(document: Json) -> Json:
        values = [document]
        for step in steps:
            values = [found for value in values for found in _expand(value, step, document)]
        return values

    return find


def _expand(value: Json, step: Step, document: Json) -> Iterator[Json]:
    """All that one step finds from one value."""
    if isinstance(step, Name | Index):
        found = step_into(value, step)
        if found is not MISSING:
            yield found
    elif isinstance(step, Slice):
        if isinstance(value, list):
            yield from value[step.start : step.stop : step.step]
    elif isinstance(step, Union):
        for member in step.members:
            yield from _expand(value, member, document)
    elif isinstance(step, Deep):
        for inner in _descend(value):
            yield from _expand(inner, step.step, document)
    elif isinstance(step, Filter):
        # Jayway filters the members of an array, and an object as one member of its own.
        members = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        yield from (member for member in members if step.matches(member, document))
    else:
        yield from _members(value)


def _members(value: Json) -> Sequence[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _descend(value: Json) -> Iterator[Json]:
    yield value
    for member in _members(value):
        yield from _descend(member)
