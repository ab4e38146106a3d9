"""A source's items as an audit reads them, held to what the embedded Step Functions' readers give."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from moto import mock_aws

from mapfold.local.map_run.readers import open_reader
from mapfold.runs.looks import SourceError
from mapfold.runs.source_items import UNREAD, has_promised_order, read_items
from mapfold.sources import (
    AthenaResult,
    CsvRows,
    Inventory,
    JsonArray,
    JsonLines,
    JsonPairs,
    Manifest,
    ObjectRows,
    Objects,
    ParquetRows,
    Source,
)
from mapfold.states.effects import ReaderSpec
from tests.e2e.embedded import session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "data"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = session().client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def at(key: str) -> dict[str, str]:
    return {"uri": f"s3://{BUCKET}/{key}", "bucket": BUCKET, "key": key}


def as_step_functions_reads(s3: S3Client, declared: Source, source: dict[str, str]) -> list[Any]:
    """The authors' items by way of the embedded ItemReader, the ItemSelector, and what Work makes of them."""
    action = "getObject" if declared.key_name == "Key" else "listObjectsV2"
    spec = ReaderSpec(
        f"arn:aws:states:::s3:{action}".removeprefix("arn:aws:states:::"),
        declared.reader_config(),
        {"Bucket": source["bucket"], declared.key_name: source["key"]},
    )
    items: list[Any] = []
    for chunk in open_reader(cast(Any, s3), spec):
        for place, value in enumerate(chunk.values):
            raw = value
            if isinstance(declared, JsonPairs):
                assert chunk.keys is not None
                raw = {"key": chunk.keys[place], "value": value}
            items.append(declared.item(json.loads(json.dumps(raw)), source))
    return items


TEXTS: list[tuple[Source, str, str]] = [
    (Manifest(), "m.csv", "data,a%20b+c\n\ndata,plain\r\ndata,last"),
    (Manifest(versions=True), "m.csv", "data,a,v1\ndata,b\n"),
    (CsvRows(), "rows.csv", 'id,name\n1,"a, ""b""\nc"\n2\n3,x,too long\n\n4,é\n'),
    (CsvRows(delimiter=";", headers=("a", "b")), "rows.csv", "1;2\n3;\\;4\n"),
    (
        JsonLines(),
        "lines.jsonl",
        '{"n": 1.50}\n\n[1, 12345678901234567890123]\n18446744073709551615\r\n"\\u00e9"\nnull',
    ),
    (JsonArray(), "array.json", '[1, {"a": [2, 3]}, "x", -1.5e3, true, 7]'),
    (JsonArray(pointer="/deep/1/items"), "array.json", '{"skip": {"x": [1]}, "deep": [0, {"items": [1, 2]}], "b": 1}'),
    (JsonPairs(), "pairs.json", '{"one": 1, "two": {"n": 2}, "": null}'),
]


@pytest.mark.parametrize(("declared", "key", "text"), TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_an_object_has_the_items_that_step_functions_reads(
    s3: S3Client, declared: Source, key: str, text: str, packed: bool
) -> None:
    """In the same order, also out of a gzip file, and whatever is quoted, short, long, empty or large in it."""
    key += ".gz" if packed else ""
    body = text.encode()
    s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(body) if packed else body)

    items = list(read_items(s3, declared, at(key)))

    assert items == as_step_functions_reads(s3, declared, at(key))
    assert len(items) >= 2


@pytest.mark.parametrize("pointer", ["", "/a/b"])
def test_a_large_document_is_read_in_pieces(s3: S3Client, pointer: str) -> None:
    """Values and numbers go across the blocks in which it arrives."""
    values = [{"n": number, "text": "é" * (number % 90)} for number in range(9_000)] + [
        10**15 + n for n in range(9_000)
    ]
    document: Any = values if not pointer else {"before": values[:2_000], "a": {"b": values, "c": 1}}
    s3.put_object(Bucket=BUCKET, Key="large.json", Body=json.dumps(document, ensure_ascii=False).encode())

    assert list(read_items(s3, JsonArray(pointer=pointer), at("large.json"))) == values


def test_many_objects_are_one_stream(s3: S3Client) -> None:
    """A listing, the rows in it, an inventory's parts, the files of an UNLOAD: in the order that the readers have."""
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key=f"rows/{number}.csv", Body=f"n\n{number}\n{number + 10}\n")
        s3.put_object(
            Bucket=BUCKET, Key=f"parts/{number}.csv.gz", Body=gzip.compress(b'"data","a%%2B%d","7"\n' % number)
        )
    s3.put_object(Bucket=BUCKET, Key="rows/", Body=b"")
    report = {
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": f"parts/{number}.csv.gz"} for number in (2, 0, 1)],
    }
    s3.put_object(Bucket=BUCKET, Key="manifest.json", Body=json.dumps(report))
    s3.put_object(Bucket=BUCKET, Key="q-manifest.csv", Body="s3://data/rows/1.csv\ns3://data/rows/0.csv\n")
    declared: list[tuple[Source, str]] = [
        (Objects(), "rows/"),
        (ObjectRows("csv"), "rows/"),
        (Inventory(), "manifest.json"),
        (AthenaResult("csv", headers=("n",)), "q-manifest.csv"),
    ]

    for source, key in declared:
        assert list(read_items(s3, source, at(key))) == as_step_functions_reads(s3, source, at(key)), source
        assert not has_promised_order(source)


def test_of_parquet_only_the_places_are_known(s3: S3Client) -> None:
    """What Step Functions makes of its types is not documented, so nothing is compared with it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": [1, 2, 3]}), sink)
    s3.put_object(Bucket=BUCKET, Key="t.parquet", Body=sink.getvalue().to_pybytes())

    assert list(read_items(s3, ParquetRows(), at("t.parquet"))) == [UNREAD] * 3


def test_what_was_overwritten_since_is_an_error(s3: S3Client) -> None:
    """The ETag that Plan saw is demanded, so another content is never taken for a difference."""
    etag = s3.put_object(Bucket=BUCKET, Key="m.csv", Body="data,a\n")["ETag"]
    s3.put_object(Bucket=BUCKET, Key="m.csv", Body="data,b\n")

    with pytest.raises(SourceError, match=r"s3://data/m.csv cannot be read: it has been overwritten since"):
        list(read_items(s3, Manifest(), {**at("m.csv"), "etag": etag.strip('"')}))


def test_a_version_is_read_though_there_is_a_newer_one(s3: S3Client) -> None:
    """Where the bucket keeps versions, a run can be audited after its source was overwritten."""
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=BUCKET, Key="m.csv", Body="data,a\n")
    s3.put_object(Bucket=BUCKET, Key="m.csv", Body="data,b\n")
    source = {**at("m.csv"), "etag": first["ETag"].strip('"'), "version": first["VersionId"]}

    assert list(read_items(s3, Manifest(), source)) == [{"bucket": "data", "key": "a"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "s3://data/a.json ends in the middle"),
        ("[1 2]", "a comma is missing behind element 1"),
        ("7", "neither an array nor an object"),
        ("[1, nope]", "is no JSON, or ends in the middle"),
    ],
)
def test_a_document_that_is_none_is_named(s3: S3Client, text: str, message: str) -> None:
    """It was read by the run, so it is told apart from one that merely changed."""
    s3.put_object(Bucket=BUCKET, Key="a.json", Body=text)

    with pytest.raises(SourceError, match=message):
        list(read_items(s3, JsonArray(), at("a.json")))
