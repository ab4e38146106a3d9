"""JSON texts, encoded once: orjson, and the standard library for what orjson refuses."""

from __future__ import annotations

import json

import orjson

from mapfold.states.effects import Json


def encode(value: Json) -> bytes:
    """The compact JSON text of `value`. Deep values, whole numbers past 64 bits and lone surrogates take the slow road."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def decode(text: str | bytes) -> Json:
    """The value of a JSON text. Raises ValueError when it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Lone surrogates (`"\ud800"`) are JSON to AWS and to json, not to orjson.
        return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
