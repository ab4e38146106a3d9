"""Map runs against moto's S3, through the real boto3: what the fake in the unit tests has to be like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mapfold.local.map_run import MapRun, s3_factory
from mapfold.states.effects import BatcherSpec, ReaderSpec, TaskFailed, TaskSucceeded, WriterSpec
from tests.unit.map_run.fakes import IDENTITY, Children, map_spec

CREDENTIALS: dict[str, Any] = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", **CREDENTIALS)
        client.create_bucket(Bucket="data")
        client.create_bucket(Bucket="results")
        yield client


def new_run(children: Children, **spec: Any) -> MapRun:
    return MapRun(
        map_spec(**spec),
        IDENTITY,
        run_child=children.run,
        s3=s3_factory(region="us-east-1", **CREDENTIALS),
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


async def test_a_missing_object_is_the_readers_failure(s3: Any) -> None:
    """States.ItemReaderFailed with bucket, key and S3's code."""
    reader = ReaderSpec("s3:getObject", {"InputType": "JSON"}, {"Bucket": "data", "Key": "nothing.json"})

    answer = await new_run(Children(), reader=reader).run()

    assert isinstance(answer, TaskFailed)
    assert answer.error == "States.ItemReaderFailed"
    assert (answer.cause or "").startswith("Cannot read s3://data/nothing.json: S3 answered NoSuchKey")


async def test_a_missing_bucket_is_the_writers_failure(s3: Any) -> None:
    """States.ResultWriterFailed with bucket, key and S3's code."""
    answer = await new_run(Children(), items=[1], writer=WriterSpec("nowhere", "runs")).run()

    assert isinstance(answer, TaskFailed)
    assert answer.error == "States.ResultWriterFailed"
    assert "Cannot write s3://nowhere/runs/" in (answer.cause or "")
    assert "NoSuchBucket" in (answer.cause or "")
