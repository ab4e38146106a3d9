"""Functions of strings that know no patterns."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED, InternalFailure, JsonataError
from mapfold.states.jsonata_language.operators import to_string
from mapfold.states.jsonata_language.running import Run, is_function
from mapfold.states.jsonata_language.text import string_text

_BLANKS = re.compile(r"[ \t\n\r]+")


def string(run: Run, value: Any, prettify: Any) -> Any:
    """`$string(value, prettify)`."""
    if value is UNDEFINED:
        return UNDEFINED
    is_structure = isinstance(value, dict | list)
    if is_structure:
        run.weigh(value)
    text = (
        string_text(value, 2) if prettify is True and is_structure else "" if is_function(value) else to_string(value)
    )
    run.hold(len(text))
    return text


def substring(run: Run, text: Any, start: Any, length: Any) -> Any:
    """`$substring(text, start, length)`."""
    if text is UNDEFINED:
        return UNDEFINED
    count = len(text)
    first = 0 if start is UNDEFINED or math.isnan(start) else start
    if count + first < 0:
        first = 0
    if length is UNDEFINED:
        return text[_index(first) :]
    if length <= 0:
        return ""
    end = first + length if first >= 0 else count + first + length
    return text[_index(first) : max(_index(end), 0)]


def _index(number: float) -> int:
    return max(min(int(number), 2**62), -(2**62)) if math.isfinite(number) else 2**62


def substring_before(run: Run, text: Any, chars: Any) -> Any:
    """`$substringBefore(text, chars)`."""
    if text is UNDEFINED:
        return UNDEFINED
    place = text.find(_search_text(chars))
    return text if place < 0 else text[:place]


def substring_after(run: Run, text: Any, chars: Any) -> Any:
    """`$substringAfter(text, chars)`."""
    if text is UNDEFINED:
        return UNDEFINED
    sought = _search_text(chars)
    place = text.find(sought)
    return text if place < 0 else text[place + len(sought) :]


def _search_text(chars: Any) -> str:
    """What `indexOf` looks for: what is missing is the word `undefined`."""
    return "undefined" if chars is UNDEFINED else str(chars)


def lowercase(run: Run, text: Any) -> Any:
    """`$lowercase(text)`."""
    return text if text is UNDEFINED else text.lower()


def uppercase(run: Run, text: Any) -> Any:
    """`$uppercase(text)`."""
    return text if text is UNDEFINED else text.upper()


def length(run: Run, text: Any) -> Any:
    """`$length(text)`."""
    return text if text is UNDEFINED else len(text)


def trim(run: Run, text: Any) -> Any:
    """`$trim(text)`."""
    if text is UNDEFINED:
        return UNDEFINED
    return _BLANKS.sub(" ", text).removeprefix(" ").removesuffix(" ")


def pad(run: Run, text: Any, width: Any, char: Any) -> Any:
    """`$pad(text, width, char)`."""
    if text is UNDEFINED:
        return UNDEFINED
    if width is UNDEFINED:
        return text
    filling = " " if char is UNDEFINED or char == "" else char
    missing = abs(width) - len(text) if math.isfinite(width) else 2**62
    if missing <= 0:
        return text
    if int(missing) != missing:
        raise InternalFailure  # JavaScript has no array of such a length
    missing = int(missing)
    run.hold(missing + len(text))
    padding = (filling * (missing // len(filling) + 1))[:missing]
    return text + padding if width > 0 else padding + text


def join(run: Run, texts: Any, separator: Any) -> Any:
    """`$join(texts, separator)`."""
    if texts is UNDEFINED:
        return UNDEFINED
    glue = "" if separator is UNDEFINED else separator
    run.hold(sum(map(len, texts)) + len(glue) * len(texts))
    return glue.join(texts)


def encode_base64(run: Run, text: Any) -> Any:
    """`$base64encode(text)`."""
    if text is UNDEFINED:
        return UNDEFINED
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def decode_base64(run: Run, text: Any) -> Any:
    """Raises InternalFailure for what is not Base64, as seen on the service."""
    if text is UNDEFINED:
        return UNDEFINED
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise InternalFailure from error


def raise_error(run: Run, message: Any) -> Any:
    """`$error(message)`."""
    text = message if message is not UNDEFINED and message else "$error() function evaluated"
    raise JsonataError("D3137", message=text)


def assert_true(run: Run, condition: Any, message: Any) -> Any:
    """`$assert(condition, message)`."""
    if condition is not True:
        text = message if message is not UNDEFINED and message else "$assert() statement failed"
        raise JsonataError("D3141", message=text)
    return UNDEFINED


STRINGS: Table = {
    "string": define(string, "<x-b?:s>", 1),
    "substring": define(substring, "<s-nn?:s>"),
    "substringBefore": define(substring_before, "<s-s:s>"),
    "substringAfter": define(substring_after, "<s-s:s>"),
    "lowercase": define(lowercase, "<s-:s>"),
    "uppercase": define(uppercase, "<s-:s>"),
    "length": define(length, "<s-:n>"),
    "trim": define(trim, "<s-:s>"),
    "pad": define(pad, "<s-ns?:s>"),
    "join": define(join, "<a<s>s?:s>"),
    "base64encode": define(encode_base64, "<s-:s>"),
    "base64decode": define(decode_base64, "<s-:s>"),
    "error": define(raise_error, "<s?:x>"),
    "assert": define(assert_true, "<bs?:x>"),
}
