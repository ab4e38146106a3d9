"""Items that name objects: what a manifest, an inventory report or a listing says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote_plus

from mapfold.errors import UsageError
from mapfold.sources.source import Json, Source


@dataclass(frozen=True, slots=True)
class Manifest(Source):
    """A CSV object of `bucket,key` lines without a header, keys URL-encoded, as S3 Batch Operations reads them.

    An item is {"bucket", "key"}, the key decoded. With `versions`, lines are `bucket,key,version`, the item has "version"
    too where the line does, and `context.storage` reads that version.
    """

    versions: bool = False
    kind: ClassVar[str] = "a CSV manifest of bucket,key lines"
    names_objects: ClassVar[bool] = True

    @property
    def has_versions(self) -> bool:
        """Whether there is a third column."""
        return self.versions

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return ("bucket", "key", "version") if self.versions else ("bucket", "key")

    def reader_config(self) -> dict[str, Json]:
        """CSV with its columns named here, for the file names none. A line that is shorter is filled with ""."""
        return {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": list(self.columns)}

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """{"bucket", "key"}: `+` is a space and `%2B` a plus, as in S3's own event notifications."""
        item = {"bucket": raw["bucket"], "key": unquote_plus(raw["key"])}
        return {**item, "version": raw["version"]} if self.versions and raw.get("version") else item


@dataclass(frozen=True, slots=True)
class Inventory(Source):
    """An S3 Inventory report in CSV. SOURCE names its `manifest.json`, beside which lie the report's parts.

    An item is {"bucket", "key"} and what else the report has: "size" (a whole number), "etag", "version", and the other
    columns in snake case as text ("last_modified_date", "storage_class", …). A column that is empty is left out. Keys
    are URL-encoded in the report and decoded here.

    versions: the report lists all versions of objects, each an item; `context.storage` reads that version.
    """

    versions: bool = False
    kind: ClassVar[str] = "the manifest.json of an S3 Inventory report"
    names_objects: ClassVar[bool] = True

    @property
    def items_are_text(self) -> bool:
        """All columns but the size."""
        return True

    @property
    def has_versions(self) -> bool:
        """Whether the report lists versions."""
        return self.versions

    def parse_uri(self, uri: str) -> dict[str, str]:
        """As of any source; what else lies beside a manifest.json is told apart by its name."""
        source = super(Inventory, self).parse_uri(uri)
        name = source["key"].rpartition("/")[2]
        if name in ("manifest.checksum", "symlink.txt"):
            raise UsageError(f"the source {uri} is no inventory's manifest. Give the manifest.json of the report.")
        if name.endswith((".csv.gz", ".orc", ".parquet")):
            raise UsageError(f"the source {uri} is a part of a report. Give its manifest.json, which names all parts.")
        return source

    def reader_config(self) -> dict[str, Json]:
        """S3_INVENTORY, which takes no InputType: the manifest says that it is CSV, and which columns there are."""
        return {"ManifestType": "S3_INVENTORY"}

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """From the report's columns, such as {"Bucket", "Key", "Size", "ETag", "VersionId"}."""
        item = {"bucket": raw["Bucket"], "key": unquote_plus(raw["Key"])}
        for column, text in raw.items():
            if text == "" or column in ("Bucket", "Key"):
                continue
            item[field_name(column)] = int(text) if column == "Size" else text
        return item


@dataclass(frozen=True, slots=True)
class Objects(Source):
    """Every object under a prefix. SOURCE is `s3://bucket/prefix/`; an item is {"bucket", "key", "size", "etag"}.

    End the prefix with `/`: `logs` also lists `logs-old/`.
    """

    key_name: ClassVar[str] = "Prefix"
    kind: ClassVar[str] = "a prefix, of which all objects are listed"
    reads_objects: ClassVar[bool] = False

    def reader_config(self) -> dict[str, Json]:
        """listObjectsV2 needs none."""
        return {}

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """The reader's record holds no bucket; its field is `Etag`, with the quotes kept inside."""
        return {"bucket": source["bucket"], "key": raw["Key"], "size": raw["Size"], "etag": raw["Etag"].strip('"')}


def field_name(column: str) -> str:
    """What a column of an inventory is called in an item: `LastModifiedDate` is `last_modified_date`."""
    return _FIELDS.get(column) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()


_FIELDS = {"VersionId": "version", "ETag": "etag"}
