"""Arrow record batches as JSON objects, a column at a time.

What AWS makes of each Parquet type is not documented; all of this is unconfirmed but for numbers, booleans, text and
null, which can be nothing else:

- decimals: whole numbers without a scale, numbers up to 15 digits (a double holds them exactly), text beyond;
- floats: numbers; "NaN", "Infinity" and "-Infinity" as text, which is what Java's JSON writers do, JSON having none;
- dates, times, timestamps: ISO 8601 text with the digits of the column's unit; with a Z when adjusted to UTC. INT96,
  the timestamps of old writers, are read in microseconds, because in nanoseconds the year 9999 does not fit;
- binary: base64 text; UUIDs: their text; durations: their count of units;
- lists: arrays; structs: objects; maps: objects, with keys as text.

This module imports pyarrow (40 MiB, 0.1 s): only a reader of Parquet imports it.
"""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mapfold.local.map_run.model import ItemReaderError
from mapfold.local.map_run.readers.rows import object_maker
from mapfold.states.effects import Json

EXACT_DIGITS = 15
"""Decimals of so many digits come back from a double as they were."""

ToJson = Callable[[Any], list[Json]]
"""From an Arrow array to the JSON values in it."""


class RowMaker:
    """Makes the rows of a schema's batches. Raises `ItemReaderError` for a column that JSON cannot hold."""

    def __init__(self, schema: pa.Schema, source: object) -> None:
        self._source = source
        self._names: list[str] = schema.names
        self._columns = _members(schema, source, "")
        self._objects = object_maker(self._names) if self._names else None

    def rows(self, batch: pa.RecordBatch, rows_before: int) -> list[Json]:
        """The rows as objects. `rows_before` is the number of rows before the batch, for what errors say."""
        if self._objects is None:
            return [{} for _ in range(batch.num_rows)]
        columns: list[list[Json]] = []
        try:
            for convert, array in zip(self._columns, batch.columns, strict=True):
                columns.append(convert(array))
        except (UnicodeDecodeError, _OutOfRange) as error:
            at = len(columns)
            row = rows_before + _first_bad(self._columns[at], batch.column(at)) + 1
            raise ItemReaderError(
                f"{self._source}, row {row}, column {self._names[at]!r}: {_problem(error)}"
            ) from error
        return self._objects(zip(*columns, strict=True))


class _OutOfRange(Exception):
    """A date or time that the calendar does not have."""


def _problem(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8; expected text in UTF-8."
    return f"{error}; expected a date of the years -32767 to 32767."


def _first_bad(convert: ToJson, array: Any) -> int:
    for row in range(len(array)):
        try:
            convert(array.slice(row, 1))
        except (UnicodeDecodeError, _OutOfRange):
            return row
    return 0


def _members(fields: Any, source: object, path: str) -> list[ToJson]:
    """A converter for each field of a schema or struct."""
    seen: set[str] = set()
    converters = []
    for field in fields:
        if field.name in seen:
            raise ItemReaderError(f"{source} has the column {path + field.name!r} twice; expected each name once.")
        seen.add(field.name)
        converters.append(_converter(field.type, source, path + field.name))
    return converters


def _converter(kind: Any, source: object, path: str) -> ToJson:
    """How arrays of the type `kind` become JSON. It is chosen once for a file, not for each batch."""
    is_ = pa.types
    if is_.is_null(kind) or is_.is_boolean(kind) or is_.is_integer(kind) or _is_text(kind):
        return _plain
    if is_.is_floating(kind):
        return _doubles if is_.is_float64(kind) else _short_floats
    if is_.is_decimal(kind):
        return _decimals(kind)
    if is_.is_timestamp(kind):
        return _timestamps(kind)
    if is_.is_date(kind) or is_.is_time(kind):
        return _dates
    if is_.is_duration(kind):
        return lambda array: _plain(array.cast(pa.int64()))
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind) or is_.is_fixed_size_binary(kind):
        return _base64
    if is_.is_dictionary(kind):
        decoded = _converter(kind.value_type, source, path)
        return lambda array: decoded(array.dictionary_decode())
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return _lists(_converter(kind.value_type, source, f"{path}[]"))
    if is_.is_map(kind):
        return _maps(kind, source, path)
    if is_.is_struct(kind):
        return _structs(kind, source, path)
    if isinstance(kind, pa.UuidType):
        return lambda array: [value and str(uuid.UUID(bytes=value)) for value in array.storage.to_pylist()]
    if isinstance(kind, pa.BaseExtensionType):
        stored = _converter(kind.storage_type, source, path)
        return lambda array: stored(array.storage)
    raise ItemReaderError(f"{source}: the column {path!r} has the type {kind}, which has no form in JSON.")


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(array: Any) -> list[Json]:
    values: list[Json] = array.to_pylist()
    return values


def _doubles(array: Any) -> list[Json]:
    values = _plain(array)
    if pc.all(pc.is_finite(array)).as_py() is False:
        return [value if value is None or math.isfinite(value) else _not_finite(value) for value in values]
    return values


def _short_floats(array: Any) -> list[Json]:
    """By way of their shortest text: the float 0.1 is to be 0.1, not the 0.10000000149011612 of its 24 bits."""
    return _doubles(array.cast(pa.float32()).cast(pa.string()).cast(pa.float64()))


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decimals(kind: Any) -> ToJson:
    def convert(number: Any) -> Json:
        if kind.scale <= 0:
            return int(number)
        return float(number) if kind.precision <= EXACT_DIGITS else f"{number:f}"

    return lambda array: [None if number is None else convert(number) for number in array.to_pylist()]


def _timestamps(kind: Any) -> ToJson:
    """By way of Arrow's own text, `2013-01-01 05:00:00.000Z`: Python's datetime has no nanoseconds."""
    utc = pa.timestamp(kind.unit, "UTC") if kind.tz else kind
    return lambda array: [text and text.replace(" ", "T") for text in _dates(array.cast(utc))]


def _dates(array: Any) -> list[Any]:
    texts = array.cast(pa.string())
    if pc.any(pc.starts_with(texts, "<")).as_py():
        raise _OutOfRange(next(text for text in texts.to_pylist() if text and text[0] == "<").strip("<>"))
    return _plain(texts)


def _base64(array: Any) -> list[Json]:
    return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]


def _lists(element: ToJson) -> ToJson:
    def convert(array: Any) -> list[Json]:
        values, at = element(array.flatten()), 0
        lists: list[Json] = []
        for length in pc.list_value_length(array).to_pylist():
            if length is None:
                lists.append(None)
            else:
                lists.append(values[at : at + length])
                at += length
        return lists

    return convert


def _maps(kind: Any, source: object, path: str) -> ToJson:
    pairs = pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)]))
    entries = _converter(pairs, source, path)

    def convert(array: Any) -> list[Json]:
        return [
            None if entry is None else {_key(pair["key"]): pair["value"] for pair in entry}
            for entry in entries(array.cast(pairs))
        ]

    return convert


def _key(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _structs(kind: Any, source: object, path: str) -> ToJson:
    fields = [kind.field(number) for number in range(kind.num_fields)]
    converters = _members(fields, source, f"{path}.")
    objects = object_maker([field.name for field in fields]) if fields else None

    def convert(array: Any) -> list[Json]:
        if objects is None:
            values: list[Json] = [{} for _ in range(len(array))]
        else:
            columns = [member(inner) for member, inner in zip(converters, array.flatten(), strict=True)]
            values = objects(zip(*columns, strict=True))
        if not array.null_count:
            return values
        return [value if valid else None for value, valid in zip(values, array.is_valid().to_pylist(), strict=True)]

    return convert
