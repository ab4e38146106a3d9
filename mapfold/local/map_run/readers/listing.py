"""Resource s3:listObjectsV2: every object under a prefix, however many pages that takes.

An item is the object's metadata, or with LOAD_AND_FLATTEN each row or record in it, all objects in one stream. One page
is in memory at a time. Objects are opened one after the other: of small ones moto gives 240 a second to one reader, and
no more to two, four or eight at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from mapfold.local.map_run.model import Chunk, Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.objects import ATTEMPTS, failure_cause
from mapfold.local.map_run.readers.parts import Reader, owned_by, read_part
from mapfold.states.effects import Json, ReaderSpec

TEXT_PARAMETERS = ("Bucket", "Delimiter", "ExpectedBucketOwner", "Prefix", "RequestPayer", "StartAfter")
PARAMETERS = sorted([*TEXT_PARAMETERS, "MaxKeys"])


def list_objects(s3: S3Client, spec: ReaderSpec) -> Chunks:
    """The metadata of the objects in S3's order, a chunk a page (1,000 keys). Raises `ItemReaderError`.

    The empty objects that the S3 console makes for folders are items too, as on AWS.
    """
    for page in _pages(s3, spec.arguments):
        yield Chunk([_item(entry) for entry in page])


def read_listed_objects(s3: S3Client, spec: ReaderSpec, read: Reader) -> Chunks:
    """Transformation LOAD_AND_FLATTEN: what `read` finds in each listed object, in S3's order of the keys.

    Empty objects whose key ends with "/" stand for folders and hold no items (unconfirmed on AWS). Any other empty
    object is read, and may be an error, as in CSV that has to have a header. Raises `ItemReaderError`.
    """
    bucket, owner = spec.arguments.get("Bucket"), owned_by(spec.arguments)
    for page in _pages(s3, spec.arguments):
        for entry in page:
            if entry["Key"].endswith("/") and not entry["Size"]:
                continue
            yield from read_part(s3, read, spec.config, {"Bucket": bucket, "Key": entry["Key"], **owner})


def _pages(s3: S3Client, arguments: Mapping[str, Json]) -> Iterator[list[dict[str, Any]]]:
    """The entries of each page that has any."""
    request = _request(arguments)
    place = f"s3://{request['Bucket']}/{request.get('Prefix', '')}"
    while True:
        page = _page(s3, request, place)
        if found := page.get("Contents"):
            yield found
        if not page.get("IsTruncated"):
            return
        token = page.get("NextContinuationToken")
        if not token or token == request.get("ContinuationToken"):
            raise ItemReaderError(
                f"Cannot list {place}: S3 says that there are more keys, but answered with the continuation token "
                f"{token!r}; expected a new one."
            )
        request["ContinuationToken"] = token


def _page(s3: S3Client, request: dict[str, Any], place: str) -> Any:
    """One page. The client has its own retries of refusals; a broken answer is asked for again here, a few times."""
    broken = 0
    while True:
        try:
            return s3.list_objects_v2(**request)
        except (ClientError, ParamValidationError) as error:
            raise ItemReaderError(failure_cause(f"Cannot list {place}", error)) from error
        except (BotoCoreError, OSError, EOFError) as error:
            broken += 1
            if broken >= ATTEMPTS:
                raise ItemReaderError(failure_cause(f"Cannot list {place}, tried {broken} times", error)) from error


def _request(arguments: Mapping[str, Json]) -> dict[str, Any]:
    unknown = sorted(set(arguments) - set(PARAMETERS))
    if unknown:
        raise ItemReaderError(
            f"The ItemReader's parameters name {', '.join(unknown)}; s3:listObjectsV2 takes {', '.join(PARAMETERS)}."
        )
    given = {name: value for name, value in arguments.items() if value is not None}
    if not given.get("Bucket"):
        raise ItemReaderError(
            f"The ItemReader's Bucket is {arguments.get('Bucket')!r}; expected a text that is not empty."
        )
    for name in TEXT_PARAMETERS:
        if not isinstance(given.get(name, ""), str):
            raise ItemReaderError(f"The ItemReader's {name} is {given[name]!r}; expected a text.")
    size = given.get("MaxKeys", 1000)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 1000:
        raise ItemReaderError(
            f"The ItemReader's MaxKeys is {size!r}; expected the size of a page, 1 to 1000. "
            "What limits the number of items is MaxItems in ReaderConfig."
        )
    return given


def _item(entry: dict[str, Any]) -> dict[str, Json]:
    """The metadata as AWS hands it to a child: `Etag` is spelled so, and keeps the quotes inside its value."""
    return {
        "Etag": entry.get("ETag", ""),
        "Key": entry["Key"],
        "LastModified": int(entry["LastModified"].timestamp()),
        "Size": entry["Size"],
        "StorageClass": entry.get("StorageClass", "STANDARD"),
    }
