"""Checks of a machine as a whole: the names of its states, and its transitions.

The service looks at these once every state is well formed; so the problems found here are told apart (`Node.flaw`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mapfold.errors import Problem
from mapfold.states import problems
from mapfold.states.definition import Build, Node
from mapfold.states.effects import Json

NAME_LIMIT = 80

Place = tuple[str | int, ...]


def check_names(scope: Node, states: Mapping[str, Json]) -> None:
    """Report state names that are too long, or used before anywhere in the machine."""
    known = scope.build.state_names
    for name in states:
        if len(name) > NAME_LIMIT:
            text = f"State '{name}' exceeds the {NAME_LIMIT}-character limit allowed by the service"
            scope.flaw(problems.STATE_NAME, f"Invalid State name: {text}", "States", name)
        if name in known:
            scope.flaw(problems.STATE_TWICE, f"Duplicate State name: {name}", "States", name)
        known.add(name)


def check_transitions(scope: Node, states: Mapping[str, Json]) -> None:
    """Report targets that are no state of the scope, states that no transition names, and a scope without an end.

    Whatever field a target stands in, the service calls it `Next`. Where nothing ends the scope, it does not look for
    states that are not reached.
    """
    reached: set[str] = set()
    for place, target in _transitions(scope, states):
        reached.add(target)
        if target not in states:
            scope.flaw(problems.NO_TARGET, f"Missing 'Next' target: {target}", *place)
    if not any(_is_terminal(fields) for fields in states.values()):
        scope.build.flaws.append(Problem(problems.NO_END, "Workflow has no terminal state", None))
        return
    for name in states:
        if name not in reached:
            scope.flaw(problems.NO_TARGET, f'State "{name}" is not reachable.', "States", name)


def all_problems(build: Build) -> list[Problem]:
    """What to report of one compilation: what is wrong with fields, or else with names and transitions."""
    return build.problems or build.flaws


def _transitions(scope: Node, states: Mapping[str, Json]) -> Iterator[tuple[Place, str]]:
    start = scope.fields.get("StartAt")
    if isinstance(start, str):
        yield ("StartAt",), start
    for name, fields in states.items():
        for place, target in find_targets(fields):
            yield ("States", name, *place), target


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


def _is_terminal(fields: Json) -> bool:
    return isinstance(fields, dict) and (fields.get("Type") in ("Succeed", "Fail") or fields.get("End") is True)


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
