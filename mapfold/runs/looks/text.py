"""Looks at objects of lines: manifests, CSV, JSON Lines; and what several other looks ask of a text's head."""

from __future__ import annotations

import csv
import json

from mapfold.runs.looks.errors import SourceError
from mapfold.runs.looks.head import PARQUET, Head
from mapfold.runs.looks.look import Look, look_of

HEADER_BYTES = 10 * 1024
"""The longest header line of a CSV object that Step Functions takes."""


def look_at_manifest(head: Head, *, columns: int) -> Look:
    """`bucket,key` lines: each has two fields at least, and no more than `columns`. SourceError names the line."""
    refuse_parquet(head, "Declare ParquetRows() for its rows.")
    lines = head.lines()
    for number, fields in enumerate(csv.reader(map(_decoded, lines), escapechar="\\"), 1):
        if number == 1 and [field.strip().lower() for field in fields[:2]] == ["bucket", "key"]:
            raise SourceError(
                f"{head.uri}, line 1: {','.join(fields)!r} is a header, and a manifest has none: it would be an item. "
                "Take the line out; or declare CsvRows(), whose first line names the columns."
            )
        if fields:
            check_names(head.uri, number, fields, columns)
    return look_of(head, marks=_count(head))


def check_names(uri: str, line: int, fields: list[str], columns: int) -> None:
    """SourceError for a line of a manifest that names no object, or says more than will be read."""
    if len(fields) < 2 or not fields[0].strip() or not fields[1]:
        missing = "1 (the bucket) is empty" if not fields[0].strip() else "2 (the key) is missing"
        hint = " A line is no S3 URI: write the bucket, a comma, the key." if fields[0].startswith("s3://") else ""
        raise SourceError(
            f"{uri}, line {line}: {','.join(fields)[:200]!r} names no object: field {missing}. "
            f"Each line is bucket,key, the key URL-encoded.{hint}"
        )
    if len(fields) > columns:
        fix = "Declare Manifest(versions=True) if the third is a version" if columns == 2 else "Take the others out"
        raise SourceError(
            f"{uri}, line {line}: {','.join(fields)[:200]!r} has {len(fields)} fields, and {columns} would be read. "
            f"{fix}; a comma that belongs to a key is %2C."
        )


def look_at_csv(head: Head, *, delimiter: str, headers: tuple[str, ...]) -> Look:
    """Rows. Without `headers`, the first line names the columns: there is one, and it names each once."""
    refuse_parquet(head, "Declare ParquetRows() for its rows.")
    if not headers:
        _check_header(head, delimiter)
    marks = _count(head)
    return look_of(head, marks=marks if headers else max(0, marks - 1))


def _check_header(head: Head, delimiter: str) -> None:
    if head.text is None:
        return
    if not head.text.strip():
        fix = "Name the columns with headers=(…) if it is meant to have no header"
        raise SourceError(f"{head.uri} is empty, and its first line has to name the columns. {fix}.")
    first = next(line for line in head.text.split(b"\n") if line.strip())
    if len(first) > HEADER_BYTES:
        raise SourceError(
            f"{head.uri}: its first line, the header, has more than {HEADER_BYTES:,} bytes, the most that Step Functions "
            "takes. Is it a CSV file? Name the columns with headers=(…) if it has no header."
        )
    names = next(csv.reader([_decoded(first)], delimiter=delimiter, escapechar="\\"))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(
            f"{head.uri}: its first line names a column twice ({', '.join(map(repr, twice))}). Name each once; or, if the "
            "file has no header, name its columns with headers=(…)."
        )


def look_at_json_lines(head: Head) -> Look:
    """A JSON value on each line. SourceError names the first line of the head that is none."""
    refuse_parquet(head, "Declare ParquetRows() for its rows.")
    for number, line in enumerate(head.lines(), 1):
        if not line.strip():
            continue
        try:
            json.loads(line)
        except ValueError as error:
            hint = "; for one JSON array, JsonArray()" if line.lstrip()[:1] in (b"[", b"{") and number == 1 else ""
            raise SourceError(
                f"{head.uri}, line {number}: {line[:80].decode(errors='replace')!r} is not JSON ({error}). JsonLines() "
                f"reads one JSON value on each line{hint}."
            ) from error
    return look_of(head, marks=_count(head))


def refuse_parquet(head: Head, fix: str) -> None:
    """SourceError for a Parquet file where text is wanted."""
    if head.text is not None and head.text.startswith(PARQUET):
        raise SourceError(f"{head.uri} is a Parquet file, not text. {fix}")


def _count(head: Head) -> int:
    text = head.text or b""
    return text.count(b"\n") + (bool(text) and not text.endswith(b"\n"))


def _decoded(line: bytes) -> str:
    """A line for the csv module. What is no UTF-8 is the reader's to refuse, with its line."""
    return line.decode(errors="replace") + "\n"
