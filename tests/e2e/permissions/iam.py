"""Whether IAM statements allow a request: the part of IAM's logic that Mapfold's policies use.

Written here, for moto's own engine ignores conditions. An explicit Deny wins, and what no
statement allows is not allowed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Document = Mapping[str, Any]
"""A statement as a policy has it: {"Effect", "Action", "Resource", "Condition"?, "Sid"?}."""


@dataclass(frozen=True, slots=True)
class Request:
    """An action on a resource, and the condition keys that AWS would know of it, such as ("s3:prefix", "logs/")."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def allowing(statements: Iterable[Document], request: Request) -> list[Document]:
    """The statements that allow the request; none if nothing does, or something denies it."""
    matching = [statement for statement in statements if _matches(statement, request)]
    if any(statement["Effect"] == "Deny" for statement in matching):
        return []
    return matching


def is_allowed(statements: Iterable[Document], request: Request) -> bool:
    """Whether a role with these statements may do it."""
    return bool(allowing(statements, request))


def like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """IAM's patterns: `*` is any text, `?` any one character, across slashes and colons alike."""
    return _compiled(pattern, ignore_case).fullmatch(text) is not None


def as_list(value: str | Sequence[str]) -> Sequence[str]:
    """IAM lets one string stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _matches(statement: Document, request: Request) -> bool:
    return (
        any(like(action, request.action, ignore_case=True) for action in as_list(statement["Action"]))
        and any(like(resource, request.resource) for resource in as_list(statement["Resource"]))
        and all(
            _holds(compared, expected, dict(request.context).get(key))
            for compared, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _holds(compared: str, expected: str | Sequence[str], found: str | None) -> bool:
    """A key that the request does not have fulfils none of these operators."""
    compare = _OPERATORS[compared]
    return found is not None and any(compare(value, found) for value in as_list(expected))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringLike": like,
    "StringEquals": operator.eq,
    "ArnLike": like,
}


@cache
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    translated = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile(translated, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
