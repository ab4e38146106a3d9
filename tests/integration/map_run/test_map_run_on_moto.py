"""Map runs against moto's S3, through the real boto3: what the fake in the unit tests has to be like."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from mapfold.local.map_run import MapRun, s3_factory
from mapfold.states.effects import BatcherSpec, ReaderSpec, TaskFailed, TaskSucceeded, WriterSpec
from tests.e2e.embedded import session
from tests.unit.map_run.fakes import IDENTITY, Children, map_spec

S3 = s3_factory(region="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
"""As a server has it: one client for all runs."""


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = session().client("s3")
        client.create_bucket(Bucket="data")
        client.create_bucket(Bucket="results")
        yield client


def new_run(children: Children, **spec: Any) -> MapRun:
    return MapRun(
        map_spec(**spec),
        IDENTITY,
        run_child=children.run,
        s3=S3,
        clock=lambda: 1000.0,
    )


def value(s3: Any, key: str) -> Any:
    return json.loads(s3.get_object(Bucket="results", Key=key)["Body"].read())


async def test_a_csv_object_becomes_result_files_of_many_parts(s3: Any) -> None:
    """Read as a stream, batched, and written in parts that S3 accepts; sizes in the manifest are S3's."""
    s3.put_object(Bucket="data", Key="rows.csv", Body="n\n" + "\n".join(map(str, range(3000))))
    reader = ReaderSpec(
        "s3:getObject", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, {"Bucket": "data", "Key": "rows.csv"}
    )
    children = Children(lambda child: [child.index, "x" * 60_000])
    run = new_run(
        children,
        reader=reader,
        batcher=BatcherSpec(10, None),
        writer=WriterSpec("results", "runs", "JSON", "COMPACT"),
    )

    answer = await run.run()

    assert isinstance(answer, TaskSucceeded)
    manifest = value(s3, answer.output["ResultWriterDetails"]["Key"])
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    head = s3.head_object(Bucket="results", Key=file["Key"])
    assert head["ContentLength"] == file["Size"] > 16 * 1024**2
    assert head["ETag"].strip('"').endswith("-3")
    assert sorted(index for index, _ in value(s3, file["Key"])) == list(range(300))
    assert not s3.list_multipart_uploads(Bucket="results").get("Uploads")


async def test_a_listing_of_more_than_one_page(s3: Any) -> None:
    """1,005 keys, each once."""
    for number in range(1005):
        s3.put_object(Bucket="data", Key=f"days/{number:04d}", Body=b"x")
    children = Children(lambda child: 0)
    reader = ReaderSpec("s3:listObjectsV2", {}, {"Bucket": "data", "Prefix": "days/"})

    answer = await new_run(children, reader=reader).run()

    assert isinstance(answer, TaskSucceeded)
    items = [json.loads(child.input_text) for child in children.started]
    assert [item["Key"] for item in items] == [f"days/{number:04d}" for number in range(1005)]
    assert items[0] | {"LastModified": 0} == {
        "Etag": '"9dd4e461268c8034f5c8564e155c67a6"',
        "Key": "days/0000",
        "LastModified": 0,
        "Size": 1,
        "StorageClass": "STANDARD",
    }


def with_source(index: int, item: Any, key: str | None, source: str) -> Any:
    return [source, item]


async def read_on_moto(resource: str, config: dict[str, Any], arguments: dict[str, Any]) -> list[tuple[str, Any]]:
    """The items that a map run reads, each with its `$$.Map.Item.Source`."""
    children = Children(lambda child: 0)
    reader = ReaderSpec(resource, config, {"Bucket": "data", **arguments})
    answer = await new_run(children, reader=reader, select=with_source).run()
    assert isinstance(answer, TaskSucceeded), answer
    return [(source, item) for source, item in (json.loads(child.input_text) for child in children.started)]


async def test_a_listing_begins_behind_start_after(s3: Any) -> None:
    """S3's own parameters, over pages of two keys; the source of metadata is the bucket."""
    for key in ("a/", "a/1", "a/2", "a/3", "a/4", "a/5", "b"):
        s3.put_object(Bucket="data", Key=key, Body=b"")

    items = await read_on_moto("s3:listObjectsV2", {}, {"Prefix": "a/", "StartAfter": "a/1", "MaxKeys": 2})

    assert [(source, item["Key"]) for source, item in items] == [("S3://data", f"a/{n}") for n in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("config", "texts", "items"),
    [
        (
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "PIPE"},
            [b"n|m\n1|2\n3|4\n", b"n\n5\n"],
            [{"n": "1", "m": "2"}, {"n": "3", "m": "4"}, {"n": "5"}],
        ),
        ({"InputType": "JSON", "ItemsPointer": "/rows"}, [b'{"rows": [1, 2]}', b'{"rows": [3]}'], [1, 2, 3]),
        ({"InputType": "JSONL"}, [b"1\n2\n", b"3"], [1, 2, 3]),
    ],
)
async def test_listed_objects_are_flattened(
    s3: Any, config: dict[str, Any], texts: list[bytes], items: list[Any]
) -> None:
    """LOAD_AND_FLATTEN: each item with the object that it came from; folders hold none; gzip goes by name."""
    s3.put_object(Bucket="data", Key="in/", Body=b"")
    s3.put_object(Bucket="data", Key="in/1", Body=texts[0])
    s3.put_object(Bucket="data", Key="in/é 2.gz", Body=gzip.compress(texts[1]))

    found = await read_on_moto("s3:listObjectsV2", config | {"Transformation": "LOAD_AND_FLATTEN"}, {"Prefix": "in/"})

    sources = ["S3://data/in/1"] * (len(items) - 1) + ["S3://data/in/é 2.gz"]
    assert found == list(zip(sources, items, strict=True))


