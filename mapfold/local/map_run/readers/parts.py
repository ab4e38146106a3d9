"""What readers share: the names of sources, and one object of the many that a listing or a manifest names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.objects import ANY_BYTES, Opening
from mapfold.states.effects import Json, ReaderSpec

Reader = Callable[[S3Client, ReaderSpec, Opening], Chunks]
"""Reads one object. Raises `ItemReaderError`."""


def source_name(spec: ReaderSpec | None) -> str:
    """What `$$.Map.Item.Source` is: STATE_DATA, S3://bucket of a listing, S3://bucket/key of an object."""
    if spec is None:
        return "STATE_DATA"
    bucket = spec.arguments.get("Bucket", "")
    return f"S3://{bucket}" if "Key" not in spec.arguments else f"S3://{bucket}/{spec.arguments['Key']}"


def read_part(
    s3: S3Client,
    read: Reader,
    config: Mapping[str, Json],
    arguments: Mapping[str, Json],
    *,
    named_by: str | None = None,
    opening: Opening = ANY_BYTES,
) -> Chunks:
    """The chunks of one object, each with that object as its source.

    An error names the object, also where AWS's own words do not, and the place that it was `named_by`.
    """
    part = ReaderSpec("s3:getObject", config, arguments)
    source = source_name(part)
    try:
        for chunk in read(s3, part, opening):
            yield Chunk(chunk.values, chunk.keys, source)
    except ItemReaderError as error:
        place = f"s3://{arguments['Bucket']}/{arguments['Key']}"
        cause = error.cause if place in error.cause else f"{place}: {error.cause}"
        raise ItemReaderError(cause if named_by is None else f"{named_by}: {cause}") from error


def owned_by(arguments: Mapping[str, Json]) -> dict[str, Json]:
    """What the reader's parameters demand of every bucket that is read: its owner, if that was given."""
    owner = arguments.get("ExpectedBucketOwner")
    return {} if owner is None else {"ExpectedBucketOwner": owner}
