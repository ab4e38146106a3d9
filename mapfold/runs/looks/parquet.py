"""A look at a Parquet file: its magic bytes, and from its footer the number of rows. No library reads it here.

A file ends with its footer, the footer's length in four bytes, and `PAR1` (Apache Parquet, "File format"). The footer is
a struct in Thrift's compact protocol; of it only the number of rows is wanted, the third field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mapfold.runs.looks.errors import SourceError, unreadable
from mapfold.runs.looks.head import PARQUET
from mapfold.runs.looks.look import Look

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOOTER_BYTES = 5 * 1024 * 1024
"""The longest footer that Step Functions reads."""

_TAIL_BYTES = 64 * 1024
_ROWS_FIELD = 3


def look_at_parquet(s3: S3Client, source: Any) -> Look:
    """The rows of a Parquet file, exactly. SourceError if it is none, is cut off, or has a footer that is too long."""
    from botocore.exceptions import ClientError

    uri = source["uri"]
    where: Any = {"Bucket": source["bucket"], "Key": source["key"]}
    try:
        found = s3.head_object(**where)
        size = found["ContentLength"]
        head = s3.get_object(**where, Range="bytes=0-3")["Body"].read() if size else b""
        if head != PARQUET:
            raise SourceError(f"{uri} is no Parquet file: it begins with {head!r}, not with b'PAR1'. {_other(uri)}")
        tail = s3.get_object(**where, Range=f"bytes=-{_TAIL_BYTES}")["Body"].read()
        if size < 12 or not tail.endswith(PARQUET):
            raise SourceError(
                f"{uri} is a Parquet file that is cut off: its footer is not there. Upload it again, whole."
            )
        length = int.from_bytes(tail[-8:-4], "little")
        if length > FOOTER_BYTES:
            raise SourceError(
                f"{uri} has a footer of {length:,} bytes; Step Functions reads {FOOTER_BYTES:,}. Write larger row groups, "
                "or fewer columns."
            )
        if length + 8 > size:
            raise SourceError(f"{uri} says that its footer is longer than the file. Upload it again, whole.")
        if length + 8 > len(tail):
            tail = s3.get_object(**where, Range=f"bytes=-{length + 8}")["Body"].read()
    except ClientError as error:
        raise unreadable(uri, error) from error
    rows = _rows(uri, tail[-8 - length : -8])
    return Look(rows, found["ETag"].strip('"'), found.get("VersionId", "null"))


def _other(uri: str) -> str:
    suffixes = {"csv": "CsvRows()", "jsonl": "JsonLines()", "json": "JsonArray()"}
    fit = next((name for ending, name in suffixes.items() if f".{ending}" in uri.lower()), None)
    return f"By its name, {fit} fits." if fit else "Declare the source that fits, such as CsvRows() or JsonLines()."


def _rows(uri: str, footer: bytes) -> int:
    try:
        return _Compact(footer).member(_ROWS_FIELD)
    except (IndexError, KeyError) as error:
        raise SourceError(f"{uri} is a Parquet file whose footer cannot be read. Write it again.") from error


class _Compact:
    """As much of Thrift's compact protocol as finds a whole number in a struct. IndexError, KeyError: it is none."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def member(self, wanted: int) -> int:
        """The whole number that is field `wanted` of the struct that begins here."""
        for field, kind in self._fields():
            if field == wanted:
                return self._number()
            self._skip(kind)
        raise KeyError(wanted)

    def _fields(self) -> Any:
        field = 0
        while (header := self._byte()) != 0:
            step = header >> 4
            field = field + step if step else self._number()
            yield field, header & 15

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, kind: int) -> None:
        match kind:
            case 1 | 2:  # a boolean is in its header
                pass
            case 3:
                self._at += 1
            case 4 | 5 | 6:
                self._varint()
            case 7:
                self._at += 8
            case 8:
                length = self._varint()
                self._at += length
            case 9 | 10:
                self._skip_list()
            case 12:
                for _, inner in self._fields():
                    self._skip(inner)
            case _:  # maps (11) are in no footer
                raise KeyError(kind)

    def _skip_list(self) -> None:
        header = self._byte()
        size, kind = header >> 4, header & 15
        if size == 15:
            size = self._varint()
        for _ in range(size):
            # Unlike a field's, a boolean in a list is a byte.
            self._skip(3 if kind in (1, 2) else kind)
