"""Checks of a scope as a whole: its transitions, and the names of its states and variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mapfold.states.definition import Node
from mapfold.states.effects import Json

NAME_LIMIT = 80
MISSING_TARGET = "MISSING_TRANSITION_TARGET"
DUPLICATE_NAME = "DUPLICATE_STATE_NAME"

Place = tuple[str | int, ...]


def check_names(scope: Node, states: Mapping[str, Json]) -> None:
    """Report state names that are too long, or used before anywhere in the machine."""
    for name in states:
        if len(name) > NAME_LIMIT:
            scope.problem(f"State name must have at most {NAME_LIMIT} characters", "States", name)
        places = scope.build.state_places
        if name in places:
            scope.problem(f"Duplicate State name: {name}, also at {places[name]}", "States", name, code=DUPLICATE_NAME)
        places.setdefault(name, f"{scope.at}/States/{name}")


def check_transitions(scope: Node, states: Mapping[str, Json]) -> None:
    """Report targets that are no state of the scope, and states that nothing leads to."""
    start = scope.fields.get("StartAt")
    if isinstance(start, str) and start not in states:
        scope.problem(f"Missing 'StartAt' target: {start}", "StartAt", code=MISSING_TARGET)
    reached = {start} if isinstance(start, str) else set(states)
    waiting = [name for name in reached if name in states]
    while waiting:
        for _, target in find_targets(states[waiting.pop()]):
            if target in states and target not in reached:
                reached.add(target)
                waiting.append(target)
    for name, fields in states.items():
        for place, target in find_targets(fields):
            if target not in states:
                scope.problem(f"Missing '{place[-1]}' target: {target}", "States", name, *place, code=MISSING_TARGET)
        if name not in reached and start in states:
            scope.problem(f'State "{name}" is not reachable.', "States", name, code=MISSING_TARGET)


def find_targets(fields: Json) -> Iterator[tuple[Place, str]]:
    """Every transition of a state: the place of the field, and the state that it names."""
    if not isinstance(fields, dict):
        return
    for name in ("Next", "Default"):
        if isinstance(fields.get(name), str):
            yield (name,), fields[name]
    for name in ("Choices", "Catch"):
        for index, member in enumerate(_members(fields, name)):
            if isinstance(member.get("Next"), str):
                yield (name, index, "Next"), member["Next"]


def assigned_names(states: Mapping[str, Json]) -> frozenset[str]:
    """The variables that a scope assigns anywhere: in its states, their choice rules and their catchers."""
    return frozenset(name for fields in states.values() for name in _assigned_in(fields))


def _assigned_in(fields: Json) -> Iterator[str]:
    if not isinstance(fields, dict):
        return
    for holder in (fields, *_members(fields, "Choices"), *_members(fields, "Catch")):
        assign = holder.get("Assign")
        if isinstance(assign, dict):
            yield from (key.removesuffix(".$") for key in assign)


def _members(fields: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    members = fields.get(name)
    return [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []
