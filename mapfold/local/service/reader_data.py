"""The data of an ItemReader that TestState is handed (mapItemReaderData), as the items that the reader makes of it."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import islice
from typing import Any, cast

import orjson

from mapfold.local.map_run.model import Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers import FILE_READERS
from mapfold.local.map_run.readers.json_reader import INDEX, pointer_steps, points_to_nothing
from mapfold.local.map_run.readers.objects import ANY_BYTES
from mapfold.states import Json
from mapfold.states.effects import ReaderSpec

LINES = ("CSV", "JSONL")
"""What is no JSON document in its source."""


def read_items(text: str, spec: ReaderSpec, most: int | None) -> list[Json] | dict[str, Json]:
    """The items, at most `most` (None or 0: all): a list, or an object where the source is one.

    The data is as found in its source (API reference). Rows and lines are taken as an array of JSON, too. Raises
    ItemReaderError where the Map's reader would.
    """
    items = _json(text)
    if spec.config.get("InputType") in LINES:
        if not isinstance(items, list):
            items = _read_lines(text, spec)
    else:
        items = _point(items, spec.config.get("ItemsPointer"))
    if not isinstance(items, list | dict):
        raise ItemReaderError("Attempting to map over non-iterable node.")
    if not most:
        return items
    return dict(islice(items.items(), most)) if isinstance(items, dict) else items[:most]


def _json(text: str) -> Json:
    """The document, or None where there is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _read_lines(text: str, spec: ReaderSpec) -> list[Json]:
    read = FILE_READERS[spec.config["InputType"]]
    given = replace(spec, arguments={"Bucket": "mapItemReaderData", "Key": "text"})
    chunks: Chunks = read(cast(S3Client, _OneObject(text.encode())), given, ANY_BYTES)
    return [value for chunk in chunks for value in chunk.values]


class _OneObject:
    """An S3 whose every object is the same."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def get_object(self, **kwargs: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._data), "ContentLength": len(self._data)}


def _point(data: Json, pointer: Json) -> Json:
    """What ItemsPointer leads to; ItemReaderError where that is nowhere.

    An array in which it leads nowhere is taken for what it leads to.
    """
    value, steps = data, pointer_steps(pointer)
    for depth, step in enumerate(steps, start=1):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(data, list):
            return data
        else:
            raise ItemReaderError(points_to_nothing(steps[:depth]))
    return value
