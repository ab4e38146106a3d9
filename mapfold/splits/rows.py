"""A split to its rows: what `context.rows` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mapfold.splits.formats import BOM, check_head
from mapfold.splits.gzip_members import member_blocks
from mapfold.splits.parquet import parquet_rows
from mapfold.splits.reading import ObjectReader
from mapfold.splits.records import Block, line_blocks, record_blocks
from mapfold.splits.text_rows import CsvShape, csv_rows, json_rows, text_rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Split = Mapping[str, Any]

_FIELDS = ("bucket", "key", "etag", "size", "format")


def read_rows(s3: S3Client, split: Split) -> Iterator[Any]:
    """The rows of a split, read as they arrive. TypeError for what is no split; SplitError, see the package."""
    if not isinstance(split, Mapping) or not all(field in split for field in _FIELDS):
        fix = "Declare source=Splits(…), or read an object with context.storage.rows or .lines"
        raise TypeError(f"context.rows takes a split, an item of Splits(…), not {split!r}. {fix}.")
    reader = ObjectReader(s3, bucket=split["bucket"], key=split["key"], etag=split["etag"], size=split["size"])
    if split["format"] == "parquet":
        first, last = split["row_groups"]
        return parquet_rows(reader, (first, last), split.get("columns", ()))
    blocks, encoding = _blocks(reader, split), split.get("encoding", "utf-8")
    if split["format"] == "csv":
        shape = CsvShape(split.get("delimiter", ","), encoding, split.get("quoted_newlines", False))
        return csv_rows(blocks, split.get("headers"), shape)
    return (json_rows if split["format"] == "jsonl" else text_rows)(blocks, encoding)


def _blocks(reader: ObjectReader, split: Split) -> Iterator[Block]:
    start, end, quoted = split["start"], split["end"], split.get("quoted_newlines", False)
    if split.get("compression"):
        blocks = member_blocks(reader, start, end, quoted=quoted)
    elif quoted:
        blocks = record_blocks(reader, start, end)
    else:
        blocks = line_blocks(reader, start, end, longest=split.get("split_bytes"))
    return _from_the_start(blocks, reader, split) if start == 0 else blocks


def _from_the_start(blocks: Iterator[Block], reader: ObjectReader, split: Split) -> Iterator[Block]:
    """Without the byte order mark that UTF-8 may begin with; SplitError if it is no such text at all."""
    for number, block in enumerate(blocks):
        if number == 0:
            check_head(block.data, reader.uri)
            if split.get("encoding", "utf-8") == "utf-8" and block.data.startswith(BOM):
                block = Block(block.place, block.position + len(BOM), block.data[len(BOM) :])
        yield block
