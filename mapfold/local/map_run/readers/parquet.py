"""InputType PARQUET: one object a row.

The footer is read first, then the column chunks of one row group after the other, in the order in which they lie in
the file: mostly that is one stream from its begin to its end. What is in memory is one row group as it is stored, and
a batch of its rows.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.objects import ANY_BYTES, Opening, S3Object, read_from, read_tail
from mapfold.states.effects import ReaderSpec

CHUNK_ITEMS = 1_000
CHUNK_BYTES = 1 << 22
ROW_GROUP_LIMIT_BYTES = 256 * 1024**2
"""The most that a row group may hold (ItemReader, Map: quotas). That it counts before compression is unconfirmed."""
FOOTER_LIMIT_BYTES = 5 * 1024**2
TAIL_BYTES = 1 << 16
"""What is asked for at first: the footers of most files are smaller."""
SKIPPED_BYTES = 1 << 20
"""A gap of so many bytes is read and dropped; beyond it, a new request is cheaper."""


def read_parquet(s3: S3Client, spec: ReaderSpec, opening: Opening = ANY_BYTES) -> Chunks:
    """The rows of a Parquet file. Raises `ItemReaderError`, which names the row group, the row or the column."""
    if spec.arguments.get("VersionId") is not None:
        raise ItemReaderError("The ItemReader's parameters name VersionId, which InputType PARQUET does not support.")
    # Here, not above: an engine that reads no Parquet is spared its 40 MiB and 0.1 s.
    import pyarrow
    import pyarrow.parquet

    from mapfold.local.map_run.readers.arrow_rows import RowMaker

    source = S3Object.from_arguments(spec.arguments, opening.pinned)
    place = str(source)
    try:
        with (
            _open_file(s3, source, opening) as data,
            pyarrow.parquet.ParquetFile(data, pre_buffer=False, coerce_int96_timestamp_unit="us") as file,
        ):
            maker = RowMaker(file.schema_arrow, source)
            row = expected = 0
            for number in range(file.num_row_groups):
                place = f"{source}, row group {number}"
                row_group = file.metadata.row_group(number)
                _check_row_group(place, row_group)
                expected += row_group.num_rows
                for batch in file.iter_batches(CHUNK_ITEMS, row_groups=[number], use_threads=False):
                    for part in _parts(batch):
                        yield Chunk(maker.rows(part, row))
                        row += part.num_rows
                # Arrow ends a row group without a word where its pages hold fewer rows than the footer says.
                if row != expected:
                    raise ItemReaderError(f"{place}: it ends at row {row} of the file; the footer says {expected}.")
    except (pyarrow.ArrowException, OSError) as error:
        problem = " ".join(str(error).split()).rstrip(".")
        raise ItemReaderError(f"{place}: {problem}; expected a Parquet file that is whole.") from error


def _parts(batch: Any) -> Iterator[Any]:
    """The batch in pieces that are not much larger than `CHUNK_BYTES`."""
    rows = max(1, batch.num_rows * CHUNK_BYTES // max(batch.nbytes, CHUNK_BYTES))
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _check_row_group(place: str, row_group: Any) -> None:
    if row_group.total_byte_size > ROW_GROUP_LIMIT_BYTES:
        raise ItemReaderError(
            f"{place}: it has {row_group.total_byte_size} bytes; a row group may have {ROW_GROUP_LIMIT_BYTES} (256 MB). "
            "Write the file with smaller row groups."
        )


def _open_file(s3: S3Client, source: S3Object, opening: Opening) -> _S3File:
    """The file, whose end with the footer has been read. Raises `ItemReaderError` when that is none of Parquet's."""
    source, size, tail = read_tail(s3, source, TAIL_BYTES, opening.on_opened)
    mark = tail[-4:]
    if mark == b"PARE":
        raise ItemReaderError(f"{source} is encrypted; expected a Parquet file that can be read without a key.")
    if mark != b"PAR1" or size < 12:
        raise ItemReaderError(f"{source} is no Parquet file: it ends with {mark!r}; expected b'PAR1'.")
    footer = int.from_bytes(tail[-8:-4], "little")
    if footer > FOOTER_LIMIT_BYTES:
        raise ItemReaderError(f"{source}: the footer has {footer} bytes; it may have {FOOTER_LIMIT_BYTES} (5 MB).")
    start = size - footer - 8
    if start < 4:
        raise ItemReaderError(f"{source} is no Parquet file: its footer would have {footer} of its {size} bytes.")
    if start < size - len(tail):
        tail = b"".join(read_from(s3, source, start))
    return _S3File(s3, source, size, tail)


class _S3File(io.RawIOBase):
    """An object as a file to read and to seek in. Reads that follow one another share one request to S3."""

    def __init__(self, s3: S3Client, source: S3Object, size: int, tail: bytes) -> None:
        super().__init__()
        self._s3 = s3
        self._source = source
        self._size = size
        self._tail = tail
        self._at = 0
        self._blocks: Iterator[bytes] = iter(())
        self._rest = b""
        self._stream_at = size
        """Where the stream is: the place of the first byte of `_rest`."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        tail_at = self._size - len(self._tail)
        in_tail = self._at >= tail_at
        data = self._tail[self._at - tail_at : end - tail_at] if in_tail else self._from_stream(self._at, end)
        self._at += len(data)
        return data

    def close(self) -> None:
        self._close_stream()
        super().close()

    def _from_stream(self, start: int, end: int) -> bytes:
        if not 0 <= start - self._stream_at <= SKIPPED_BYTES:
            self._close_stream()
            self._blocks, self._rest, self._stream_at = read_from(self._s3, self._source, start), b"", start
        self._take(start - self._stream_at)
        return self._take(end - start)

    def _take(self, count: int) -> bytes:
        """The next bytes of the stream; fewer at its end."""
        parts, missing = [self._rest], count - len(self._rest)
        while missing > 0 and (block := next(self._blocks, b"")):
            parts.append(block)
            missing -= len(block)
        data = b"".join(parts)
        self._rest = data[count:]
        data = data[:count]
        self._stream_at += len(data)
        return data

    def _close_stream(self) -> None:
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()
