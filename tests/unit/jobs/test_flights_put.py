"""The example's data in the bucket of a stage on AWS."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from examples.flights.put import main, put


@mock_aws
def test_the_manifest_names_the_bucket_and_starts_no_run() -> None:
    """One line a day, in the bucket that was named, and no key under manifests/, which an upload rule hears of."""
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
    s3.create_bucket(Bucket="mine")
    days = {"flights/2013-01-01.csv": b"year\n2013\n", "flights/2013-01-02.csv": b"year\n2013\n"}

    uri = put(s3, "mine", days)

    manifest = s3.get_object(Bucket="mine", Key="flights/manifest.csv")["Body"].read().decode()
    keys = {each["Key"] for each in s3.list_objects_v2(Bucket="mine")["Contents"]}
    assert uri == "s3://mine/flights/manifest.csv"
    assert manifest == "mine,flights/2013-01-01.csv\nmine,flights/2013-01-02.csv\n"
    assert keys == {*days, "flights/manifest.csv"}


@mock_aws
@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_that_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 alone reads AWS_DEFAULT_REGION only; the page on AWS sets AWS_REGION."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv(name, "eu-central-1")
    used: list[str] = []
    monkeypatch.setattr("examples.flights.put.put", lambda s3, bucket, days: used.append(s3.meta.region_name))

    assert main(["mine"]) == 0
    assert used == ["eu-central-1"]
