"""What every source can do, and what several share. A source knows three things and does no I/O:

- how to read the SOURCE that a user names (`s3://bucket/key`), `parse_uri`;
- its ItemReader in the States Language, `item_reader`, so that Step Functions itself reads the items, with
  `value_selector` for what of each it hands on;
- how to make the author's item of that, `item`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from mapfold.errors import JobError, UsageError

Json = Any

COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")
"""Step Functions unpacks an object whose key ends so. It goes by the name alone."""


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
    kind: ClassVar[str] = "one object"
    """What SOURCE has to name, in words."""
    is_read_natively: ClassVar[bool] = True
    """Step Functions itself reads the items, by `item_reader`. Otherwise Plan lists them, as the author gets them."""
    reads_objects: ClassVar[bool] = True
    """Whether the ItemReader (and Plan) read what is in objects, and not only their names."""
    names_objects: ClassVar[bool] = False
    """Whether an item names an object, so that Plan can tell that two items are the same."""

    @property
    def items_are_text(self) -> bool:
        """Whether all values of an item are strings, so that numbers in a dataclass are read from text."""
        return False

    @property
    def has_versions(self) -> bool:
        """Whether items name versions of objects, so that the job reads those (`s3:GetObjectVersion`)."""
        return False

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
        action = "getObject" if self.key_name == "Key" else "listObjectsV2"
        config = self.reader_config()
        return {
            "Resource": f"arn:aws:states:::s3:{action}",
            **({"ReaderConfig": config} if config else {}),
            "Parameters": {"Bucket.$": "$.plan.source.bucket", f"{self.key_name}.$": "$.plan.source.key"},
        }

    def reader_config(self) -> dict[str, Json]:
        """What ItemReader calls ReaderConfig; empty where it takes none."""
        raise NotImplementedError

    def value_selector(self) -> dict[str, Json]:
        """The member `v` of the ItemSelector: what of the reader's item becomes that of a batch."""
        return {"v.$": "$$.Map.Item.Value"}

    def item(self, raw: Json, source: Mapping[str, str]) -> Json:
        """The author's item, from what `value_selector` handed over. `source` is what `parse_uri` gave."""
        return raw


def csv_config(at: str, *, delimiter: str, headers: tuple[str, ...]) -> dict[str, Json]:
    """The fields of a ReaderConfig for CSV, the delimiter by its AWS name. JobError at `at` for what AWS cannot take."""
    if delimiter not in set(Delimiter):
        fix = f"Use one of {', '.join(repr(str(each)) for each in Delimiter)}"
        raise JobError("Step Functions cannot split at it", at=f"{at}(delimiter={delimiter!r})", fix=fix)
    if isinstance(headers, str) or not all(isinstance(name, str) for name in headers):
        raise JobError("headers are no tuple of names", at=f"{at}(headers={headers!r})", fix='Write ("a", "b")')
    if len(set(headers)) != len(headers):
        twice = sorted({name for name in headers if headers.count(name) > 1})
        problem = f"a column is named twice ({', '.join(twice)})"
        raise JobError(problem, at=f"{at}(headers=…)", fix="Give each column a name of its own: an item is a dict")
    where = (
        {"CSVHeaderLocation": "GIVEN", "CSVHeaders": list(headers)} if headers else {"CSVHeaderLocation": "FIRST_ROW"}
    )
    return {"InputType": "CSV", "CSVDelimiter": Delimiter(delimiter).name, **where}


def json_config(at: str, *, pointer: str) -> dict[str, Json]:
    """The fields of a ReaderConfig for JSON, with ItemsPointer where the items are nested. JobError for no pointer."""
    if pointer and not pointer.startswith("/"):
        problem, fix = "it is no JSON Pointer (RFC 6901)", "Begin it with a slash, such as /results/items"
        raise JobError(problem, at=f"{at}(pointer={pointer!r})", fix=fix)
    return {"InputType": "JSON", **({"ItemsPointer": pointer} if pointer else {})}
