"""Item readers: each turns a ReaderSpec into chunks of items.

A reader is a function of an S3 client and a `ReaderSpec` that gives `Chunk`s: about a thousand items, or a megabyte,
at a time. It runs in a thread, may block, and raises `ItemReaderError`. A new form is one module and one line of
`FILE_READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapfold.local.map_run.model import Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.csv_reader import read_csv
from mapfold.local.map_run.readers.json_lines import read_json_lines
from mapfold.local.map_run.readers.json_reader import read_json
from mapfold.local.map_run.readers.listing import list_objects
from mapfold.local.map_run.readers.objects import ObjectIdentity, OnOpened, Opening
from mapfold.local.map_run.readers.state_input import read_state_input
from mapfold.states.effects import ReaderSpec

Reader = Callable[[S3Client, ReaderSpec, Opening], Chunks]

FILE_READERS: Mapping[str, Reader] = {"CSV": read_csv, "JSON": read_json, "JSONL": read_json_lines}
"""From InputType to the reader of one object (resource s3:getObject)."""


def open_reader(
    s3: S3Client,
    spec: ReaderSpec,
    *,
    pinned: ObjectIdentity | None = None,
    on_opened: OnOpened | None = None,
) -> Chunks:
    """The chunks that `spec` stands for. Raises `ItemReaderError` for a form that is not supported.

    `pinned` and `on_opened` are those of `Opening`: by them a map run that goes on after a crash reads the same bytes.
    """
    config = spec.config
    if manifest := config.get("ManifestType"):
        raise _unsupported(f"ManifestType {manifest}")
    if spec.resource == "s3:listObjectsV2":
        if config.get("Transformation", "NONE") != "NONE":
            raise _unsupported(f"Transformation {config['Transformation']} of s3:listObjectsV2")
        return list_objects(s3, spec)
    if spec.resource != "s3:getObject":
        raise _unsupported(f"resource {spec.resource}")
    reader = FILE_READERS.get(config.get("InputType", ""))
    if reader is None:
        raise _unsupported(f"InputType {config.get('InputType')}")
    return reader(s3, spec, Opening(pinned, on_opened))


def source_name(spec: ReaderSpec | None) -> str:
    """What `$$.Map.Item.Source` is: STATE_DATA, S3://bucket of a listing, S3://bucket/key of an object."""
    if spec is None:
        return "STATE_DATA"
    bucket = spec.arguments.get("Bucket", "")
    return f"S3://{bucket}" if "Key" not in spec.arguments else f"S3://{bucket}/{spec.arguments['Key']}"


def _unsupported(what: str) -> ItemReaderError:
    return ItemReaderError(
        f"The embedded Step Functions cannot read with {what}. It reads s3:getObject with InputType "
        f"{', '.join(FILE_READERS)}, s3:listObjectsV2 without a Transformation, and arrays or objects of the state's "
        "input."
    )


__all__ = ["FILE_READERS", "ObjectIdentity", "Reader", "open_reader", "read_state_input", "source_name"]
