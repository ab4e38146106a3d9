"""The S3 client of map runs: boto3's, with bounded waiting and bounded retries."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from mapfold.local.map_run.model import S3Client, S3Factory


def s3_factory(*, region: str, endpoint_url: str | None = None, **credentials: Any) -> S3Factory:
    """A factory that makes one client, on its first call, and gives that one to all.

    A request is given up after 5 attempts, of 5 s to connect and 60 s without a byte each. `credentials` are
    boto3's (aws_access_key_id, …); without them boto3 finds its own, and without `endpoint_url` it heeds
    AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL.
    """

    @cache
    def make() -> S3Client:
        # Here, not above: importing boto3 takes 0.2 s, and a map run over state input needs no S3.
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": 5},
            max_pool_connections=50,
        )
        session = boto3.session.Session(region_name=region, **credentials)
        return cast(S3Client, session.client("s3", endpoint_url=endpoint_url, config=config))

    return make
