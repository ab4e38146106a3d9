"""Workflow variables: looked up in the scope and its outer ones, assigned when a state is left."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from mapfold.states.effects import Json, StateError
from mapfold.states.frame import PAYLOAD_LIMIT, Frame, encode
from mapfold.states.json_path import MISSING

NAME_LIMIT = 80


def is_variable_name(name: str) -> bool:
    """Whether a variable may be called so: a Unicode identifier of at most 80 characters, and not `states`."""
    return 0 < len(name) <= NAME_LIMIT and unicodedata.normalize("NFC", name).isidentifier() and name[0] != "_"


def read_variable(name: str, frame: Frame) -> Json:
    """The value of `name` (without `$`), or MISSING."""
    value = frame.variables.get(name, MISSING)
    return frame.outer.get(name, MISSING) if value is MISSING else value


def visible_variables(frame: Frame) -> Mapping[str, Json]:
    """All variables that expressions of the current state see."""
    return {**frame.outer, **frame.variables} if frame.outer else frame.variables


def encode_assigned(assigned: Mapping[str, Json]) -> dict[str, str]:
    """The JSON text of each assigned value, as exit events carry them; StateError if they are too large together."""
    texts = {name: encode(value) for name, value in assigned.items()}
    if sum(len(text.encode()) for text in texts.values()) > PAYLOAD_LIMIT:
        raise StateError(
            "States.DataLimitExceeded",
            "The size of the assigned variables exceeds the maximum number of bytes service limit.",
        )
    return texts
