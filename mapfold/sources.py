"""Where a job's items come from. A source knows three things and does no I/O:

- how to read the SOURCE that a user names (`s3://bucket/key`), `parse_uri`;
- its ItemReader in the States Language, `item_reader`, so that Step Functions itself reads the items;
- how to make the author's item of what that reader hands over, `item`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from mapfold.errors import JobError, UsageError

Json = Any


class Delimiter(StrEnum):
    """What ItemReader can split a CSV line at, by AWS's names."""

    COMMA = ","
    PIPE = "|"
    SEMICOLON = ";"
    SPACE = " "
    TAB = "\t"


class Source:
    """What every source can do. `key_name` is "Key" for one object, "Prefix" for a listing of many."""

    key_name: ClassVar[str] = "Key"
    items_are_text: ClassVar[bool] = False
    """All values of an item are strings, so numbers in a dataclass are read from text."""
    is_read_natively: ClassVar[bool] = True
    """Step Functions itself reads the items, by `item_reader`. Otherwise Plan lists them, as the author gets them."""

    def parse_uri(self, uri: str) -> dict[str, str]:
        """`s3://bucket/key` as the `source` of a run's input: {"uri", "bucket", "key"}. UsageError if it is none."""
        bucket, slash, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not bucket or not slash:
            raise UsageError(f"the source {uri!r} is no S3 URI. Write s3://BUCKET/KEY.")
        if not key and self.key_name == "Key":
            raise UsageError(f"the source {uri!r} names no object. Write s3://BUCKET/KEY.")
        return {"uri": uri, "bucket": bucket, "key": key}

    def item_reader(self) -> dict[str, Json]:
        """The ItemReader; bucket and key come from the state's input at `$.plan.source` (Plan put them there)."""
        return {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": self.reader_config(),
            "Parameters": {"Bucket.$": "$.plan.source.bucket", "Key.$": "$.plan.source.key"},
        }

    def reader_config(self) -> dict[str, Json]:
        """What ItemReader calls ReaderConfig."""
        raise NotImplementedError

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """The author's item, from what the reader handed over. `source` is what `parse_uri` gave."""
        return raw


@dataclass(frozen=True, slots=True)
class Manifest(Source):
    """A CSV object of `bucket,key` lines without a header, keys URL-encoded, as S3 Batch Operations reads them.

    An item is {"bucket", "key"}, the key decoded.
    """

    def reader_config(self) -> dict[str, Json]:
        """CSV with its two columns named here, for the file names none."""
        return {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["bucket", "key"]}

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """{"bucket", "key"}: `+` is a space and `%2B` a plus, as in S3's own event notifications."""
        return {"bucket": raw["bucket"], "key": unquote_plus(raw["key"])}


@dataclass(frozen=True, slots=True)
class CsvRows(Source):
    """The rows of one CSV object. An item is {header: text}. Without `headers`, the first line names the columns."""

    delimiter: str = ","
    headers: tuple[str, ...] = ()
    items_are_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.delimiter not in set(Delimiter):
            fix = f"Use one of {', '.join(repr(str(each)) for each in Delimiter)}"
            raise JobError("Step Functions cannot split at it", at=f"CsvRows(delimiter={self.delimiter!r})", fix=fix)

    def reader_config(self) -> dict[str, Json]:
        """CSV, with the delimiter by its AWS name."""
        given = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": list(self.headers)}
        where = given if self.headers else {"CSVHeaderLocation": "FIRST_ROW"}
        return {"InputType": "CSV", "CSVDelimiter": Delimiter(self.delimiter).name, **where}


@dataclass(frozen=True, slots=True)
class JsonLines(Source):
    """The lines of one JSON Lines object. An item is a line's value."""

    def reader_config(self) -> dict[str, Json]:
        """JSONL."""
        return {"InputType": "JSONL"}


@dataclass(frozen=True, slots=True)
class JsonArray(Source):
    """The elements of an array in one JSON object. `pointer` (RFC 6901) says where the array is, if not the whole."""

    pointer: str = ""

    def reader_config(self) -> dict[str, Json]:
        """JSON, with ItemsPointer where the array is nested."""
        nested = {"ItemsPointer": self.pointer} if self.pointer else {}
        return {"InputType": "JSON", **nested}


@dataclass(frozen=True, slots=True)
class Objects(Source):
    """Every object under a prefix. SOURCE is `s3://bucket/prefix/`; an item is {"bucket", "key", "size", "etag"}.

    End the prefix with `/`: `logs` also lists `logs-old/`.
    """

    key_name: ClassVar[str] = "Prefix"

    def item_reader(self) -> dict[str, Json]:
        """listObjectsV2, which has no ReaderConfig."""
        return {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Parameters": {"Bucket.$": "$.plan.source.bucket", "Prefix.$": "$.plan.source.key"},
        }

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """The reader's record holds no bucket; its field is `Etag`, with the quotes kept inside."""
        return {"bucket": source["bucket"], "key": raw["Key"], "size": raw["Size"], "etag": raw["Etag"].strip('"')}
