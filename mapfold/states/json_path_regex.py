"""Regular expressions in filters, `@.name =~ /pattern/flags`: Java's, matched against a whole text, with counted steps.

They run on the machine of JSONata's (`jsonata_language/regexes.py`), which can be stopped; Python's `re` cannot. What
Java has beyond JavaScript is rewritten here where it is more than a name for the same: `\\A`, `\\z`, `(?i)`, and the
flags `s` and `x`. Possessive quantifiers, atomic groups, `\\p{…}` and `\\Q…\\E` are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mapfold.states.jsonata_language.regex_syntax import RegexSyntaxError, compile_pattern
from mapfold.states.jsonata_language.regexes import Regex

_INLINE = re.compile(r"\(\?([idsmux]+)\)")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|#[^\n]*|[\s\S]", re.DOTALL)
_ANCHORS: Final = {r"\A": "^", r"\z": "$", r"\Z": "$"}
_UNKNOWN: Final = frozenset({r"\p", r"\P", r"\Q", r"\E", r"\G", r"\R", r"\X"})
Match = Callable[[str, Callable[[int], None]], bool]
"""Whether a text is matched as a whole; told where to count its steps."""


def compile_whole(source: str, flags: str) -> Match:
    """Compile what stands between the slashes, and the letters behind them. Raises RegexSyntaxError."""
    inline = _INLINE.match(source)
    if inline is not None:
        source, flags = source[inline.end() :], flags + inline.group(1)
    try:
        instructions = compile_pattern(
            _as_javascript(source, every="s" in flags, spaced="x" in flags),
            ignore_case="i" in flags,
            multiline="m" in flags,
        )
    except (RecursionError, OverflowError, re.error) as error:
        raise RegexSyntaxError(str(error)) from error
    return Regex(source, instructions).is_whole


def _as_javascript(source: str, *, every: bool, spaced: bool) -> str:
    """The same pattern in JavaScript's syntax. `every`: a dot is any character; `spaced`: blanks do not count."""
    parts = []
    for token in _TOKEN.findall(source):
        if token in _UNKNOWN:
            raise RegexSyntaxError(f"{token} is not supported")
        if every and token == ".":
            parts.append(r"[\s\S]")
        elif spaced and (token.isspace() or (token.startswith("#"))):
            continue
        elif token.startswith("#"):
            parts.append("#" + _as_javascript(token[1:], every=every, spaced=spaced))
        else:
            parts.append(_ANCHORS.get(token, token))
    return "".join(parts)
