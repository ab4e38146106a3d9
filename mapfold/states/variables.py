"""Workflow variables: looked up in the scope and its outer ones, assigned when a state is left."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from mapfold.states.effects import Json, StateError
from mapfold.states.frame import PAYLOAD_LIMIT, Frame, encode
from mapfold.states.json_path import MISSING

NAME_LIMIT = 80
TOTAL_LIMIT = 10 * 1024 * 1024
"""Bytes that the variables of an execution may have together (Step Functions service quotas)."""


def is_variable_name(name: str) -> bool:
    """Whether a variable may be called so: a Unicode identifier of at most 80 characters, and not `states`."""
    return 0 < len(name) <= NAME_LIMIT and unicodedata.normalize("NFC", name).isidentifier() and name[0] != "_"


def read_variable(name: str, frame: Frame) -> Json:
    """The value of `name` (without `$`), or MISSING."""
    value = frame.variables.get(name, MISSING)
    return frame.outer.get(name, MISSING) if value is MISSING else value


def assign(assigned: Mapping[str, Json], frame: Frame) -> dict[str, str]:
    """Give variables of the frame's scope their values, all at once. The JSON text of each, as exit events carry them.

    Raises StateError, with nothing assigned, where they are too large together (and so each of them), or the scope
    would see more than an execution may hold.
    """
    texts = {name: encode(value) for name, value in assigned.items()}
    sizes = {name: len(text) if text.isascii() else len(text.encode()) for name, text in texts.items()}
    if sum(sizes.values()) > PAYLOAD_LIMIT:
        raise StateError(
            "States.DataLimitExceeded",
            "The size of the assigned variables exceeds the maximum number of bytes service limit.",
        )
    known = _sizes_of(frame)
    if frame.outer_bytes + sum({**known, **sizes}.values()) > TOTAL_LIMIT:
        raise StateError(
            "States.DataLimitExceeded",
            "The size of all variables of the execution exceeds the maximum number of bytes service limit.",
        )
    known.update(sizes)
    frame.variables.update(assigned)
    return texts


def _sizes_of(frame: Frame) -> dict[str, int]:
    """The bytes of each variable of the scope. After a restart they are counted anew, once."""
    sizes = frame.variable_sizes
    if sizes is None or len(sizes) != len(frame.variables):
        sizes = {name: len(encode(value).encode()) for name, value in frame.variables.items()}
        frame.variable_sizes = sizes
    return sizes
