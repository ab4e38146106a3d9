"""A look at what an UNLOAD of Athena wrote: its data manifest, and the first of the files that it names."""

from __future__ import annotations

from collections.abc import Mapping

from mapfold.runs.looks.errors import SourceError
from mapfold.runs.looks.head import Head
from mapfold.runs.looks.listing import LookAtObject
from mapfold.runs.looks.look import Look, estimate
from mapfold.runs.looks.text import refuse_parquet


def look_at_data_manifest(head: Head, look_at_object: LookAtObject) -> Look:
    """As many rows a file as the first one has. SourceError for a line of the head that is no S3 URI."""
    refuse_parquet(head, "Give the data manifest, <query id>-manifest.csv, which names such files.")
    uris = [line.strip().decode(errors="replace") for line in head.lines() if line.strip()]
    files = [_file(head.uri, number, uri) for number, uri in enumerate(uris, 1)]
    if not files:
        raise SourceError(f"{head.uri} names no file: the UNLOAD found no rows. There is nothing to run over.")
    rows = look_at_object(files[0]).items
    return Look(rows * estimate(head, marks=len(files)), head.etag, head.version)


def _file(manifest: str, line: int, uri: str) -> Mapping[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise SourceError(
            f"{manifest}, line {line}: {uri[:200]!r} is no S3 URI. The job's source wants the data manifest that Athena "
            "leaves beside the result of an UNLOAD, <query id>-manifest.csv: one URI of a file on each line."
        )
    return {"uri": uri, "bucket": bucket, "key": key}
