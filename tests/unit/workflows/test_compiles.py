"""The language itself accepts what `workflows` builds, and the embedded readers read what sources declare."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mapfold import (
    AthenaResult,
    CsvRows,
    Inventory,
    Job,
    JsonArray,
    JsonLines,
    JsonPairs,
    Manifest,
    ObjectRows,
    Objects,
    ParquetRows,
)
from mapfold.local.map_run.readers import open_reader
from mapfold.sources import Source
from mapfold.states import compile_machine
from mapfold.states.effects import ReaderSpec
from tests.unit.map_run.fakes import FakeS3
from workflows import PLACEHOLDERS, build_definition, substitute

SOURCES = [
    Manifest(),
    Manifest(versions=True),
    Inventory(),
    Inventory(versions=True),
    Objects(),
    CsvRows(),
    CsvRows("|", ("a",)),
    JsonLines(),
    JsonArray("/a"),
    JsonPairs(),
    ParquetRows(),
    AthenaResult("csv", ("a", "b")),
    AthenaResult("jsonl"),
    AthenaResult("parquet"),
    ObjectRows("csv"),
    ObjectRows("json", pointer="/a"),
    ObjectRows("jsonl"),
    ObjectRows("parquet"),
]


@pytest.mark.parametrize("source", SOURCES, ids=repr)
def test_every_source_makes_a_valid_machine(source: Source) -> None:
    """`compile_machine` reports all that CreateStateMachine would refuse."""
    values = {name: f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in PLACEHOLDERS}

    compiled = compile_machine(substitute(build_definition(Job("words", source=source)), values))

    assert compiled.scope.start_at == "Plan"


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1], "b": [None]}), file)
    return file.getvalue()


REPORT = json.dumps(
    {
        "destinationBucket": "arn:aws:s3:::b",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "part.csv.gz"}],
    }
)
OBJECTS = {
    "m.csv": b"b,k%2Fa,v1\nb,k\n",
    "manifest.json": REPORT.encode(),
    "part.csv.gz": gzip.compress(b'"b","k%2Fa","3"\n'),
    "rows/1.csv.gz": gzip.compress(b"a|b\n1|2\n"),
    "x.csv": b"a,b\n1,2\n",
    "x.json": b'{"a": [{"n": 1}], "b": 2}',
    "x.parquet": parquet(),
    "q-manifest.csv": b"s3://b/x.parquet\ns3://b/x.parquet\n",
}


@pytest.mark.parametrize(
    ("source", "key", "expected"),
    [
        (Manifest(), "m.csv", [{"bucket": "b", "key": "k/a"}, {"bucket": "b", "key": "k"}]),
        (
            Manifest(versions=True),
            "m.csv",
            [{"bucket": "b", "key": "k/a", "version": "v1"}, {"bucket": "b", "key": "k"}],
        ),
        (Inventory(), "manifest.json", [{"bucket": "b", "key": "k/a", "size": 3}]),
        (CsvRows(), "x.csv", [{"a": "1", "b": "2"}]),
        (JsonArray("/a"), "x.json", [{"n": 1}]),
        (ParquetRows(), "x.parquet", [{"a": 1, "b": None}]),
        (AthenaResult("parquet"), "q-manifest.csv", [{"a": 1, "b": None}] * 2),
        (ObjectRows("csv", delimiter="|"), "rows/", [{"a": "1", "b": "2"}]),
    ],
    ids=repr,
)
def test_every_reader_reads_what_the_source_declares(source: Source, key: str, expected: list[object]) -> None:
    """From the ItemReader to the author's items, through the embedded engine's own readers."""
    reader = source.item_reader()
    spec = ReaderSpec(
        reader["Resource"].removeprefix("arn:aws:states:::"),
        reader.get("ReaderConfig", {}),
        {"Bucket": "b", source.key_name: key},
    )
    s3 = FakeS3({("b", name): body for name, body in OBJECTS.items()})
    where = source.parse_uri(f"s3://b/{key}")

    items = [source.item(raw, where) for chunk in open_reader(s3, spec) for raw in chunk.values]

    assert items == expected
