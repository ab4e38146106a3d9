"""The names in a manifest or an inventory report: every row, from the first to the last, as often as it is asked for.

Rows are told apart as Step Functions does it (its guide, "How Step Functions parses input CSV files"), so that the place
of a row here is the index of its item in a map run. An object is read as a stream and unpacked on the way; where a
connection breaks, the rest is asked for again, of the same object (If-Match).

A chunk is some thousand rows. Most manifests hold neither quotes nor backslashes, and their lines are names as they
stand; others go through the csv module, which doubles what looking for duplicates costs (figures: duplicates.py).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from mapfold import unpacking
from mapfold.runs.looks.errors import SourceError, unreadable
from mapfold.runs.looks.inventory import Report
from mapfold.runs.looks.text import check_names
from mapfold.sources import Inventory, Manifest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Row = list[str]

_KEY_CHARACTERS = 3 * 1024
"""A key has at most 1,024 bytes, and URL-encoding makes three characters of one."""
_FIELD_CHARACTERS = 8 << 20
"""An item that Step Functions reads may have 8 MB, and all of it may be one field; the csv module stops at 128 KiB."""
_CHUNK_ROWS = 1_000
_ATTEMPTS = 5
_ESCAPED_LINE_END = re.compile(r"(?<!\\)((?:\\\\)*)\\(?=[\r\n]|\Z)")
"""A backslash before a line's end escapes nothing: AWS drops it, and Python's csv would take the line's end for a field's."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the rows of a source name. `declared` is the job's source; `objects` are read one after the other.

    A name is the bucket, a comma and the key, decoded; the version between them where items have versions. Two rows
    have the same name if, and only if, their items are the same object.
    """

    s3: S3Client
    declared: Manifest | Inventory
    columns: tuple[str, ...]
    objects: tuple[Mapping[str, str], ...]

    @classmethod
    def of_manifest(cls, s3: S3Client, declared: Manifest, source: Mapping[str, str], *, etag: str) -> Names:
        """The lines of a manifest, as long as it is the object that `etag` says."""
        return cls(s3, declared, declared.columns, ({**source, "etag": etag},))

    @classmethod
    def of_report(cls, s3: S3Client, declared: Inventory, report: Report) -> Names:
        """The rows of all parts of an inventory report."""
        return cls(s3, declared, report.columns, tuple(report.part(key) for key, _ in report.parts))

    def chunks(self) -> Iterator[Sequence[str]]:
        """The names, in the order of the items. SourceError for a row that names nothing, or what cannot be read."""
        plain = isinstance(self.declared, Manifest) and not self.declared.versions
        for source in self.objects:
            text = ObjectText(self.s3, source)
            for block in text.blocks():
                lines = _plain_lines(block) if plain else None
                if lines is None:
                    for rows in text.rows(block):
                        yield self._names(source["uri"], text, rows)
                else:
                    yield lines
                    text.lines += block.count("\n")

    def items(self) -> Iterator[Any]:
        """The authors' items, in their order. SourceError, as of the names."""
        width = len(self.columns)
        for source in self.objects:
            text = ObjectText(self.s3, source)
            for block in text.blocks():
                for rows in text.rows(block):
                    self._check(source["uri"], text, rows)
                    for row in rows:
                        padded = (row + [""] * (width - len(row)))[:width]
                        yield self.declared.item(dict(zip(self.columns, padded, strict=True)), source)

    def _names(self, uri: str, text: ObjectText, rows: list[Row]) -> list[str]:
        """The names in some rows. By columns, not row by row: half the time."""
        self._check(uri, text, rows)
        if isinstance(self.declared, Manifest):
            buckets, keys = [row[0] for row in rows], [row[1] for row in rows]
            versions = [row[2] if len(row) > 2 else "" for row in rows] if self.declared.versions else []
        else:
            bucket, key = self.columns.index("Bucket"), self.columns.index("Key")
            buckets, keys = [row[bucket] for row in rows], [row[key] for row in rows]
            version = self.columns.index("VersionId") if self.declared.versions else 0
            versions = [row[version] for row in rows] if self.declared.versions else []
        if max(map(len, keys), default=0) > _KEY_CHARACTERS:
            row = max(rows, key=lambda row: max(map(len, row)))
            raise SourceError(
                f"{uri}, near line {max(1, text.line(row))}: a key of {max(map(len, keys)):,} characters, and S3 has none over 1,024 bytes. "
                "Is a quote opened and never closed?"
            )
        keys = [unquote_plus(key) if "%" in key or "+" in key else key for key in keys]
        if self.declared.has_versions:
            return [f"{b},{v},{k}" for b, v, k in zip(buckets, versions, keys, strict=True)]
        return [f"{bucket},{key}" for bucket, key in zip(buckets, keys, strict=True)]

    def _check(self, uri: str, text: ObjectText, rows: list[Row]) -> None:
        width = len(self.columns)
        if isinstance(self.declared, Manifest):
            for row in rows:
                if not (2 <= len(row) <= width and row[0] and row[1]):
                    check_names(uri, text.line(row), row, width)
            return
        if {*map(len, rows)} <= {width}:
            return
        row = next(row for row in rows if len(row) != width)
        raise SourceError(
            f"{uri}, line {text.line(row)}: a row of {len(row)} fields, and the report has {width} columns "
            f"({', '.join(self.columns)}). Take a newer report."
        )


def shown_name(declared: Manifest | Inventory, name: str) -> str:
    """`s3://bucket/key`, with `?versionId=` where there is one."""
    if not declared.has_versions:
        bucket, _, key = name.partition(",")
        return f"s3://{bucket}/{key}"
    bucket, version, key = name.split(",", 2)
    return f"s3://{bucket}/{key}" + (f"?versionId={version}" if version else "")


