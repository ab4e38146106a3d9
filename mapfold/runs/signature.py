"""Signatures: failed items that failed for the same reason have the same one.

A signature is made of the error's class and its message, in which everything is replaced that tells one item from
another: quoted texts, URIs, paths, ids, hexadecimal digits and numbers. What is left is its text; eight hexadecimal digits of
that text's digest are its id:

    ValueError: line 17 of 'logs/2013-01-05.csv' has 3 fields    and
    ValueError: line 4 of 'logs/2013-11-30.csv' has 12 fields    are both
    ValueError: line # of '…' has # fields
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

Json = Any

MOST_SIGNATURES = 1_000
"""Signatures that are told apart at once. What has a further one is counted together: memory stays bounded."""

_MESSAGE_CHARACTERS = 2_000
_TEXT_CHARACTERS = 200

_REPLACED = (
    (re.compile(r"\w+://[^\s'\"`]+"), "<uri>"),
    (re.compile(r"(?<![\w./-])[\w.-]*/[\w./=-]+"), "<path>"),
    # An apostrophe inside of a word opens no quotation: "can't" and "items' keys".
    (re.compile(r"(?<!\w)'[^'\n]*'(?!\w)"), "'…'"),
    (re.compile(r'(?<!\w)"[^"\n]*"(?!\w)'), '"…"'),
    (re.compile(r"(?<!\w)`[^`\n]*`(?!\w)"), "`…`"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "#"),
    (re.compile(r"\b[0-9a-fA-F]{8,}\b"), "#"),
    # A word with a digit in it is an id or a number; such words that one mark joins (1,234.5 or 2013-01-05) are one.
    (re.compile(r"[+-]?\b[^\W\d]*\d\w*(?:[.,:/+-][^\W\d]*\d\w*)*"), "#"),
    (re.compile(r"\s+"), " "),
)


class Failed(Protocol):
    """An item that failed, as far as selecting and counting look at it."""

    @property
    def item(self) -> Json: ...
    @property
    def index(self) -> int | None: ...
    @property
    def error(self) -> str: ...
    @property
    def message(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """Why items failed: `id`, eight hexadecimal digits, of `text`."""

    id: str
    text: str


def signature_of(error: str, message: str) -> Signature:
    """The signature of an error with this class and message."""
    text = f"{error}: {message[:_MESSAGE_CHARACTERS]}" if message else error
    for pattern, stands_for in _REPLACED:
        text = pattern.sub(stands_for, text)
    text = text.strip()[:_TEXT_CHARACTERS]
    return Signature(blake2b(text.encode(errors="replace"), digest_size=4).hexdigest(), text)


@dataclass(slots=True)
class SignatureCount:
    """How many items failed with one signature, and the first of them as an example."""

    signature: Signature
    items: int
    example: Failed

    def as_document(self) -> dict[str, Json]:
        """As `--json` prints it."""
        example = {"item": self.example.item, "index": self.example.index, "message": self.example.message}
        facts = {"signature": self.signature.id, "text": self.signature.text, "items": self.items}
        return {**facts, "example": example}


@dataclass(frozen=True, slots=True)
class Signatures:
    """The signatures of failed items, the most frequent first. `others`: items of signatures beyond those."""

    counts: tuple[SignatureCount, ...]
    others: int

    @property
    def items(self) -> int:
        """How many items failed, all together."""
        return self.others + sum(count.items for count in self.counts)


def count_signatures(failed: Iterable[Failed], *, most: int = MOST_SIGNATURES) -> Signatures:
    """Count failed items by signature. At most `most` are told apart: the first that come."""
    counts: dict[str, SignatureCount] = {}
    others = 0
    for failure in failed:
        signature = signature_of(failure.error, failure.message)
        if signature.id in counts:
            counts[signature.id].items += 1
        elif len(counts) < most:
            counts[signature.id] = SignatureCount(signature, 1, failure)
        else:
            others += 1
    return Signatures(tuple(sorted(counts.values(), key=lambda count: -count.items)), others)
