"""Item readers against moto's S3, through the real boto3: ranges, versions and conditions as S3 answers them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from mapfold.local.map_run.model import ItemReaderError
from mapfold.local.map_run.readers import ObjectIdentity, open_reader
from mapfold.states.effects import Json, ReaderSpec
from tests.e2e.embedded import session

SPEC = ReaderSpec("s3:getObject", {"InputType": "PARQUET"}, {"Bucket": "data", "Key": "k"})


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = session().client("s3")
        client.create_bucket(Bucket="data")
        yield client
        client.close()


def put_rows(s3: Any, count: int) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"n": range(count)}), file, row_group_size=10_000)
    s3.put_object(Bucket="data", Key="k", Body=file.getvalue())


def read(s3: Any, **opening: Any) -> list[Json]:
    return [row["n"] for chunk in open_reader(s3, SPEC, **opening) for row in chunk.values]


def test_a_parquet_file_is_read_in_ranges(s3: Any) -> None:
    """Its end by a range of its last bytes, the rest by a range up to the end."""
    put_rows(s3, 100_000)

    assert read(s3) == list(range(100_000))


def test_an_empty_object_is_no_parquet_file(s3: Any) -> None:
    """It has no last bytes."""
    s3.put_object(Bucket="data", Key="k", Body=b"")

    with pytest.raises(ItemReaderError, match="s3://data/k"):
        read(s3)


def test_an_object_that_was_replaced_is_refused(s3: Any) -> None:
    """By its ETag, in a bucket without versions."""
    told: list[ObjectIdentity] = []
    put_rows(s3, 100_000)
    read(s3, on_opened=told.append)
    put_rows(s3, 5)

    with pytest.raises(
        ItemReaderError, match=r"s3://data/k has changed since the run began \(its ETag was \"[0-9a-f]{32}"
    ):
        read(s3, pinned=told[0])


def test_an_older_version_is_read_on(s3: Any) -> None:
    """In a bucket that keeps versions the bytes are still there."""
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    told: list[ObjectIdentity] = []
    put_rows(s3, 100_000)
    read(s3, on_opened=told.append)
    put_rows(s3, 5)

    assert read(s3) == list(range(5))
    assert read(s3, pinned=told[0]) == list(range(100_000))
