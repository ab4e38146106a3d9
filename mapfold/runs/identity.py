"""Which items a batch had: the ranges of their indexes and a digest of them, and the id that an item keeps.

A batch's output carries both, so that `mapfold audit` can hold them against the source without a line for each item:

    {"ranges": [[0, 99]], "digest": "5f0c62c1c3a8f2d1", …}

The digest is a sum over the items (mod 2^64), so it does not depend on their order, and those of two halves of a batch add
up to that of the whole. It finds what was mixed up by accident. It is no defence against somebody who makes up items.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

Json = Any

_MASK = (1 << 64) - 1
_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def item_digest(index: int, item: Json) -> int:
    """64 bits of an item and its place: of the blake2b hash of the JSON `[index,item]`, compact, with sorted keys."""
    return int.from_bytes(blake2b(_encoded([index, item]).encode(), digest_size=64).digest()[:8], "big")


def add_up(digests: Iterable[int]) -> int:
    """The digest of many items from those of each, or of their parts."""
    return sum(digests) & _MASK


def as_text(digest: int) -> str:
    """16 hexadecimal digits."""
    return f"{digest:016x}"


def ranges(indexes: Iterable[int]) -> list[list[int]]:
    """Sorted, contiguous ones joined: [[first, last], …]. An index that is there twice is in two ranges."""
    found: list[list[int]] = []
    for index in sorted(indexes):
        if found and index == found[-1][1] + 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found


def source_id(source: Mapping[str, Any]) -> str:
    """What the ids of a run's items begin with: `s3://bucket/key?versionId=…`, or with `etag=`.

    The version and the ETag are those that Plan saw. A listing has neither, and its ids say less: the objects under a
    prefix may be others in another run.
    """
    pins = ((name, source.get(field)) for name, field in (("versionId", "version"), ("etag", "etag")))
    pin = next((f"?{name}={value}" for name, value in pins if value and value != "null"), "")
    return f"{source.get('uri', '')}{pin}"


def item_id(source: Mapping[str, Any], index: int) -> str:
    """The id of the item at `index` of a run's source: that of the source, `#`, the index."""
    return f"{source_id(source)}#{index}"
