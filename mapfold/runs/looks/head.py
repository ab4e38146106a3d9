"""The head of an object: its size, which object it is, and its first bytes, unpacked as Step Functions will."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.looks.errors import SourceError, unreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEAD_BYTES = 64 * 1024
TYPICAL_RATIO = 8
"""How much text shrinks: for the estimate of an object that is packed and cannot be unpacked here."""

_UNPACKED_BYTES = 1 << 20
"""The most that is unpacked of a head."""
_GZIP, _ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Head:
    """What was seen of an object. `text`: its first bytes, unpacked; None where they cannot be unpacked here.

    ratio: bytes of text for a stored byte. is_whole: `text` is all of it.
    """

    uri: str
    size: int
    etag: str
    version: str
    text: bytes | None
    ratio: float
    is_whole: bool

    @property
    def unpacked_size(self) -> float:
        """About how large it is when it is unpacked."""
        return self.size * self.ratio

    def lines(self) -> list[bytes]:
        """The whole lines of `text`, with an end that is none of them left out unless the object ends there."""
        lines = (self.text or b"").split(b"\n")
        last = lines.pop()
        return [*lines, last] if last and self.is_whole else lines


def read_head(s3: S3Client, source: Any, *, declared: str) -> Head:
    """The head of `source` ({"uri", "bucket", "key"}); `declared` is the job's source in words, for errors.

    SourceError: it is not there; it is named like what is packed and is not, or the reverse; it ends in the middle.
    """
    from botocore.exceptions import ClientError

    uri = source["uri"]
    where: Any = {"Bucket": source["bucket"], "Key": source["key"]}
    try:
        found = s3.head_object(**where)
        size = found["ContentLength"]
        if not size and source["key"].endswith("/"):
            raise SourceError(f"the source {uri} is an empty object that stands for a folder. {_folder(declared)}")
        stored = s3.get_object(**where, Range=f"bytes=0-{HEAD_BYTES - 1}")["Body"].read() if size else b""
    except ClientError as error:
        raise unreadable(uri, error, hint=_folder(declared) if source["key"].endswith("/") else "") from error
    text = unpacked(uri, stored, all_there=len(stored) >= size)
    whole = len(stored) >= size and text is not None and len(text) < _UNPACKED_BYTES
    ratio = TYPICAL_RATIO if text is None else (len(text) / max(1, len(stored)) if _is_packed(uri) else 1.0)
    version = found.get("VersionId", "null")
    return Head(uri, size, found["ETag"].strip('"'), version, text, ratio, whole)


def unpacked(uri: str, stored: bytes, *, all_there: bool) -> bytes | None:
    """The text of an object's first bytes; None for Zstandard, which not every Python of Lambda unpacks."""
    ending = uri.rpartition(".")[2].lower()
    if ending in ("gz", "gzip"):
        return _gunzipped(uri, stored, all_there=all_there)
    if ending in ("zst", "zstd"):
        if stored and not stored.startswith(_ZSTD):
            raise SourceError(f"{uri} is named like a Zstandard file but is none. {_NAMES}")
        return None
    for magic, name, suffix in ((_GZIP, "gzip", ".gz"), (_ZSTD, "Zstandard", ".zst")):
        if stored.startswith(magic):
            raise SourceError(
                f"{uri} is packed with {name}, and its name does not say so. End it with {suffix}. {_NAMES}"
            )
    return stored.removeprefix(_UTF8_MARK)


_NAMES = "Step Functions unpacks by the name alone: .gz, .gzip, .zst, .zstd."


def _is_packed(uri: str) -> bool:
    return uri.lower().endswith((".gz", ".gzip"))


def _gunzipped(uri: str, stored: bytes, *, all_there: bool) -> bytes:
    """All members of a gzip file, as far as they are there."""
    if stored and not stored.startswith(_GZIP):
        raise SourceError(f"{uri} is named like a gzip file but is none. {_NAMES}")
    text, rest = io.BytesIO(), stored
    while rest and text.tell() < _UNPACKED_BYTES:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            text.write(unpacker.decompress(rest, _UNPACKED_BYTES - text.tell()))
        except zlib.error as error:
            raise SourceError(f"{uri} is a gzip file that cannot be unpacked: {error}. Upload it again.") from error
        if not unpacker.eof:
            if all_there and not unpacker.unconsumed_tail:
                raise SourceError(f"{uri} is a gzip file that ends in the middle. Upload it again, whole.")
            break
        rest = unpacker.unused_data.lstrip(b"\x00")
    return text.getvalue().removeprefix(_UTF8_MARK)


def _folder(declared: str) -> str:
    return f"The job's source wants {declared}. For everything under a prefix, declare Objects() or ObjectRows(…)."
