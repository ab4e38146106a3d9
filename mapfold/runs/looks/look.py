"""What a look at a source gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapfold.runs.looks.errors import unreadable
from mapfold.runs.looks.head import Head

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TYPICAL_ITEM_BYTES = 100


@dataclass(frozen=True, slots=True)
class Look:
    """items: about how many there are; it need not be right, it only shapes batches.

    etag, version: which object it is that Plan saw; empty for a listing, "null" where the bucket has no versions.
    """

    items: int
    etag: str = ""
    version: str = ""


def look_at_object(s3: S3Client, source: Mapping[str, str]) -> Look:
    """That an object is there, and which one it is; nothing of what is in it. SourceError."""
    from botocore.exceptions import ClientError

    try:
        found = s3.head_object(Bucket=source["bucket"], Key=source["key"])
    except ClientError as error:
        raise unreadable(source["uri"], error) from error
    return Look(0, found["ETag"].strip('"'), found.get("VersionId", "null"))


def look_of(head: Head, *, marks: int) -> Look:
    """From the `marks` items that were counted in the head's text."""
    return Look(estimate(head, marks=marks), head.etag, head.version)


def estimate(head: Head, *, marks: int) -> int:
    """About how many items an object has that has `marks` in its head."""
    if not head.size:
        return 0
    if head.text is None:
        return math.ceil(head.unpacked_size / TYPICAL_ITEM_BYTES)
    return marks if head.is_whole else math.ceil(head.unpacked_size / (len(head.text) / max(1, marks)))
