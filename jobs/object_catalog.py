"""What is in the objects of an S3 Inventory report: lines, words and SHA-256 of each, and which are the same.

One row of the report is one item. Each object is read as a stream and kept as an item of the table object-catalog, where a
second run overwrites it. The fold adds up the totals, keeps the largest objects, and brings together those with the same
content: it holds about 150 bytes for each different content, so that a hundred thousand objects are 15 MB of partial.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mapfold import Context, Inventory, Job

TABLE = "object-catalog"
BUCKET = "mapfold-data"
PREFIX = "texts/python/"
REPORT = f"inventories/{BUCKET}/python-library"
MANIFEST = f"s3://{BUCKET}/{REPORT}/2026-01-01T01-00Z/manifest.json"

MOST_FILES = 120
MOST_FILE_BYTES = 256 * 1024
PARTS = 4
"""Of the example: as many files of Python's standard library, none of them larger, in so many parts of the report."""

LARGEST = 10
NAMED = 5
"""How many of the largest objects, and of those with the same content, are named."""

_BLOCK_BYTES = 256 * 1024
_SPACE = b" \t\n\r\x0b\x0c"

job = Job("object-catalog", source=Inventory(), tables={TABLE: ("uri",)}, timeout_seconds=60)


@job.map
def look_into(item: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """One object's size, lines, words and SHA-256: into the table, and as a partial of one object."""
    uri = f"s3://{item['bucket']}/{item['key']}"
    with context.storage.stream(item) as file:
        found = measure(iter(lambda: file.read(_BLOCK_BYTES), b""))
    context.table(TABLE).write([{"uri": uri, **found}])
    size, content = found["bytes"], found["sha256"]
    totals = {name: found[name] for name in ("bytes", "lines", "words")}
    return {"objects": 1, **totals, "largest": [[size, uri]], "contents": {content: [size, 1, [uri]]}}


@job.fold
def add(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Totals added up, the largest of both, the contents of both."""
    for name in ("objects", "bytes", "lines", "words"):
        one[name] += other[name]
    one["largest"] = largest([*one["largest"], *other["largest"]])
    contents = one["contents"]
    for content, (size, count, uris) in other["contents"].items():
        _, before, named = contents.get(content, (size, 0, []))
        contents[content] = [size, before + count, sorted([*named, *uris])[:NAMED]]
    return one


@job.finish
def report(catalog: dict[str, Any]) -> dict[str, Any]:
    """The totals, the largest objects, and the contents that are there more than once, most bytes to be saved first."""
    repeated = [
        {"sha256": content, "objects": count, "bytes": size, "repeated_bytes": size * (count - 1), "uris": uris}
        for content, (size, count, uris) in catalog["contents"].items()
        if count > 1
    ]
    return {
        **{name: catalog[name] for name in ("objects", "bytes", "lines", "words")},
        "contents": len(catalog["contents"]),
        "repeated_bytes": sum(each["repeated_bytes"] for each in repeated),
        "largest": {uri: {"bytes": size} for size, uri in catalog["largest"]},
        "repeated": sorted(repeated, key=lambda each: (-each["repeated_bytes"], each["sha256"])),
    }


@job.example
def python_library(context: Context) -> str:
    """Put text files of Python's standard library into the data bucket, and the report over them, unless it is there."""
    try:
        context.storage.get(MANIFEST)
    except FileNotFoundError:
        put_texts(context, library_texts(Path(sysconfig.get_paths()["stdlib"])))
        put_report(context, listed(context))
    return MANIFEST


def measure(blocks: Iterable[bytes]) -> dict[str, Any]:
    """bytes, lines, words and sha256 of a stream. A last line without an end is one; words are split at ASCII's spaces."""
    size = lines = words = 0
    digest, last = hashlib.sha256(), b"\n"
    for block in blocks:
        digest.update(block)
        size += len(block)
        lines += block.count(b"\n")
        # A word that goes on from the block before has been counted there.
        words += len(block.split()) - (last not in _SPACE and block[:1] not in _SPACE)
        last = block[-1:]
    return {"bytes": size, "lines": lines + (last != b"\n"), "words": words, "sha256": digest.hexdigest()}


def largest(objects: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """The largest of [size, URI], and of objects of one size those whose URI comes first."""
    return sorted(objects, key=lambda each: (-each[0], each[1]))[:LARGEST]


def library_texts(library: Path) -> dict[str, bytes]:
    """Modules and texts at the top of the library and in its packages, by their path: the same each time on a machine."""
    paths = sorted(path for pattern in ("*.py", "*.txt", "*/*.py", "*/*.txt") for path in library.glob(pattern))
    kept = (path for path in paths if "-packages" not in path.parent.name and path.stat().st_size <= MOST_FILE_BYTES)
    return {path.relative_to(library).as_posix(): path.read_bytes() for path in islice(kept, MOST_FILES)}


def put_texts(context: Context, texts: Mapping[str, bytes]) -> None:
    """Each under its path."""
    with ThreadPoolExecutor(8) as uploads:
        list(uploads.map(lambda path: context.storage.put(f"s3://{BUCKET}/{PREFIX}{path}", texts[path]), texts))


def listed(context: Context) -> Iterator[dict[str, str]]:
    """What S3 lists under the prefix, as a report's rows."""
    pages = context.storage.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
    for page in pages:
        for found in page.get("Contents", ()):
            yield {
                "Bucket": BUCKET,
                "Key": quote(found["Key"]),
                "Size": str(found["Size"]),
                "LastModifiedDate": found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "ETag": found["ETag"].strip('"'),
                "StorageClass": found.get("StorageClass", "STANDARD"),
            }


def put_report(context: Context, rows: Iterable[Mapping[str, str]]) -> None:
    """The parts, then manifest.json and its checksum, as S3 Inventory writes them: where it lies, all parts do."""
    kept = list(rows)
    files = []
    for number in range(PARTS):
        body = part(kept[number * len(kept) // PARTS : (number + 1) * len(kept) // PARTS])
        key = f"{REPORT}/data/{hashlib.md5(body, usedforsecurity=False).hexdigest()}.csv.gz"
        context.storage.put(f"s3://{BUCKET}/{key}", body)
        checksum = hashlib.md5(body, usedforsecurity=False).hexdigest()
        files.append({"key": key, "size": len(body), "MD5checksum": checksum})
    manifest = {
        "sourceBucket": BUCKET,
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "version": "2016-11-30",
        "creationTimestamp": "1767229200000",
        "fileFormat": "CSV",
        "fileSchema": ", ".join(kept[0]),
        "files": files,
    }
    text = json.dumps(manifest, indent=2)
    context.storage.put(
        MANIFEST.replace(".json", ".checksum"), hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    )
    context.storage.put(MANIFEST, text)


def part(rows: Iterable[Mapping[str, str]]) -> bytes:
    """Gzipped CSV without a header, every field in quotes."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(row.values() for row in rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)
