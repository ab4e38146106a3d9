"""What an object's name and first bytes tell of it: compressed, or no text at all."""

from __future__ import annotations

from mapfold.splits.errors import SplitError

BOM = b"\xef\xbb\xbf"
"""What UTF-8 may begin with; it is no part of the text."""

_BY_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
    **{b"BZh%d1AY&SY" % level: "bzip2" for level in range(1, 10)},
}
_BY_NAME = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".zst": "Zstandard",
    ".zstd": "Zstandard",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zip": "zip",
}
_OTHERS = {
    b"PAR1\x15": ("Parquet", 'Declare Splits("parquet")'),
    b"Obj\x01": ("Avro", "Export it as one that splits read"),
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def check_name(key: str, uri: str) -> None:
    """SplitError if the name says that the object is compressed, and so has no byte ranges to read."""
    for ending, kind in _BY_NAME.items():
        if key.lower().endswith(ending):
            raise _compressed(kind, f"its name ends with {ending}", uri)


def check_head(head: bytes, uri: str) -> None:
    """The same, of what the object begins with; or that it is another format."""
    for magic, kind in _BY_MAGIC.items():
        if head.startswith(magic):
            raise _compressed(kind, "its first bytes say so", uri)
    for magic, (kind, fix) in _OTHERS.items():
        if head.startswith(magic):
            raise SplitError(f"it is {kind} (its first bytes say so)", at=uri, fix=fix)
    if head.startswith(_UTF_16):
        problem = "it is UTF-16 (its first bytes say so), in which a newline cannot be found from within"
        raise SplitError(problem, at=uri, fix="Write it as UTF-8")


def _compressed(kind: str, reason: str, uri: str) -> SplitError:
    problem = f"it is compressed with {kind} ({reason}), and a byte range of that cannot be read by itself"
    if kind == "gzip":
        return SplitError(problem, at=uri, fix='Declare Splits(…, compression="gzip")')
    return SplitError(problem, at=uri, fix='Decompress it, or compress it with gzip and declare compression="gzip"')
