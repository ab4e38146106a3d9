"""Put the flights of 2013 into a bucket: `python -m examples.flights.put BUCKET`. For a stage on AWS.

One CSV object a day, and last their manifest, which names the bucket. The manifest lies beside the days, not under
`manifests/flight-delays/`, where it would start a run. What is printed is the SOURCE of `mapfold run flight-delays`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from jobs.flight_delays import FLIGHTS_CSV, split_by_day

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST_KEY = "flights/manifest.csv"


def main(arguments: Sequence[str]) -> int:
    """Put them; 2 without the name of a bucket, 1 if AWS refuses."""
    if len(arguments) != 1:
        print("Name the data bucket of a stage: python -m examples.flights.put BUCKET", file=sys.stderr)
        return 2
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")  # boto3 reads the second one only
    try:
        print(put(boto3.client("s3", region_name=region), arguments[0], split_by_day(FLIGHTS_CSV)))
    except (BotoCoreError, ClientError) as error:
        print(
            f"The flights are not all in s3://{arguments[0]}: {error}. Mend that, and call it again.", file=sys.stderr
        )
        return 1
    return 0


def put(s3: S3Client, bucket: str, days: dict[str, bytes]) -> str:
    """The manifest's URI. Where it lies, all that it names does."""
    with ThreadPoolExecutor(8) as uploads:
        list(uploads.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=days[key]), days))
    manifest = "".join(f"{bucket},{key}\n" for key in days)
    s3.put_object(Bucket=bucket, Key=MANIFEST_KEY, Body=manifest.encode())
    return f"s3://{bucket}/{MANIFEST_KEY}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
