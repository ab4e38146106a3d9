"""What a state made of its data on the way, for TestState.

A state that is compiled with `Notes` writes down each step of its data flow as it takes it. Without them nothing is
wrapped, so nothing is slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mapfold.states.effects import Json
from mapfold.states.frame import Frame
from mapfold.states.queries import Query

if TYPE_CHECKING:
    from mapfold.states.definition import Node

Notes = dict[str, Json]
"""The steps that were taken, by their names in TestState's inspectionData: `afterInputPath` -> the value after it."""

Place = Callable[[Json, Json, Frame], Json]
"""Takes the raw input, the result, and the frame."""

_WITH_ARGUMENTS = ("Task", "Parallel", "Pass")
_WITH_RESULT = ("Task", "Parallel", "Map", "Pass")


def note_input(node: Node, query: Query | None) -> Query | None:
    """InputPath, noted; that of a Parallel only where it is written down."""
    if node.fields.get("Type") == "Parallel" and not node.has("InputPath"):
        return query
    return _noted(node, "afterInputPath", query)


def note_arguments(node: Node, query: Query | None) -> Query | None:
    """Parameters or Arguments, noted where the state may have them; those of a Parallel only where they are written down."""
    kind = node.fields.get("Type")
    if kind == "Parallel" and not node.has("Arguments" if node.is_jsonata else "Parameters"):
        return query
    if kind not in _WITH_ARGUMENTS or (node.is_jsonata and kind == "Pass"):
        return query
    return _noted(node, "afterArguments" if node.is_jsonata else "afterParameters", query)


def note_selected(node: Node, query: Query | None) -> Query | None:
    """ResultSelector, noted where the state has a result."""
    return _noted(node, "afterResultSelector", query) if node.fields.get("Type") in _WITH_RESULT else query


def note_placed(node: Node, place: Place | None) -> Place | None:
    """ResultPath, noted where the state has a result."""
    notes = node.build.notes
    if notes is None or node.fields.get("Type") not in _WITH_RESULT:
        return place

    def noted(raw: Json, result: Json, frame: Frame) -> Json:
        value = notes["afterResultPath"] = result if place is None else place(raw, result, frame)
        return value

    return noted


def _noted(node: Node, name: str, query: Query | None) -> Query | None:
    notes = node.build.notes
    if notes is None:
        return query

    def noted(data: Json, frame: Frame) -> Json:
        value = notes[name] = data if query is None else query(data, frame)
        return value

    return noted
