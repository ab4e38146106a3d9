"""Row groups of Parquet files, read by pyarrow through ranged GETs. pyarrow is imported when it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mapfold.splits.errors import SplitError
from mapfold.splits.reading import ObjectReader

_MAGIC = b"PAR1"
_BATCH_ROWS = 1_000
_WHOLE_GROUP_BYTES = 64 * 1024 * 1024
"""A row group up to this is fetched in one piece; a larger one column by column, in pieces of `_BUFFER_BYTES`."""
_BUFFER_BYTES = 4 * 1024 * 1024


def row_group_bytes(reader: ObjectReader) -> list[int]:
    """The bytes of each row group without its compression, as the file's footer says. SplitError if it is no Parquet."""
    metadata = _open(reader).metadata
    return [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]


def parquet_rows(
    reader: ObjectReader, row_groups: tuple[int, int], columns: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """The rows of the row groups from the first to the last, as Python's values. Memory is that of one row group at most."""
    first, last = row_groups
    file = _open(reader)
    if missing := sorted({*columns} - {*file.schema_arrow.names}):
        problem = f"it has no column {', '.join(missing)}"
        raise SplitError(problem, at=reader.uri, fix=f"Use some of {', '.join(file.schema_arrow.names)}")
    large = any(file.metadata.row_group(g).total_byte_size > _WHOLE_GROUP_BYTES for g in range(first, last + 1))
    if large:
        file = _open(reader, buffer_size=_BUFFER_BYTES)
    for group in range(first, last + 1):
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(columns) or None):
            yield from batch.to_pylist()


def _open(reader: ObjectReader, *, buffer_size: int = 0) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        problem = "it is read with pyarrow, which this function does not have"
        fix = 'Name pyarrow in the job\'s lock file, Job(…, requirements="….lock")'
        raise SplitError(problem, at=reader.uri, fix=fix) from error
    if reader.size < 2 * len(_MAGIC) or reader.read(reader.size - len(_MAGIC), reader.size) != _MAGIC:
        problem = f"it is no Parquet file: it does not end with {_MAGIC.decode()}"
        raise SplitError(problem, at=reader.uri, fix="Check the key, or the format that the job's Splits declares")
    try:
        return pq.ParquetFile(
            pa.PythonFile(_File(reader), mode="r"), pre_buffer=not buffer_size, buffer_size=buffer_size
        )
    except (pa.ArrowException, OSError) as error:
        problem = f"it is no Parquet file that can be read: {error}"
        raise SplitError(problem, at=reader.uri, fix="Write it anew from its source") from error


class _File:
    """An object as the file that pyarrow wants: each read is one ranged GET."""

    closed = False

    def __init__(self, reader: ObjectReader) -> None:
        self._reader, self._position = reader, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base: Mapping[int, int] = {0: 0, 1: self._position, 2: self._reader.size}
        self._position = base[whence] + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        stop = self._reader.size if size < 0 else self._position + size
        data = self._reader.read(self._position, stop)
        self._position += len(data)
        return data

    def close(self) -> None:
        self.closed = True

    def flush(self) -> None:
        pass