@pytest.mark.parametrize(
    ("resource", "config", "arguments"),
    [
        ("s3:listObjectsV2", {"Transformation": "LOAD_AND_FLATTEN"}, {"Prefix": "in/"}),
        ("s3:getObject", {"ManifestType": "ATHENA_DATA"}, {"Key": "q-manifest.csv"}),
    ],
)
async def test_parquet_files_of_a_listing_and_of_an_athena_manifest(
    s3: Any, resource: str, config: dict[str, Any], arguments: dict[str, Any]
) -> None:
    """Read through ranged requests, each row with the file that it came from."""
    for number in range(2):
        file = io.BytesIO()
        pq.write_table(pa.table({"n": [number, number]}), file, row_group_size=1)
        s3.put_object(Bucket="data", Key=f"in/{number}", Body=file.getvalue())
    s3.put_object(Bucket="data", Key="q-manifest.csv", Body=b"s3://data/in/0\ns3://data/in/1\n")

    items = await read_on_moto(resource, config | {"InputType": "PARQUET"}, arguments)

    assert items == [(f"S3://data/in/{number}", {"n": number}) for number in (0, 0, 1, 1)]


@pytest.mark.parametrize("config", [{"ManifestType": "S3_INVENTORY"}, {"InputType": "MANIFEST"}])
async def test_an_s3_inventory(s3: Any, config: dict[str, Any]) -> None:
    """The manifest in one bucket, its parts in another; of the manifest the version that is asked for."""
    manifest = {
        "sourceBucket": "photos",
        "destinationBucket": "arn:aws:s3:::results",
        "version": "2016-11-30",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": f"data/{n}.csv.gz", "size": 1, "MD5checksum": "0"} for n in range(3)],
    }
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="data", Key="manifest.json", Body=json.dumps(manifest))["VersionId"]
    s3.put_object(Bucket="data", Key="manifest.json", Body=b"a later one")
    for n in range(3):
        s3.put_object(Bucket="results", Key=f"data/{n}.csv.gz", Body=gzip.compress(b'"photos","%d.jpg","7"\n' % n))

    items = await read_on_moto("s3:getObject", config, {"Key": "manifest.json", "VersionId": version})

    assert items == [
        (f"S3://results/data/{n}.csv.gz", {"Bucket": "photos", "Key": f"{n}.jpg", "Size": "7"}) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["n"]}, '"%d"\n'),
        ({"InputType": "JSONL"}, '{"n": "%d"}\n'),
    ],
)
async def test_the_files_of_an_athena_manifest(s3: Any, config: dict[str, Any], text: str) -> None:
    """UNLOAD writes gzipped files without a header, and a manifest that names them, also in another bucket."""
    uris = [f"s3://{bucket}/unload/{n}.gz" for n, bucket in enumerate(["data", "results", "data"])]
    for n, uri in enumerate(uris):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress((text % n).encode()))
    s3.put_object(Bucket="data", Key="q-manifest.csv", Body="\n".join(uris))

    items = await read_on_moto("s3:getObject", config | {"ManifestType": "ATHENA_DATA"}, {"Key": "q-manifest.csv"})

    assert items == [(f"S3{uri.removeprefix('s3')}", {"n": str(n)}) for n, uri in enumerate(uris)]


async def test_a_missing_part_is_the_readers_failure(s3: Any) -> None:
    """By the manifest, the line in it, and the part."""
    s3.put_object(Bucket="data", Key="m.csv", Body=b"s3://data/gone.gz\n")
    reader = ReaderSpec(
        "s3:getObject", {"InputType": "JSONL", "ManifestType": "ATHENA_DATA"}, {"Bucket": "data", "Key": "m.csv"}
    )

    answer = await new_run(Children(), reader=reader).run()

    assert isinstance(answer, TaskFailed)
    assert answer.error == "States.ItemReaderFailed"
    assert (answer.cause or "").startswith(
        "s3://data/m.csv, line 1: s3://data/gone.gz: The specified key does not exist. (Service: S3, Status Code: 404, "
    )


async def test_a_missing_object_is_the_readers_failure(s3: Any) -> None:
    """States.ItemReaderFailed in S3's words."""
    reader = ReaderSpec("s3:getObject", {"InputType": "JSON"}, {"Bucket": "data", "Key": "nothing.json"})

    answer = await new_run(Children(), reader=reader).run()

    assert isinstance(answer, TaskFailed)
    assert answer.error == "States.ItemReaderFailed"
    assert (answer.cause or "").startswith("The specified key does not exist. (Service: S3, Status Code: 404, ")


async def test_a_missing_bucket_is_the_writers_failure(s3: Any) -> None:
    """States.ResultWriterFailed in S3's words."""
    answer = await new_run(Children(), items=[1], writer=WriterSpec("nowhere", "runs")).run()

    assert isinstance(answer, TaskFailed)
    assert answer.error == "States.ResultWriterFailed"
    assert (answer.cause or "").startswith("The specified bucket does not exist (Service: S3, Status Code: 404, ")
