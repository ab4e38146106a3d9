"""Plan's look at a run's source: it exists, it can be read, it is what the job declares, and about how many items it has.

    head.py            the first bytes of an object, unpacked
    text.py            manifests, CSV, JSON Lines          json_document.py   arrays and members
    parquet.py         the footer                          inventory.py       a report and its parts
    listing.py         what is under a prefix              athena.py          the files of an UNLOAD

A look reads heads, never whole objects. What is wrong behind a head, the reader itself tells (States.ItemReaderFailed),
and names the object too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mapfold.runs.looks.athena import look_at_data_manifest
from mapfold.runs.looks.errors import SourceError
from mapfold.runs.looks.head import read_head
from mapfold.runs.looks.inventory import look_at_report, read_report
from mapfold.runs.looks.json_document import look_at_array, look_at_pairs
from mapfold.runs.looks.listing import look_at_listed_rows, look_at_listing
from mapfold.runs.looks.look import Look, look_at_object
from mapfold.runs.looks.parquet import look_at_parquet
from mapfold.runs.looks.text import look_at_csv, look_at_json_lines, look_at_manifest
from mapfold.sources import (
    AthenaResult,
    CsvRows,
    Inventory,
    JsonArray,
    JsonLines,
    JsonPairs,
    Manifest,
    ObjectRows,
    Objects,
    ParquetRows,
    Source,
)
from mapfold.sources.many import rows_source
from mapfold.splits import Splits

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Look", "SourceError", "look_at"]


def look_at(declared: Source, source: Mapping[str, str], s3: S3Client) -> Look:
    """A look at what `source` ({"uri", "bucket", "key"}) names, as the job's `declared` source. SourceError.

    Of one object that Plan itself cuts, only which one it is: who cuts it sees what is in it.
    """
    if isinstance(declared, Splits) and declared.objects == "manifest":
        declared = Manifest()
    if not declared.is_read_natively:
        return look_at_object(s3, source) if declared.key_name == "Key" else Look(0)
    match declared:
        case Objects():
            return look_at_listing(s3, source)
        case ObjectRows():
            rows = rows_source(declared)
            return look_at_listed_rows(s3, source, lambda one: look_at(rows, one, s3))
        case ParquetRows():
            return look_at_parquet(s3, source)
        case Inventory(versions=versions):
            return look_at_report(s3, read_report(s3, source, versions=versions))
    head = read_head(s3, source, declared=declared.kind)
    match declared:
        case Manifest(columns=columns):
            return look_at_manifest(head, columns=len(columns))
        case CsvRows(delimiter=delimiter, headers=headers):
            return look_at_csv(head, delimiter=delimiter, headers=headers)
        case JsonLines():
            return look_at_json_lines(head)
        case JsonArray(pointer=pointer):
            return look_at_array(head, pointer=pointer)
        case JsonPairs(pointer=pointer):
            return look_at_pairs(head, pointer=pointer)
        case AthenaResult():
            rows = rows_source(declared)
            return look_at_data_manifest(head, lambda one: look_at(rows, one, s3))
    raise TypeError(f"there is no look at {declared!r}")
