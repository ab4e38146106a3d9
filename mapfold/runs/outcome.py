"""What a map run left in S3: the ResultWriter's manifest and the files that it names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.objects import read_lines

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One of the ResultWriter's files."""

    bucket: str
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class MapOutcome:
    """The files of one map run, by the status of the children that they tell of."""

    succeeded: tuple[ResultFile, ...]
    failed: tuple[ResultFile, ...]
    pending: tuple[ResultFile, ...]

    @property
    def succeeded_bytes(self) -> int:
        """Size of all outputs together."""
        return sum(file.size for file in self.succeeded)


def read_outcome(s3: S3Client, bucket: str, key: str) -> MapOutcome:
    """The outcome that the manifest at `key` tells of."""
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    files = manifest["ResultFiles"]

    def of(status: str) -> tuple[ResultFile, ...]:
        where = manifest.get("DestinationBucket", bucket)
        return tuple(ResultFile(where, file["Key"], int(file["Size"])) for file in files.get(status, ()))

    return MapOutcome(of("SUCCEEDED"), of("FAILED"), of("PENDING"))


def read_outcomes(s3: S3Client, written: Iterable[Mapping[str, Any]]) -> MapOutcome:
    """The outcomes that several manifests tell of, {"bucket", "key"} each, as if they were of one map run."""
    found = [read_outcome(s3, each["bucket"], each["key"]) for each in written]
    return MapOutcome(
        succeeded=tuple(file for outcome in found for file in outcome.succeeded),
        failed=tuple(file for outcome in found for file in outcome.failed),
        pending=tuple(file for outcome in found for file in outcome.pending),
    )


def find_manifest(s3: S3Client, bucket: str, prefix: str) -> dict[str, str]:
    """{"bucket", "key"} of the newest manifest under `prefix`: a Map state that failed does not say where its own is.

    FileNotFoundError if there is none.
    """
    found: tuple[Any, str] | None = None
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for item in page.get("Contents", ()):
            if item["Key"].endswith("/manifest.json") and (found is None or item["LastModified"] > found[0]):
                found = (item["LastModified"], item["Key"])
    if found is None:
        raise FileNotFoundError(f"no map run has written a manifest.json under s3://{bucket}/{prefix}/")
    return {"bucket": bucket, "key": found[1]}


def records(s3: S3Client, files: tuple[ResultFile, ...]) -> Iterator[Mapping[str, Any]]:
    """The execution records of FAILED or PENDING files (JSON Lines), as they are read."""
    for file in files:
        for line in read_lines(s3, file.bucket, file.key):
            yield json.loads(line)
