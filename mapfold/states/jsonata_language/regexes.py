"""Regular expressions of JavaScript, run by Python's `re`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapfold.states.jsonata_language.errors import UNDEFINED


@dataclass(frozen=True, slots=True)
class Match:
    """Where a regular expression matched. A group that took no part is undefined."""

    text: str
    start: int
    end: int
    groups: tuple[Any, ...]


class Regex:
    """A compiled regular expression."""

    __slots__ = ("_pattern", "source")

    def __init__(self, source: str, pattern: re.Pattern[str]) -> None:
        self.source = source
        self._pattern = pattern

    def find(self, text: str, start: int, spend: Callable[[int], None]) -> Match | None:
        """The first match at or after `start`."""
        spend(1 + (len(text) - start >> 6))
        match = self._pattern.search(text, start)
        if match is None:
            return None
        groups = tuple(UNDEFINED if group is None else group for group in match.groups())
        return Match(match.group(), match.start(), match.end(), groups)


def compile_regex(source: str, flags: str) -> Regex:
    return Regex(source, re.compile(source, re.IGNORECASE if "i" in flags else 0))
