"""InputType JSONL: one JSON value a line. Empty lines are left out."""

from __future__ import annotations

from json import JSONDecodeError

import orjson

from mapfold.local.map_run.encoding import decode
from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.lines import LineBlocks
from mapfold.local.map_run.readers.objects import ANY_BYTES, Opening, S3Object, read_object
from mapfold.states.effects import Json, ReaderSpec

CHUNK_ITEMS = 250


def read_json_lines(s3: S3Client, spec: ReaderSpec, opening: Opening = ANY_BYTES) -> Chunks:
    """The values of a JSON Lines file. Raises `ItemReaderError`, which names the line."""
    source = S3Object.from_arguments(spec.arguments, opening.pinned)
    blocks = LineBlocks(source, read_object(s3, source, opening.on_opened))
    for block in blocks:
        lines = block.split(b"\n")
        for start in range(0, len(lines), CHUNK_ITEMS):
            part = lines[start : start + CHUNK_ITEMS]
            try:
                values = [orjson.loads(line) for line in part if line]
            except orjson.JSONDecodeError:
                values = _values_one_by_one(source, part, blocks.lines_before + start)
            if values:
                yield Chunk(values)


def _values_one_by_one(source: S3Object, lines: list[bytes], before: int) -> list[Json]:
    """The same with blank lines and rare numbers in it, and an error that names its line."""
    values = []
    for number, line in enumerate(lines, before + 1):
        if not line.strip():
            continue
        try:
            values.append(decode(line.decode()))
        except UnicodeDecodeError as error:
            raise ItemReaderError(
                f"{source}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; expected text in UTF-8."
            ) from error
        except ValueError as error:
            raise ItemReaderError(
                f"{source}, line {number}: {_problem(error)}; expected one JSON value on each line (InputType JSONL)."
            ) from error
        except RecursionError as error:
            raise ItemReaderError(f"{source}, line {number}: the value is nested too deeply.") from error
    return values


def _problem(error: ValueError) -> str:
    """What is wrong with a line, and where in it: the decoder's own words would count lines too, from 1 in each line."""
    return f"{error.msg} at column {error.colno}" if isinstance(error, JSONDecodeError) else str(error)
