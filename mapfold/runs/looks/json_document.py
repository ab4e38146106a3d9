"""Looks at JSON documents: is it an array, or an object of members, as the job's source says?"""

from __future__ import annotations

from mapfold.runs.looks.errors import SourceError
from mapfold.runs.looks.head import Head
from mapfold.runs.looks.look import Look, look_of
from mapfold.runs.looks.text import refuse_parquet


def look_at_array(head: Head, *, pointer: str) -> Look:
    """An array at the top, or a document in which `pointer` finds one (the reader itself says if it does not)."""
    opening = _opening(head)
    if opening == b"{" and not pointer:
        raise SourceError(
            f"{head.uri} is a JSON object, not an array. Declare JsonPairs() for its members, or JsonArray(pointer=…) for "
            "an array in it."
        )
    _check_document(head, opening, "JsonArray()")
    return look_of(head, marks=_elements(head))


def look_at_pairs(head: Head, *, pointer: str) -> Look:
    """An object at the top, or a document in which `pointer` finds one."""
    opening = _opening(head)
    if opening == b"[" and not pointer:
        raise SourceError(f"{head.uri} is a JSON array, whose elements have no keys. Declare JsonArray() for them.")
    _check_document(head, opening, "JsonPairs()")
    return look_of(head, marks=max(1, (head.text or b"").count(b'":') // 3))


def _opening(head: Head) -> bytes:
    refuse_parquet(head, "Declare ParquetRows() for its rows.")
    return (head.text or b"").lstrip()[:1]


def _check_document(head: Head, opening: bytes, declared: str) -> None:
    if head.text is not None and opening not in (b"[", b"{"):
        found = (head.text.lstrip()[:40] or b"").decode(errors="replace")
        said = f"begins with {found!r}" if found else "is empty"
        raise SourceError(f"{head.uri} {said}; {declared} reads a JSON document that is an array or an object.")


def _elements(head: Head) -> int:
    text = head.text or b""
    return max(1, text.count(b"},"), text.count(b",") // 20) + 1
