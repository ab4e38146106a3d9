"""Item readers: each turns a ReaderSpec into chunks of items.

A reader is a function of an S3 client and a `ReaderSpec` that gives `Chunk`s: about a thousand items, or a megabyte,
at a time, in an order that is the same each time. It runs in a thread, may block, and raises `ItemReaderError`. Readers
of one object (`FILE_READERS`) are also what the readers of many go through: listings that are flattened (listing.py),
and manifests (inventory.py, athena.py). A new form of object is one module and one line of `FILE_READERS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mapfold.local.map_run.model import Chunks, ItemReaderError, S3Client
from mapfold.local.map_run.readers.athena import read_athena_manifest
from mapfold.local.map_run.readers.csv_reader import read_csv
from mapfold.local.map_run.readers.inventory import read_inventory
from mapfold.local.map_run.readers.json_lines import read_json_lines
from mapfold.local.map_run.readers.json_reader import read_json
from mapfold.local.map_run.readers.listing import list_objects, read_listed_objects
from mapfold.local.map_run.readers.objects import ObjectIdentity, OnOpened, Opening
from mapfold.local.map_run.readers.parquet import read_parquet
from mapfold.local.map_run.readers.parts import Reader, source_name
from mapfold.local.map_run.readers.state_input import read_state_input
from mapfold.states.effects import ReaderSpec

FILE_READERS: Mapping[str, Reader] = {
    "CSV": read_csv,
    "JSON": read_json,
    "JSONL": read_json_lines,
    "PARQUET": read_parquet,
}
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
    They are for one object; what reads many cannot be pinned, and tells nothing.
    """
    config = spec.config
    if spec.resource == "s3:listObjectsV2":
        if config.get("Transformation", "NONE") == "NONE":
            return list_objects(s3, spec)
        return read_listed_objects(s3, spec, _file_reader(spec))
    if spec.resource != "s3:getObject":
        raise _unsupported(f"resource {spec.resource}")
    manifest = config.get("ManifestType")
    if manifest == "S3_INVENTORY" or config.get("InputType") == "MANIFEST":
        return read_inventory(s3, spec)
    if manifest == "ATHENA_DATA":
        return read_athena_manifest(s3, spec, _file_reader(spec))
    if manifest is not None:
        raise _unsupported(f"ManifestType {manifest}")
    return _file_reader(spec)(s3, spec, Opening(pinned, on_opened))


def _file_reader(spec: ReaderSpec) -> Reader:
    name = spec.config.get("InputType")
    reader = FILE_READERS.get(name or "")
    if reader is None:
        raise _unsupported(f"InputType {name}")
    return reader


def _unsupported(what: str) -> ItemReaderError:
    return ItemReaderError(
        f"The embedded Step Functions cannot read with {what}. It reads s3:getObject with InputType "
        f"{', '.join(FILE_READERS)} or MANIFEST, or with ManifestType S3_INVENTORY or ATHENA_DATA; s3:listObjectsV2; and "
        "arrays or objects of the state's input."
    )


__all__ = ["FILE_READERS", "ObjectIdentity", "Reader", "open_reader", "read_state_input", "source_name"]
