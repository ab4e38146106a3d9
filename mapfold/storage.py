"""S3 as a job's author sees it: an object whole, as a stream, as lines, as CSV rows.

Wherever an object is named, an item ({"bucket", "key"}, or anything with those attributes), an URI
(`s3://bucket/key`) or a bare key in the data bucket does. Of an item with a "version", that version is read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DATA_BUCKET = "mapfold-data"
_CHUNK_BYTES = 256 * 1024


class Storage:
    """Reads and writes S3 objects with the client that it is given. `data_bucket` is where bare keys lie."""

    def __init__(self, client: S3Client, *, data_bucket: str = DATA_BUCKET) -> None:
        self.client = client
        self.data_bucket = data_bucket

    def get(self, where: Any) -> bytes:
        """The object whole. FileNotFoundError if there is none, PermissionError if it may not be read."""
        with self._open(where) as body:
            return bytes(body.read())

    def text(self, where: Any, *, encoding: str = "utf-8") -> str:
        """The object whole, as text."""
        return self.get(where).decode(encoding)

    def json(self, where: Any) -> Any:
        """The object's JSON value."""
        return json.loads(self.get(where))

    @contextmanager
    def stream(self, where: Any) -> Iterator[io.BufferedReader[Any]]:
        """The object as a binary file that is read as it arrives: `with context.storage.stream(item) as file:`."""
        with self._open(where) as body:
            raw: Any = BodyFile(body)
            with io.BufferedReader(raw, _CHUNK_BYTES) as file:
                yield file

    def lines(self, where: Any, *, encoding: str = "utf-8") -> Iterator[str]:
        """The object's lines, without their ends, read as they arrive."""
        with self.stream(where) as file, io.TextIOWrapper(file, encoding=encoding) as text:
            for line in text:
                yield line.rstrip("\n")

    def rows(self, where: Any, *, delimiter: str = ",", encoding: str = "utf-8") -> Iterator[dict[str, str]]:
        """The rows of a CSV object whose first line names the columns, read as they arrive.

        A row that has more or fewer fields than the header is a ValueError that names the line.
        """
        with self.stream(where) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            header = next(reader, None)
            if header is None:
                return
            for row in reader:
                if len(row) != len(header):
                    if not row:
                        continue
                    uri = "s3://{}/{}".format(*self.locate(where))
                    raise ValueError(f"{uri}, line {reader.line_num}: {len(row)} fields, the header has {len(header)}")
                yield dict(zip(header, row, strict=True))

    def put(self, where: Any, data: bytes | str) -> str:
        """Write an object (text as UTF-8); returns its URI."""
        bucket, key = self.locate(where)
        self.client.put_object(Bucket=bucket, Key=key, Body=data.encode() if isinstance(data, str) else data)
        return f"s3://{bucket}/{key}"

    def locate(self, where: Any) -> tuple[str, str]:
        """Bucket and key of what names an object. ValueError if it names none."""
        if isinstance(where, str):
            bucket, _, key = where.removeprefix("s3://").partition("/")
            found = (bucket, key) if where.startswith("s3://") else (self.data_bucket, where)
        elif isinstance(where, Mapping):
            found = (where.get("bucket", ""), where.get("key", ""))
        else:
            found = (getattr(where, "bucket", ""), getattr(where, "key", ""))
        if not (found[0] and found[1]):
            raise ValueError(f"{where!r} names no object. Use an item with bucket and key, or s3://bucket/key.")
        return found

    @contextmanager
    def _open(self, where: Any) -> Iterator[Any]:
        from botocore.exceptions import ClientError

        bucket, key = self.locate(where)
        version = where.get("version") if isinstance(where, Mapping) else getattr(where, "version", None)
        which: Any = {"VersionId": version} if version else {}
        try:
            body = self.client.get_object(Bucket=bucket, Key=key, **which)["Body"]
        except ClientError as error:
            raise _readable(error, f"s3://{bucket}/{key}" + (f"?versionId={version}" if version else "")) from error
        try:
            yield body
        finally:
            body.close()


class BodyFile(io.RawIOBase):
    """botocore's body as a raw file: what BufferedReader and TextIOWrapper want underneath."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _readable(error: Any, uri: str) -> Exception:
    """S3's own message names neither bucket nor key; a failed item's message must."""
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404"):
        return FileNotFoundError(f"{uri} does not exist ({code})")
    if code in ("AccessDenied", "403"):
        return PermissionError(f"{uri} may not be read, or does not exist ({code})")
    return OSError(f"{uri} cannot be read: {error}")
