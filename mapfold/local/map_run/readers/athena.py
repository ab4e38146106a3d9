"""ManifestType ATHENA_DATA: the files that an UNLOAD of Athena wrote.

The Key names the data manifest that Athena leaves beside the query's result, `<query id>-manifest.csv`: one S3 URI a
line. The files are CSV without a header, JSON lines (both mostly gzipped) or Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from mapfold.local.map_run.model import Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.lines import LineBlocks
from mapfold.local.map_run.readers.objects import S3Object, read_object
from mapfold.local.map_run.readers.parts import Reader, owned_by, read_part
from mapfold.states.effects import ReaderSpec


def read_athena_manifest(s3: S3Client, spec: ReaderSpec, read: Reader) -> Chunks:
    """What `read` finds in each file of the manifest, in the manifest's order. Raises `ItemReaderError`.

    The manifest is read as a stream too. ExpectedBucketOwner, if given, has to own the files' buckets as well
    (unconfirmed on AWS).
    """
    manifest = S3Object.from_arguments(spec.arguments)
    for place, bucket, key in _parts(s3, manifest):
        arguments = {"Bucket": bucket, "Key": key, **owned_by(spec.arguments)}
        yield from read_part(s3, read, spec.config, arguments, named_by=place)


def _parts(s3: S3Client, manifest: S3Object) -> Iterator[tuple[str, str, str]]:
    """The place in the manifest, the bucket and the key of each file. Empty lines are left out."""
    number = 0
    blocks = LineBlocks(manifest, read_object(s3, manifest))
    for block in blocks:
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            raise blocks.not_utf_8(block, error) from error
        for line in io.StringIO(text):
            number += 1
            uri = line.strip()
            if uri:
                yield f"{manifest}, line {number}", *_bucket_and_key(f"{manifest}, line {number}", uri)


def _bucket_and_key(place: str, uri: str) -> tuple[str, str]:
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not bucket or not key:
        shown = uri if len(uri) <= 200 else f"{uri[:200]}…"
        raise ItemReaderError(f"{place}: {shown!r} is no S3 URI; expected s3://bucket/key of a file that UNLOAD wrote.")
    return bucket, key
