"""Select failed items: by why they failed, by what they are, or one by one.

A condition is FIELD=VALUE:

    error=ValueError            the error's class; a pattern, as all but index and signature
    signature=3f2a91c0          what `mapfold failures RUN --by-signature` shows; the first six digits do
    message=*timed out*         the message
    key=logs/2013-*             the item's key in S3
    item.carrier=A?             any field of the item, item.a.b one within another
    index=12  index=10-20       the item's place in the source

In a pattern, `*` stands for any characters, `?` for one, `[ab]` for one of them. Conditions on the same field are
alternatives; conditions on different fields must all hold.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mapfold.errors import UsageError
from mapfold.runs.signature import MOST_SIGNATURES, Failed, signature_of

Json = Any
F = TypeVar("F", bound=Failed)
Test = Callable[[Failed], bool]

ALLOWED = "error=ValueError, message=*timed out*, key=logs/2013-*, item.FIELD=PATTERN, signature=3f2a91c0, index=12 or index=10-20"

_INDEX = re.compile(r"(\d+)(?:-(\d+))?")
_SIGNATURE = re.compile(r"[0-9a-f]{6,8}")
_ITEM_FIELD = "item."


@dataclass(frozen=True, slots=True)
class Selection:
    """Which failed items are meant. `take`: at most so many of each signature, the first that come."""

    conditions: tuple[str, ...]
    tests: Mapping[str, tuple[Test, ...]]
    take: int | None = None

    def matches(self, failed: Failed) -> bool:
        """Whether the conditions hold for an item."""
        return all(any(test(failed) for test in alternatives) for alternatives in self.tests.values())

    def select(self, failed: Iterable[F]) -> Iterator[F]:
        """Those of `failed` that are meant, as they come.

        With `take`, of MOST_SIGNATURES signatures; items of any further one are not taken.
        """
        matching = (failure for failure in failed if self.matches(failure))
        return matching if self.take is None else _first_of_each(matching, self.take)


def parse_selection(conditions: Sequence[str], *, take: int | None = None) -> Selection:
    """The selection that `conditions` say; UsageError names one that is wrong, and what is allowed."""
    if take is not None and take < 1:
        raise UsageError(f"{take} of each signature cannot be taken. Take one or more.")
    tests: dict[str, tuple[Test, ...]] = {}
    for condition in conditions:
        field, test = _parse(condition)
        tests[field] = (*tests.get(field, ()), test)
    return Selection(tuple(conditions), tests, take)


def _parse(condition: Json) -> tuple[str, Test]:
    if not isinstance(condition, str):
        raise UsageError(f"the condition {condition!r} is no text. Allowed: {ALLOWED}.")
    field, equals, value = condition.partition("=")
    field = field.strip()
    if not equals or not value:
        raise UsageError(f"the condition {condition!r} is not FIELD=VALUE. Allowed: {ALLOWED}.")
    if field == "index":
        return field, _index_test(condition, value)
    if field == "signature":
        return field, _signature_test(condition, value)
    read = _reader(field)
    if read is None:
        raise UsageError(
            f"the condition {condition!r} asks for {field!r}, which no failed item has. Allowed: {ALLOWED}."
        )
    pattern = re.compile(fnmatch.translate(value))
    return field, lambda failed: any(pattern.match(text) for text in read(failed))


def _reader(field: str) -> Callable[[Failed], Iterator[str]] | None:
    """What of an item a pattern is held against: one text, or none where it has no such field."""
    if field.startswith(_ITEM_FIELD) and all(path := field.removeprefix(_ITEM_FIELD).split(".")):
        return lambda failed: _texts(failed.item, path)
    return _READERS.get(field)


_READERS: Mapping[str, Callable[[Failed], Iterator[str]]] = {
    "error": lambda failed: iter((failed.error,)),
    "message": lambda failed: iter((failed.message,)),
    "key": lambda failed: _key(failed.item),
}


def _key(item: Json) -> Iterator[str]:
    """The key of an item that is an object in S3: our sources call it `key`, S3's own listings and reports `Key`."""
    for name in ("key", "Key"):
        if isinstance(item, Mapping) and isinstance(item.get(name), str):
            yield item[name]
            return


def _texts(value: Json, path: Sequence[str]) -> Iterator[str]:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return
        value = value[name]
    yield value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _index_test(condition: str, value: str) -> Test:
    found = _INDEX.fullmatch(value)
    if found is None:
        raise UsageError(f"the condition {condition!r}: an index is a number, such as index=12, or index=10-20.")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise UsageError(f"the condition {condition!r}: {first} comes behind {last}. Write index={last}-{first}.")
    return lambda failed: failed.index is not None and first <= failed.index <= last


def _signature_test(condition: str, value: str) -> Test:
    wanted = value.lower()
    if _SIGNATURE.fullmatch(wanted) is None:
        raise UsageError(
            f"the condition {condition!r}: a signature is 6 to 8 hexadecimal digits, as "
            "`mapfold failures RUN --by-signature` shows them."
        )
    return lambda failed: signature_of(failed.error, failed.message).id.startswith(wanted)


def _first_of_each(failed: Iterable[F], take: int) -> Iterator[F]:
    taken: Counter[str] = Counter()
    for failure in failed:
        signature = signature_of(failure.error, failure.message).id
        if taken[signature] >= take or (signature not in taken and len(taken) >= MOST_SIGNATURES):
            continue
        taken[signature] += 1
        yield failure
