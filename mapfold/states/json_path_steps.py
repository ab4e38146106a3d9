"""The steps of a JSONPath, and what each finds, by the rules of Jayway JsonPath, which the service uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapfold.states.effects import Json, StateError
from mapfold.states.java_text import java_text
from mapfold.states.json_path_work import Work


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a definite path gives for a document that does not have it."""


MATCH_LIMIT = 1_000_000
"""Values that a path may match on its way: four times what fits into a payload. `$..*..*..*` could be without end."""


class InvalidPathError(Exception):
    """A path that cannot be followed in this document, however much of it is there. The text is Jayway's."""


@dataclass(frozen=True, slots=True)
class Name:
    name: str

    def __str__(self) -> str:
        return f"['{self.name}']"


@dataclass(frozen=True, slots=True)
class Names:
    """Several names: the object's members of these names, as one object. Only the last step may be this."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "[" + ", ".join(f"'{name}'" for name in self.names) + "]"


@dataclass(frozen=True, slots=True)
class Index:
    index: int

    def __str__(self) -> str:
        return f"[{self.index}]"


@dataclass(frozen=True, slots=True)
class Indexes:
    """Several indexes: the list of the elements, with null for each that is not there."""

    indexes: tuple[int, ...]

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.indexes))}]"


@dataclass(frozen=True, slots=True)
class Slice:
    start: int | None
    stop: int | None
    step: int | None

    def __str__(self) -> str:
        bounds = ["" if bound is None else str(bound) for bound in (self.start, self.stop)]
        return f"[{':'.join(bounds)}]"


@dataclass(frozen=True, slots=True)
class Wildcard:
    def __str__(self) -> str:
        return "[*]"


@dataclass(frozen=True, slots=True)
class Filter:
    matches: Callable[[Json, Json], bool]
    """Given a member and the document, whether the member stays."""

    def __str__(self) -> str:
        return "[?]"


@dataclass(frozen=True, slots=True)
class Deep:
    """`..`: the step applied to the value and to everything below it."""

    step: Step

    def __str__(self) -> str:
        return f"..{self.step}"


Step = Name | Names | Index | Indexes | Slice | Wildcard | Filter | Deep
_PLACES = (Name, Names, Index)  # not `Name | Names | Index` in each call: making a union takes longer than the test


def is_definite(steps: tuple[Step, ...]) -> bool:
    """Whether the steps name one place. Several names count as one: they give one object."""
    return all(isinstance(step, _PLACES) for step in steps)


def find_definite(steps: tuple[Step, ...]) -> Callable[[Json], Json]:
    """What definite steps find in a document: the value, or MISSING."""
    if not steps:
        return lambda document: document
    if len(steps) == 1 and isinstance(steps[0], Name):
        only = steps[0].name
        return lambda document: document.get(only, MISSING) if isinstance(document, dict) else MISSING

    if isinstance(steps[-1], Names):
        return _find_names(steps)
    keys: tuple[Any, ...] = tuple(step.name if isinstance(step, Name) else getattr(step, "index", 0) for step in steps)

    def find(document: Json) -> Json:
        value = document
        for key in keys:  # without a call for each: a text is a member's name, a number an index
            if key.__class__ is str:
                if not isinstance(value, dict):
                    return MISSING
                value = value.get(key, MISSING)
            elif isinstance(value, list) and -len(value) <= key < len(value):
                value = value[key]
            else:
                return MISSING
        return value

    return find


def _find_names(steps: tuple[Step, ...]) -> Callable[[Json], Json]:
    lead, last = find_definite(steps[:-1]), steps[-1]

    def find(document: Json) -> Json:
        return step_into(lead(document), last)

    return find


def step_into(value: Json, step: Step) -> Json:
    """What one definite step finds in `value`, or MISSING."""
    if isinstance(step, Name):
        return value.get(step.name, MISSING) if isinstance(value, dict) else MISSING
    if isinstance(step, Index) and isinstance(value, list) and -len(value) <= step.index < len(value):
        return value[step.index]
    if isinstance(step, Names) and isinstance(value, dict):
        return {name: value[name] for name in step.names if name in value}
    return MISSING


def find_indefinite(steps: tuple[Step, ...], work: Work) -> Callable[[Json], Json]:
    """The list of all that the steps match: empty where nothing does, also where the way there is missing.

    Raises InvalidPathError for an index, slice or filter on a value that has no elements, where the way there is
    definite, and StateError where there is too much to look at, which `work` counts.
    """
    ahead = next(position for position, step in enumerate(steps) if not isinstance(step, Name | Index))
    lead, rest = find_definite(steps[:ahead]), steps[ahead:]

    def find(document: Json) -> Json:
        start = lead(document)
        if start is MISSING:
            return []
        check_elements(start, rest[0])
        values = [start]
        for step in rest:
            values = _expand_all(values, step, document, work)
        return values

    return find


def _expand_all(values: list[Json], step: Step, document: Json, work: Work) -> list[Json]:
    found: list[Json] = []
    work.spend(len(values))
    for value in values:
        found.extend(_expand(value, step, document, work))
        if len(found) > MATCH_LIMIT:
            raise StateError("States.Runtime", f"The path matches more than {MATCH_LIMIT} values.")
    return found


def check_elements(value: Json, step: Step) -> None:
    """Raise InvalidPathError if `step` wants an array (a filter: an array or object) and `value` is something else."""
    if value is None or isinstance(value, list):
        return
    if isinstance(step, Index | Indexes | Slice):
        raise InvalidPathError(f"Filter: {step} can only be applied to arrays. Current context is: {java_text(value)}")
    if isinstance(step, Filter) and not isinstance(value, dict):
        raise InvalidPathError(
            f"Filter: {step} can not be applied to primitives. Current context is: {java_text(value)}"
        )


def _expand(value: Json, step: Step, document: Json, work: Work) -> Iterator[Json]:
    """All that one step finds from one value."""
    if isinstance(step, _PLACES):
        found = step_into(value, step)
        if found is not MISSING:
            yield found
        elif isinstance(value, list) and isinstance(step, Index):
            yield None  # as Jackson's arrays have it, past their ends; what comes behind finds nothing in it
    elif isinstance(step, Indexes):
        for index in step.indexes:
            yield from _expand(value, Index(index), document, work)
    elif isinstance(step, Slice):
        if isinstance(value, list):
            yield from value[step.start : step.stop : step.step]
    elif isinstance(step, Deep):
        yield from _search(value, step.step, document, work)
    elif isinstance(step, Filter):
        # Jayway filters the members of an array, and an object as one member of its own.
        members = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        work.spend(len(members))
        yield from (member for member in members if step.matches(member, document))
    else:
        yield from _members(value)


def _search(value: Json, step: Step, document: Json, work: Work) -> Iterator[Json]:
    """What the step finds in the value and in all below it; a filter looks at each object once, as itself."""
    for inner in _descend(value):
        work.spend(1)
        if not isinstance(step, Filter) or isinstance(inner, dict):
            yield from _expand(inner, step, document, work)


def _members(value: Json) -> Sequence[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _descend(value: Json) -> Iterator[Json]:
    """The value and all below it, each before its members; without recursion, for documents of any depth."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(_members(current)))