def _plain_lines(block: str) -> list[str] | None:
    """The lines of whole lines, where each is `bucket,key` and stands for itself; else None."""
    if any(character in block for character in ('"', "\\", "%", "+", "\r")):
        return None
    if ",\n" in block or "\n," in block or block.startswith(","):
        return None
    lines = block.split("\n")
    if "" in lines:
        lines = [line for line in lines if line]
    # Of all ways to see that each line has one comma this is the fastest: 0.05 µs a line.
    return lines if {line.count(",") for line in lines} <= {1} else None


class ObjectText:
    """One object's text, in blocks of whole lines, and the rows in it. `lines`: those before the block at hand."""

    def __init__(self, s3: S3Client, source: Mapping[str, str], *, delimiter: str = ",") -> None:
        self._s3, self._source, self._delimiter = s3, source, delimiter
        self._blocks: Iterator[str] = iter(())
        self._reader: Any = None
        self._rows: list[Row] = []
        self._read_before = 0
        self.lines = 0

    def blocks(self) -> Iterator[str]:
        """Each ends with a line's end, but for the last."""
        self._blocks = self._decoded()
        yield from self._blocks

    def rows(self, block: str) -> Iterator[list[Row]]:
        """The rows of `block`, and of what lies behind it while a quote is open. Rows without fields are left out."""
        self._read_before = self.lines
        if csv.field_size_limit() < _FIELD_CHARACTERS:
            csv.field_size_limit(_FIELD_CHARACTERS)
        self._reader = csv.reader(
            self._lines_of(block), delimiter=self._delimiter, escapechar="\\", doublequote=True, strict=False
        )
        try:
            while rows := list(islice(self._reader, _CHUNK_ROWS)):
                self._rows = rows
                yield [row for row in rows if row]
        except csv.Error as error:
            place = f"{self._source['uri']}, before line {self._read_before + self._reader.line_num + 1}"
            raise SourceError(f"{place}: {error}. Is a quote opened and never closed?") from error

    def line(self, row: Row) -> int:
        """The line on which `row`, one of those that were given last, begins: close to it where rows have many lines."""
        behind = sum(1 + sum(field.count("\n") for field in each) for each in self._rows[self._rows.index(row) :])
        return self._read_before + int(self._reader.line_num) - behind + 1

    def _lines_of(self, block: str) -> Iterator[str]:
        """From the first block with a quote or an escape on, the csv module sees all: a quote may be open at its end."""
        for each in chain((block,), self._blocks if '"' in block or "\\" in block else ()):
            if "\\" in each:
                each = _ESCAPED_LINE_END.sub(r"\1", each)
            yield from io.StringIO(each, newline="")
            self.lines += each.count("\n")

    def _decoded(self) -> Iterator[str]:
        rest = b""
        blocks = unpacked(self._source["uri"], stored(self._s3, self._source))
        first = True
        for block in blocks:
            block = rest + block
            if first and len(block) >= 3:
                first, block = False, block.removeprefix(b"\xef\xbb\xbf")
            cut = block.rfind(b"\n") + 1
            rest = block[cut:]
            if cut:
                yield self._text(block[:cut])
        if rest:
            yield self._text(rest)

    def _text(self, block: bytes) -> str:
        try:
            return block.decode()
        except UnicodeDecodeError as error:
            line = self.lines + block.count(b"\n", 0, error.start) + 1
            uri = self._source["uri"]
            raise SourceError(
                f"{uri}, line {line}: byte 0x{block[error.start]:02x} is not UTF-8. Write it so."
            ) from error


def stored(s3: S3Client, source: Mapping[str, str]) -> Iterator[bytes]:
    """The object's bytes as they are stored: of its "version" if `source` has one, and only if it has its "etag"."""
    from botocore.exceptions import BotoCoreError, ClientError

    position, size, broken = 0, None, 0
    etag = source.get("etag", "")
    while size is None or position < size:
        request: Any = {"Bucket": source["bucket"], "Key": source["key"]}
        if source.get("version", "null") not in ("", "null"):
            request["VersionId"] = source["version"]
        if position:
            request["Range"] = f"bytes={position}-"
        if etag:
            request["IfMatch"] = f'"{etag}"'
        try:
            answer = s3.get_object(**request)
            etag = answer["ETag"].strip('"')
            size = position + answer["ContentLength"] if size is None else size
            body = answer["Body"]
            try:
                while block := body.read(unpacking.BLOCK_BYTES):
                    position, broken = position + len(block), 0
                    yield block
            finally:
                body.close()
        except ClientError as error:
            raise unreadable(source["uri"], error) from error
        except (BotoCoreError, OSError) as error:
            broken += 1
            if broken == _ATTEMPTS:
                raise SourceError(f"{source['uri']} cannot be read from byte {position:,} on: {error}") from error


def unpacked(uri: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpacked by the name, as Step Functions does. SourceError where it is not what its name says."""
    try:
        yield from unpacking.unpacked(uri, blocks)
    except unpacking.BrokenPacking as error:
        if error.reason is None:
            raise SourceError(
                f"{uri} is a {error.kind} file that ends in the middle. Upload it again, whole."
            ) from error
        raise SourceError(
            f"{uri} is a {error.kind} file that cannot be unpacked: {error.reason}. Upload it again."
        ) from error
    except ImportError:
        fix = 'Pack it with gzip, or declare Job(on_duplicate="ignore")'
        raise SourceError(f"{uri} is packed with Zstandard, which cannot be read here for duplicates. {fix}.") from None
