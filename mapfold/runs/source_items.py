"""A source's items in the order of their indexes, read from S3 without Step Functions: what `mapfold audit` compares with.

Rows and lines are told apart as Step Functions tells them apart (`names.py`), and each becomes the author's item as it does
in Work. An object is read as a stream, of the version or ETag that the run's Plan saw, so what was overwritten since is an
error and not a difference.

What Step Functions makes of the types of Parquet is not documented, so its items are not made here: `UNREAD` stands for
each row, of which only the place is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from mapfold.runs.json_members import read_members
from mapfold.runs.looks import SourceError
from mapfold.runs.looks.errors import refusal
from mapfold.runs.looks.inventory import read_report
from mapfold.runs.looks.parquet import look_at_parquet
from mapfold.runs.names import ObjectText, stored, unpacked
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

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Json = Any
At = Mapping[str, str]


class Unread:
    """An item of which only the place is known."""

    def __repr__(self) -> str:
        return "UNREAD"


UNREAD: Final = Unread()

_LONG_NUMBER = re.compile(rb"\d{19}")
_SMALL_BITS = 63


def read_items(s3: S3Client, declared: Source, source: At) -> Iterator[Json]:
    """The authors' items of `source` ({"uri", "bucket", "key", "etag"?, "version"?}). SourceError, with the reason."""
    reader = _READERS.get(type(declared))
    if reader is None:
        raise SourceError(f"items of {type(declared).__name__} are not read from their source")
    return (item if item is UNREAD else declared.item(item, source) for item in reader(s3, declared, source))


def has_promised_order(declared: Source) -> bool:
    """Whether an item's index is its place in the source on AWS too: one object's is, that of many is not promised."""
    return not isinstance(declared, Objects | ObjectRows | Inventory | AthenaResult)


def _manifest(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    return _rows(s3, source, headers=declared.columns)


def _inventory(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    report = read_report(s3, source, versions=declared.versions)
    if source.get("etag") and report.etag != source["etag"].strip('"'):
        raise SourceError(f"{report.uri} cannot be read as it was: it has been overwritten since")
    for key, _ in report.parts:
        yield from _rows(s3, report.part(key), headers=report.columns)


def _csv(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    return _rows(s3, source, headers=declared.headers, delimiter=declared.delimiter)


def _rows(s3: S3Client, source: At, *, headers: tuple[str, ...], delimiter: str = ",") -> Iterator[Json]:
    """{header: text}; a row that is short is filled with "", one that is long is cut."""
    text = ObjectText(s3, source, delimiter=delimiter)
    names, width = headers, len(headers)
    for block in text.blocks():
        for rows in text.rows(block):
            for row in rows:
                if not names:
                    names, width = tuple(row), len(row)
                elif len(row) == width:
                    yield dict(zip(names, row, strict=True))
                else:
                    yield dict(zip(names, (row + [""] * width)[:width], strict=True))


def _json_lines(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    """Lines are ended by a line feed alone, and blank ones are left out."""
    for number, line in enumerate(_lines(_text(s3, source)), 1):
        if not line.strip():
            continue
        try:
            yield _value(line)
        except ValueError as error:
            raise SourceError(f"{source['uri']}, line {number}: {error}") from error


def _value(line: bytes) -> Json:
    """A whole number of more than 64 bits is a double in a batch."""
    return json.loads(line, parse_int=_whole) if _LONG_NUMBER.search(line) else json.loads(line)


def _whole(text: str) -> int | float:
    number = int(text)
    return number if -(1 << _SMALL_BITS) <= number < 1 << (_SMALL_BITS + 1) else float(text)


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest


def _text(s3: S3Client, source: At) -> Iterator[bytes]:
    """Unpacked, without the mark of UTF-8."""
    blocks = unpacked(source["uri"], stored(s3, source))
    first = next(blocks, b"")
    while 0 < len(first) < 3 and (more := next(blocks, b"")):
        first += more
    yield first.removeprefix(b"\xef\xbb\xbf")
    yield from blocks


def _json_array(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    return (value for _, value in read_members(_text(s3, source), declared.pointer, uri=source["uri"]))


def _json_pairs(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    members = read_members(_text(s3, source), declared.pointer, uri=source["uri"])
    return ({"key": key, "value": value} for key, value in members)


def _parquet(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    look = look_at_parquet(s3, source)
    if source.get("etag") and look.etag != source["etag"].strip('"'):
        raise SourceError(f"{source['uri']} cannot be read as it was: it has been overwritten since")
    return (UNREAD for _ in range(look.items))


def _listing(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    for entry in _listed(s3, source):
        yield {"Key": entry["Key"], "Size": entry["Size"], "Etag": entry.get("ETag", "")}


def _listed(s3: S3Client, source: At) -> Iterator[Any]:
    from botocore.exceptions import ClientError

    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=source["bucket"], Prefix=source["key"])
    try:
        for page in pages:
            yield from page.get("Contents", ())
    except ClientError as error:
        raise SourceError(f"{source['uri']} cannot be listed: {refusal(error)}") from error


def _listed_rows(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    """Empty objects that stand for folders have no rows."""
    rows = rows_source(declared)
    for entry in _listed(s3, source):
        if not (entry["Key"].endswith("/") and not entry["Size"]):
            yield from _READERS[type(rows)](s3, rows, _object(source["bucket"], entry["Key"]))


def _unloaded(s3: S3Client, declared: Any, source: At) -> Iterator[Json]:
    rows = rows_source(declared)
    for line in _lines(_text(s3, source)):
        bucket, _, key = line.decode().strip().partition("://")[2].partition("/")
        if bucket:
            yield from _READERS[type(rows)](s3, rows, _object(bucket, key))


def _object(bucket: str, key: str) -> At:
    return {"uri": f"s3://{bucket}/{key}", "bucket": bucket, "key": key}


_READERS: Mapping[type, Callable[[S3Client, Any, At], Iterator[Json]]] = {
    Manifest: _manifest,
    Inventory: _inventory,
    Objects: _listing,
    CsvRows: _csv,
    JsonLines: _json_lines,
    JsonArray: _json_array,
    JsonPairs: _json_pairs,
    ParquetRows: _parquet,
    ObjectRows: _listed_rows,
    AthenaResult: _unloaded,
}
"""From what a job declares to what reads it: raw items, as the ItemReader hands them over."""
