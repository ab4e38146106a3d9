"""The items of a run as a list in S3, where Plan writes them itself: lines of {"i": index, "v": the author's item}.

MapListed reads it as JSON Lines. An index is an item's place in the source of the run, or of the run that is tried again:
so indexes need not be without gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mapfold.runs.folder import RunFolder
from mapfold.runs.objects import LineWriter
from mapfold.runs.partials import dumps

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Json = Any


@dataclass(frozen=True, slots=True)
class ItemList:
    """Where a list lies, and how many items it has.

    batch_items: how many make a batch; duplicates: {"items", "first"} of them; each where who listed the items knows it.
    """

    bucket: str
    key: str
    items: int
    batch_items: int | None = None
    duplicates: Mapping[str, Any] | None = None

    def as_plan(self) -> dict[str, str]:
        """As `$.plan.list`, where the ItemReader finds it."""
        return {"bucket": self.bucket, "key": self.key}


def write_list(s3: S3Client, folder: RunFolder, entries: Iterable[tuple[int, Json]]) -> ItemList:
    """Write `entries`, (index, author's item) each, as they come. An empty list is an empty object: it can be read."""
    with LineWriter(s3, folder.bucket, folder.items) as writer:
        for index, item in entries:
            writer.write(dumps({"i": index, "v": item}))
    if not writer.lines:
        s3.put_object(Bucket=folder.bucket, Key=folder.items, Body=b"")
    return ItemList(folder.bucket, folder.items, writer.lines)
