"""`last.json`: what a run leaves behind for the next one that retries its failed items.

Finish writes it for every run, so it is there if and only if the run came to its end. The next run folds what it finds
onto the partial in it, and goes on with its counts: any number of retries in a row, and no item is counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.folder import RunFolder
from mapfold.runs.objects import exists
from mapfold.runs.partials import dumps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Json = Any


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of a run."""

    total: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Last:
    """How a run ended.

    source: that of the first run of its chain, with the version or etag that its Plan saw. partial: of the last fold,
    packed, and means nothing if no item succeeded; of a result in parts or shards (`result_kind`) it says where their
    index is. lineage: the runs that it stands on, the first one first, itself not in it. is_whole: its map run read its
    source to the end, so that each item is in the result or among the failed ones.
    """

    run_id: str
    job: str
    source: Mapping[str, Json]
    items: Counts
    partial: Json
    result_kind: str = "value"
    lineage: tuple[str, ...] = ()
    is_whole: bool = True

    @property
    def retry_of(self) -> str | None:
        """The run whose failed items it tried again, if it did."""
        return self.lineage[-1] if self.lineage else None


def write_last(s3: S3Client, folder: RunFolder, last: Last) -> None:
    """Write the run's `last.json`."""
    s3.put_object(Bucket=folder.bucket, Key=folder.last, Body=dumps(asdict(last)), ContentType="application/json")


def read_last(s3: S3Client, folder: RunFolder) -> Last | None:
    """The run's `last.json`, or None if it has none: it did not come to its end, or its folder is gone."""
    if not exists(s3, folder.bucket, folder.last):
        return None
    told = json.loads(s3.get_object(Bucket=folder.bucket, Key=folder.last)["Body"].read())
    return Last(**{**told, "items": Counts(**told["items"]), "lineage": tuple(told["lineage"])})
