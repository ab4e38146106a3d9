"""The source that a job declares to read pieces of large objects."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from mapfold.errors import JobError
from mapfold.sources import Source

Json = Any

Format = Literal["csv", "jsonl", "text", "parquet"]
ObjectsOf = Literal["one", "manifest", "prefix"]


@dataclass(frozen=True, slots=True)
class Splits(Source):
    """Pieces of large objects. An item is a split, and `context.rows(split)` reads its rows.

    format: "csv" (a row is {header: text}), "jsonl" (a JSON value), "text" (a line), "parquet" (a dict).
    objects: what SOURCE names: "one" object, a "manifest" of objects (as `Manifest` reads it), a "prefix" of them.
    split_bytes: about how many bytes a split has; without it, chosen from the object's size and the function's memory.
        Of Parquet, bytes of row groups without their compression.
    delimiter, headers, quoted_newlines: of CSV. Without `headers`, each object's first line names the columns.
        quoted_newlines: quoted fields may hold newlines; Plan then reads each large object once to find where records end.
    encoding: of text; one in which a newline is one byte.
    compression: "gzip" where objects are gzip files; those of several members are cut between members.
    columns: of Parquet, the columns to read; all, if none are named.
    """

    is_read_natively: ClassVar[bool] = False

    format: Format
    objects: ObjectsOf = "one"
    split_bytes: int | None = None
    delimiter: str = ","
    headers: tuple[str, ...] = ()
    quoted_newlines: bool = False
    encoding: str = "utf-8"
    compression: Literal["gzip"] | None = None
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for problem, fix, field in self._mistakes():
            value = getattr(self, field)
            raise JobError(problem, at=f"Splits({field}={value!r})", fix=fix)
        object.__setattr__(self, "headers", tuple(self.headers))
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "encoding", _codec(self.encoding) or self.encoding)

    @property
    def key_name(self) -> str:  # type: ignore[override]
        """ "Prefix" where SOURCE is one."""
        return "Prefix" if self.objects == "prefix" else "Key"

    @property
    def starts_by_upload(self) -> bool:  # type: ignore[override]
        """Whether SOURCE is one object."""
        return self.objects != "prefix"

    @property
    def names_objects(self) -> bool:  # type: ignore[override]
        """Whether SOURCE is a manifest, in which an object may be named twice."""
        return self.objects == "manifest"

    def _mistakes(self) -> list[tuple[str, str, str]]:
        """(problem, fix, field) of everything that is wrong."""
        found = []
        for field, kinds in (("format", get_args(Format)), ("objects", get_args(ObjectsOf))):
            if getattr(self, field) not in kinds:
                found.append(("there is no such kind", f"Use one of {', '.join(map(repr, kinds))}", field))
        if self.compression not in (None, "gzip"):
            fix = 'Use "gzip" or leave it out. CsvRows and JsonLines read Zstandard, a whole object at a time'
            found.append(("splits cannot read it", fix, "compression"))
        if self.split_bytes is not None and (type(self.split_bytes) is not int or self.split_bytes < 1):
            found.append(("it is no size", "Use a whole number of bytes, at least 1, or leave it out", "split_bytes"))
        if not isinstance(self.delimiter, str) or len(self.delimiter.encode()) != 1 or self.delimiter in '"\r\n':
            found.append(("it cannot stand between fields", "Use one ASCII character", "delimiter"))
        if isinstance(self.headers, str) or len({*self.headers}) != len(self.headers):
            found.append(("they are no column names", 'Use different ones: ("id", "name")', "headers"))
        if isinstance(self.columns, str):
            found.append(("they are no column names", 'Write ("id",), with a comma', "columns"))
        if not isinstance(self.encoding, str) or _codec(self.encoding) is None:
            fix = 'Use one that keeps ASCII as it is: "utf-8", "latin-1", "cp1252", …'
            found.append(("a newline cannot be found in it without reading all before it", fix, "encoding"))
        return found + self._misplaced()

    def _misplaced(self) -> list[tuple[str, str, str]]:
        """Options that say nothing about this format."""
        only: dict[str, tuple[str, ...]] = {
            "headers": ("csv",),
            "quoted_newlines": ("csv",),
            "compression": ("csv", "jsonl", "text"),
            "columns": ("parquet",),
        }
        return [
            (f"it says nothing about {self.format}", f"Leave it out: it is for {' and '.join(formats)}", field)
            for field, formats in only.items()
            if getattr(self, field) and self.format not in formats
        ]


def _codec(encoding: str) -> str | None:
    """Python's name of an encoding whose ASCII is ASCII and whose every byte stands alone, or UTF-8; None of others."""
    try:
        name = codecs.lookup(encoding).name
        if name in ("utf-8", "utf-8-sig", "ascii"):
            return "utf-8"
        text = bytes(range(256)).decode(name, "replace")
        alone = len(text) == 256 and text[:128].encode("ascii") == bytes(range(128))
    except (LookupError, UnicodeError):
        return None
    return name if alone else None
