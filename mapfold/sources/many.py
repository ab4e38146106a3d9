"""The rows of many objects as one stream, which Step Functions itself opens one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mapfold.errors import JobError
from mapfold.sources.rows import CsvRows, JsonArray, JsonLines, ParquetRows
from mapfold.sources.source import Json, Source, csv_config, json_config

FORMATS: Mapping[str, str] = {"csv": "CSV", "json": "JSON", "jsonl": "JSONL", "parquet": "PARQUET"}
"""From our name of a format to AWS's InputType."""

UNLOADED = ("csv", "jsonl", "parquet")
"""Formats of an UNLOAD that Step Functions reads."""


@dataclass(frozen=True, slots=True)
class AthenaResult(Source):
    """What an UNLOAD of Athena wrote. SOURCE names its data manifest, `….../<query id>-manifest.csv`.

    format: "csv", "jsonl" or "parquet", as UNLOAD was told (its JSON is one value a line). An item is a row, as of
    `CsvRows`, `JsonLines` or `ParquetRows`. CSV that UNLOAD wrote has no header, so `headers` name its columns, and
    its delimiter is "," unless UNLOAD was told another.
    """

    format: str
    headers: tuple[str, ...] = ()
    delimiter: str = ","
    kind: ClassVar[str] = "the data manifest of an Athena UNLOAD"
    starts_by_upload: ClassVar[bool] = False  # Athena puts more than the data manifest there

    def __post_init__(self) -> None:
        _check_format("AthenaResult", self.format, UNLOADED)
        _check_csv_fields("AthenaResult", self.format, self.headers, self.delimiter)
        if self.format == "csv" and not self.headers:
            fix = 'Name the columns, in their order: AthenaResult("csv", headers=("carrier", "delay"))'
            raise JobError("CSV that UNLOAD wrote has no header", at='AthenaResult("csv")', fix=fix)
        self.reader_config()

    @property
    def items_are_text(self) -> bool:
        """In CSV."""
        return self.format == "csv"

    def reader_config(self) -> dict[str, Json]:
        """ATHENA_DATA, and what the files are."""
        return {
            "ManifestType": "ATHENA_DATA",
            **_file_config("AthenaResult", self.format, headers=self.headers, delimiter=self.delimiter),
        }


@dataclass(frozen=True, slots=True)
class ObjectRows(Source):
    """The rows of every object under a prefix, as one stream. SOURCE is `s3://bucket/prefix/`.

    format: "csv", "json", "jsonl" or "parquet", of all of them. An item is a row, as of `CsvRows`, `JsonArray`,
    `JsonLines` or `ParquetRows`; it does not tell which object it is from. Objects may be compressed, by their names.
    headers, delimiter: of CSV. pointer: of JSON, where the array is in each object.
    """

    format: str
    headers: tuple[str, ...] = ()
    delimiter: str = ","
    pointer: str = ""
    key_name: ClassVar[str] = "Prefix"
    kind: ClassVar[str] = "a prefix, of which all objects are read"
    starts_by_upload: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_format("ObjectRows", self.format, tuple(FORMATS))
        _check_csv_fields("ObjectRows", self.format, self.headers, self.delimiter)
        if self.pointer and self.format != "json":
            fix = 'Leave it out, or use format="json"'
            raise JobError(f"{self.format} has no pointer", at=f"ObjectRows(pointer={self.pointer!r})", fix=fix)
        self.reader_config()

    @property
    def items_are_text(self) -> bool:
        """In CSV."""
        return self.format == "csv"

    def reader_config(self) -> dict[str, Json]:
        """LOAD_AND_FLATTEN, and what the objects are."""
        return {
            "Transformation": "LOAD_AND_FLATTEN",
            **_file_config(
                "ObjectRows", self.format, headers=self.headers, delimiter=self.delimiter, pointer=self.pointer
            ),
        }


def rows_source(declared: ObjectRows | AthenaResult) -> Source:
    """The source that reads one of the objects by itself."""
    match declared.format:
        case "csv":
            return CsvRows(declared.delimiter, declared.headers)
        case "jsonl":
            return JsonLines()
        case "parquet":
            return ParquetRows()
        case _:
            return JsonArray(declared.pointer if isinstance(declared, ObjectRows) else "")


def _check_format(at: str, format_: object, allowed: tuple[str, ...]) -> None:
    if format_ not in allowed:
        fix = f"Use one of {', '.join(map(repr, allowed))}"
        raise JobError("Step Functions reads no such format here", at=f"{at}(format={format_!r})", fix=fix)


def _check_csv_fields(at: str, format_: str, headers: tuple[str, ...], delimiter: str) -> None:
    if format_ != "csv" and (headers or delimiter != ","):
        problem = f"headers and delimiter are for CSV, and the format is {format_!r}"
        raise JobError(problem, at=at, fix='Leave them out, or use format="csv"')


def _file_config(
    at: str, format_: str, *, headers: tuple[str, ...], delimiter: str, pointer: str = ""
) -> dict[str, Json]:
    if format_ == "csv":
        return csv_config(at, delimiter=delimiter, headers=headers)
    return json_config(at, pointer=pointer) if format_ == "json" else {"InputType": FORMATS[format_]}
