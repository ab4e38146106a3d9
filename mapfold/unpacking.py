"""Objects that are packed with gzip or Zstandard, unpacked as Step Functions does: by the name, a block at a time.

Who reads the items of a source itself (Plan, an audit) and the embedded Step Functions have to see the same.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

BLOCK_BYTES = 256 * 1024
"""Unpacked at once, so that a small object cannot fill the memory."""


class BrokenPacking(Exception):
    """An object is not what its name says. kind: "gzip" or "Zstandard". reason: None where it ends in the middle."""

    def __init__(self, kind: str, reason: str | None) -> None:
        super().__init__(f"{kind}: {reason or 'it ends in the middle'}")
        self.kind, self.reason = kind, reason


def unpacked(name: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of an object whose key or URI is `name`. BrokenPacking; ImportError for Zstandard without pyarrow."""
    ending = name.rpartition(".")[2].lower()
    if ending in ("gz", "gzip"):
        return _gunzipped(blocks)
    if ending in ("zst", "zstd"):
        return _unzstd(blocks)
    return blocks


def _gunzipped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Members may follow one another."""
    unpacker, started = zlib.decompressobj(wbits=31), False
    for block in blocks:
        rest = block
        while rest:
            if unpacker.eof:
                if not rest.strip(b"\x00"):
                    break  # padding behind the last member
                unpacker = zlib.decompressobj(wbits=31)
            started = True
            try:
                text = unpacker.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise BrokenPacking("gzip", str(error)) from error
            if text:
                yield text
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    # A full block may have left output inside the unpacker after its last input byte.
    if tail := unpacker.flush() if started and not unpacker.eof else b"":
        yield tail
    if started and not unpacker.eof:
        raise BrokenPacking("gzip", None)


def _unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Frames may follow one another. Arrow does it, for all Pythons alike: the standard library can from 3.14 on."""
    import pyarrow  # here, not above: it takes 30 MiB, few objects are packed so, and functions on AWS do not have it

    unpacker = pyarrow.CompressedInputStream(pyarrow.PythonFile(_BlockFile(blocks), mode="r"), "zstd")
    try:
        while text := unpacker.read(BLOCK_BYTES):
            yield text
    except OSError as error:
        raise BrokenPacking("Zstandard", None if "Truncated" in str(error) else str(error)) from error


class _BlockFile(io.RawIOBase):
    """Blocks as a file to read from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, but for the end always some."""
        if not self._rest:
            self._rest = next(self._blocks, b"")
        count = len(self._rest) if size is None or size < 0 else size
        data, self._rest = self._rest[:count], self._rest[count:]
        return data
