"""The result of a run that has ended: where it is, how large, a link to it, and itself where it is small."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Protocol

from mapfold.client.errors import NoResult
from mapfold.client.outcome import ReadsOutcomes, outcome, split_uri
from mapfold.client.values import Execution, Json

INLINE_BYTES = 1_000_000
"""A larger result is only linked."""

LINK_SECONDS = 3600


class LinksResults(ReadsOutcomes, Protocol):
    """What a result takes of `AwsClient`."""

    def object_link(self, bucket: str, key: str, *, seconds: int) -> str: ...


@dataclass(frozen=True, slots=True)
class StoredResult:
    """`size` in bytes. `value` only where `is_inline`: a result may itself be null."""

    uri: str
    size: int
    url: str
    url_seconds: int
    is_inline: bool
    value: Json = None


def stored_result(aws: LinksResults, execution: Execution) -> StoredResult:
    """The result of a run. `NoResult`, with the reason, if it has not ended, has none, or it is not there any more."""
    if not execution.status.is_terminal:
        raise NoResult(execution.name, f"it is {execution.status}", is_early=True)
    uri = outcome(aws, execution, with_result=False).result_uri
    if uri is None:
        why = f" with {execution.error}" if execution.error else ""
        raise NoResult(execution.name, f"it ended {execution.status}{why} before it wrote one")
    bucket, key = split_uri(uri)
    size = aws.object_size(bucket, key)
    if size is None:
        raise NoResult(execution.name, f"{uri} is not there any more")
    is_inline = size <= INLINE_BYTES
    return StoredResult(
        uri=uri,
        size=size,
        url=aws.object_link(bucket, key, seconds=LINK_SECONDS),
        url_seconds=LINK_SECONDS,
        is_inline=is_inline,
        value=json.loads(aws.object_text(bucket, key)) if is_inline else None,
    )
