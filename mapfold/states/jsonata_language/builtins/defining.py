"""How a built-in function is put into a table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mapfold.states.jsonata_language.running import Native
from mapfold.states.jsonata_language.signatures import parse_signature

Table = Mapping[str, Native]


def define(call: Callable[..., Any], signature: str, arity: int | None = None) -> Native:
    """A function of a run and its parameters. `arity` where JavaScript counts fewer, as it does up to a default."""
    parameters = len(inspect.signature(call).parameters) - 1
    return Native(call, parse_signature(signature), parameters, parameters if arity is None else arity)
