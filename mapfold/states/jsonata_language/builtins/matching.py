"""$match, $contains, $replace, $split: by a string, a regular expression, or a function that finds matches."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError
from mapfold.states.jsonata_language.regexes import Regex
from mapfold.states.jsonata_language.running import Run, apply, is_function
from mapfold.states.jsonata_language.values import Sequence, is_number

_DIGITS = re.compile(r"\s*[+-]?\d+")


@dataclass(frozen=True, slots=True)
class _Found:
    text: Any
    start: Any
    end: Any
    groups: Any


def _matches(run: Run, matcher: Any, text: str) -> Iterator[_Found]:
    return _regex_matches(run, matcher, text) if type(matcher) is Regex else _function_matches(run, matcher, text)


def _regex_matches(run: Run, regex: Regex, text: str) -> Iterator[_Found]:
    match = regex.find(text, 0, run.spend)
    while match is not None:
        yield _Found(match.text, match.start, match.end, list(match.groups))
        if match.end >= len(text):
            return
        match = regex.find(text, match.end, run.spend)
        if match is not None and match.text == "":
            raise JsonataError("D1004", value=regex.source)


def _function_matches(run: Run, matcher: Any, text: str) -> Iterator[_Found]:
    """A function of a string gives an object with match, start, end, groups, and a function for the next one."""
    depth = run.depth
    found = apply(matcher, [text], None, run, depth)
    while found is not UNDEFINED:
        members = found if type(found) is dict else {}
        if found and not _is_match(members):
            raise JsonataError("T1010")
        names = ("match", "start", "end", "groups")
        yield _Found(*[members.get(name, UNDEFINED) for name in names])
        found = apply(members.get("next", UNDEFINED), [], None, run, depth)


def _is_match(members: dict[str, Any]) -> bool:
    return (
        is_number(members.get("start"))
        or is_number(members.get("end"))
        or isinstance(members.get("groups"), list)
        or is_function(members.get("next"))
    )


def contains(run: Run, text: Any, token: Any) -> Any:
    """`$contains(text, token)`."""
    if text is UNDEFINED:
        return UNDEFINED
    if type(token) is str:
        return token in text
    return next(_matches(run, token, text), None) is not None


def match(run: Run, text: Any, matcher: Any, limit: Any) -> Any:
    """`$match(text, matcher, limit)`."""
    if text is UNDEFINED:
        return UNDEFINED
    _check_limit(limit, "D3040")
    found = Sequence()
    if limit is UNDEFINED or limit > 0:
        for item in _matches(run, matcher, text):
            found.append({"match": item.text, "index": item.start, "groups": item.groups})
            if limit is not UNDEFINED and len(found) >= limit:
                break
    return found


def _check_limit(limit: Any, code: str) -> None:
    if limit is not UNDEFINED and limit < 0:
        raise JsonataError(code, value=limit)


def replace(run: Run, text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    """`$replace(text, pattern, replacement, limit)`."""
    if text is UNDEFINED:
        return UNDEFINED
    if pattern == "":
        raise JsonataError("D3010", value=pattern)
    _check_limit(limit, "D3011")
    if limit is not UNDEFINED and limit <= 0:
        return text
    if type(pattern) is str:
        return _replace_text(run, text, pattern, replacement, limit)
    pieces: list[str] = []
    at = 0
    depth = run.depth
    for count, found in enumerate(_matches(run, pattern, text), start=1):
        pieces.append(text[at : found.start])
        written = _written(run, found, replacement, depth)
        if type(written) is not str:
            raise JsonataError("D3012", value=written)
        pieces.append(written)
        at = found.start + len(found.text)
        if limit is not UNDEFINED and count >= limit:
            break
    return _joined(run, [*pieces, text[at:]])


def _replace_text(run: Run, text: str, pattern: str, replacement: Any, limit: Any) -> str:
    most = -1 if limit is UNDEFINED else math.ceil(limit)
    pieces = text.split(pattern, most)
    written = replacement if type(replacement) is str else ""
    run.hold(len(text) + len(written) * (len(pieces) - 1))
    return written.join(pieces)


def _joined(run: Run, pieces: list[str]) -> str:
    run.hold(sum(map(len, pieces)))
    return "".join(pieces)


def _written(run: Run, found: _Found, replacement: Any, depth: int) -> Any:
    if type(replacement) is str:
        return _substitute(replacement, found)
    shown = {"match": found.text, "start": found.start, "end": found.end, "groups": found.groups}
    return apply(replacement, [shown], None, run, depth)


def _substitute(template: str, found: _Found) -> str:
    """A replacement text: `$1` is a group, `$0` the whole match, `$$` a dollar sign."""
    groups = found.groups
    most_digits = len(str(len(groups))) if groups else 1
    pieces: list[str] = []
    at = 0
    dollar = template.find("$")
    while dollar >= 0:
        pieces.append(template[at:dollar])
        at = dollar + 1
        char = template[at : at + 1]
        if char == "$":
            pieces.append("$")
            at += 1
        elif char == "0":
            pieces.append(found.text)
            at += 1
        else:
            number = _group_number(template[at : at + most_digits])
            if most_digits > 1 and number is not None and number > len(groups):
                number = _group_number(template[at : at + most_digits - 1])
            if number is None:
                pieces.append("$")
            else:
                if 0 < number <= len(groups) and groups[number - 1] is not UNDEFINED:
                    pieces.append(str(groups[number - 1]))
                at += len(str(number))
        dollar = template.find("$", at)
    return "".join([*pieces, template[at:]])


def _group_number(digits: str) -> int | None:
    match = _DIGITS.match(digits)
    return None if match is None else int(match.group())


def split(run: Run, text: Any, separator: Any, limit: Any) -> Any:
    """`$split(text, separator, limit)`."""
    if text is UNDEFINED:
        return UNDEFINED
    _check_limit(limit, "D3020")
    if limit is not UNDEFINED and limit <= 0:
        return []
    if type(separator) is str:
        pieces = text.split(separator) if separator else list(text)
        run.hold(8 * len(pieces))
        return pieces if limit is UNDEFINED else pieces[: math.floor(limit)]
    pieces = []
    start = 0
    for found in _matches(run, separator, text):
        if limit is not UNDEFINED and len(pieces) >= limit:
            return pieces
        pieces.append(text[start : found.start])
        start = found.end
    if limit is UNDEFINED or len(pieces) < limit:
        pieces.append(text[start:])
    return pieces


MATCHING: Table = {
    "contains": define(contains, "<s-(sf):b>"),
    "match": define(match, "<s-f<s:o>n?:a<o>>"),
    "replace": define(replace, "<s-(sf)(sf)n?:s>"),
    "split": define(split, "<s-(sf)n?:a<s>>"),
}
