"""Regular expressions in the filters of a JSONPath, `@.name =~ /…/i`, which must match all of a text, as in Jayway.

They are run by the machine that JSONata's are run by: it counts its steps, so that no expression can hold up everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mapfold.states.effects import Json, StateError
from mapfold.states.jsonata_language.errors import LimitExceeded
from mapfold.states.jsonata_language.regex_syntax import RegexSyntaxError, compile_pattern
from mapfold.states.jsonata_language.regexes import Cover

STEP_LIMIT = 2_000_000
"""Steps that the regular expressions of a path may take each time it is followed: about a second of work."""
_TOO_LONG = "The regular expressions of the path take too long."
_INLINE_FLAGS = re.compile(r"\(\?([idsmux]+)\)")
_IGNORED_IN_COMMENTS_MODE = re.compile(r"(\\.|\[(?:\\.|[^\]\\])*\])|\s+|#[^\n]*", re.DOTALL)


class PatternBudget:
    """The steps that are left to the regular expressions of one path. `used`: whether it has any."""

    __slots__ = ("_left", "used")

    def __init__(self) -> None:
        self._left = STEP_LIMIT
        self.used = False

    def spend(self, steps: int) -> None:
        """Count steps. Raises StateError where too many were taken."""
        self._left -= steps
        if self._left < 0:
            raise StateError("States.Runtime", _TOO_LONG)

    def around(self, find: Callable[[Json], Json]) -> Callable[[Json], Json]:
        """`find`, with all steps to spend each time."""

        def counted(document: Json) -> Json:
            self._left = STEP_LIMIT
            return find(document)

        return counted


@dataclass(frozen=True, slots=True)
class FilterPattern:
    """A compiled expression, as the constant of a filter that it is."""

    cover: Cover
    budget: PatternBudget

    def covers(self, text: str) -> bool:
        """Whether it matches the whole of a text. Raises StateError where it takes too long to tell."""
        try:
            return self.cover(text, self.budget.spend)
        except LimitExceeded as error:
            raise StateError("States.Runtime", _TOO_LONG) from error


def compile_filter_pattern(source: str, flags: str, budget: PatternBudget) -> FilterPattern | None:
    """Compile the text between the slashes, with Java's flags (`i`, `m`, `s`, `x`; `d` and `u` change nothing here).

    Flags may also stand at its beginning, `(?i)`. None where it is no regular expression.
    """
    inline = _INLINE_FLAGS.match(source)
    if inline is not None:
        source, flags = source[inline.end() :], flags + inline.group(1)
    if "x" in flags:
        source = _IGNORED_IN_COMMENTS_MODE.sub(lambda found: found.group(1) or "", source)
    try:
        instructions = compile_pattern(source, ignore_case="i" in flags, multiline="m" in flags, dot_all="s" in flags)
    except RegexSyntaxError:
        return None
    budget.used = True
    return FilterPattern(Cover(instructions), budget)
