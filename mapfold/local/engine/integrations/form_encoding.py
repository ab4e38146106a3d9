"""A JSON body as a form: `Transform` of an HTTP Task (developer guide: Applying URL-encoding on request body)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from mapfold.local.engine.integrations.http_transport import text_of
from mapfold.states.effects import Json

Expand = Callable[[str, list[Json]], list[tuple[str, Json]]]

ARRAY_FORMATS: Mapping[str, Expand] = {
    "INDICES": lambda name, items: [(f"{name}[{index}]", item) for index, item in enumerate(items)],
    "REPEAT": lambda name, items: [(name, item) for item in items],
    "COMMAS": lambda name, items: [(name, ",".join(text_of(item) for item in items))],
    "BRACKETS": lambda name, items: [(f"{name}[]", item) for item in items],
    "NONE": lambda name, items: [(name, item) for item in items],
}
"""How the elements of an array are named. (What NONE makes of them is not documented beyond its name.)"""


def encode_form(body: Json, array_format: str) -> bytes:
    """`body`, an object, as `application/x-www-form-urlencoded`; inner objects as `a[b]=c`."""
    pairs = _flatten(body if isinstance(body, dict) else {}, ARRAY_FORMATS[array_format])
    return "&".join(f"{quote(name, safe='')}={quote(text_of(value), safe='')}" for name, value in pairs).encode()


def _flatten(value: dict[str, Json], expand: Expand, outer: str = "") -> Iterator[tuple[str, Json]]:
    for key, inner in value.items():
        yield from _flatten_one(f"{outer}[{key}]" if outer else key, inner, expand)


def _flatten_one(name: str, value: Json, expand: Expand) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        yield from _flatten(value, expand, name)
    elif isinstance(value, list):
        for inner_name, inner in expand(name, value):
            yield from _flatten_one(inner_name, inner, expand)
    else:
        yield name, value
