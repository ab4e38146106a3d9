"""The rows, lines or elements of one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mapfold.sources.source import Json, Source, csv_config, json_config


@dataclass(frozen=True, slots=True)
class CsvRows(Source):
    """The rows of one CSV object. An item is {header: text}. Without `headers`, the first line names the columns."""

    delimiter: str = ","
    headers: tuple[str, ...] = ()
    kind: ClassVar[str] = "one CSV object"

    def __post_init__(self) -> None:
        self.reader_config()

    @property
    def items_are_text(self) -> bool:
        """CSV knows nothing but text."""
        return True

    def reader_config(self) -> dict[str, Json]:
        """CSV, with the delimiter by its AWS name."""
        return csv_config("CsvRows", delimiter=self.delimiter, headers=self.headers)


@dataclass(frozen=True, slots=True)
class JsonLines(Source):
    """The lines of one JSON Lines object. An item is a line's value."""

    kind: ClassVar[str] = "one JSON Lines object"

    def reader_config(self) -> dict[str, Json]:
        """JSONL."""
        return {"InputType": "JSONL"}


@dataclass(frozen=True, slots=True)
class JsonArray(Source):
    """The elements of an array in one JSON object. `pointer` (RFC 6901) says where the array is, if not the whole."""

    pointer: str = ""
    kind: ClassVar[str] = "one JSON object that holds an array"

    def __post_init__(self) -> None:
        self.reader_config()

    def reader_config(self) -> dict[str, Json]:
        """JSON, with ItemsPointer where the array is nested."""
        return json_config("JsonArray", pointer=self.pointer)


@dataclass(frozen=True, slots=True)
class JsonPairs(Source):
    """The members of a JSON object in one S3 object. An item is {"key", "value"}.

    `pointer` (RFC 6901) says where the members are, if not at the top. AWS hands a member over as the context's
    `Map.Item.Key` and `Map.Item.Value`; the item is made of both by the ItemSelector, so that it is the same whatever
    AWS would make of a pair by itself.
    """

    pointer: str = ""
    kind: ClassVar[str] = "one JSON object, whose members are the items"

    def __post_init__(self) -> None:
        self.reader_config()

    def reader_config(self) -> dict[str, Json]:
        """JSON: what the document holds decides that items are pairs."""
        return json_config("JsonPairs", pointer=self.pointer)

    def value_selector(self) -> dict[str, Json]:
        """Both halves of the pair."""
        return {"v": {"key.$": "$$.Map.Item.Key", "value.$": "$$.Map.Item.Value"}}


@dataclass(frozen=True, slots=True)
class ParquetRows(Source):
    """The rows of one Parquet object. An item is {column: value}, with the types that the file has as far as JSON does.

    A row group has at most 256 MB, the footer 5 MB; Step Functions reads no more.
    """

    kind: ClassVar[str] = "one Parquet object"

    def reader_config(self) -> dict[str, Json]:
        """PARQUET."""
        return {"InputType": "PARQUET"}
