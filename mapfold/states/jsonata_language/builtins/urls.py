"""Encoding and decoding of URLs, as JavaScript's functions do it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mapfold.states.jsonata_language.builtins.defining import Table, define
from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError
from mapfold.states.jsonata_language.running import Run

_COMPONENT_SAFE = "!'()*~"
_URL_SAFE = "!'()*~;/?:@&=+$,#"
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_RESERVED = frozenset(";/?:@&=+$,#")


def _encoder(name: str, safe: str) -> Callable[[Run, Any], Any]:
    def encode(run: Run, text: Any) -> Any:
        if text is UNDEFINED:
            return UNDEFINED
        try:
            run.hold(len(text) if text.isascii() else 3 * len(text))  # an escape has three characters, at the least
            return quote(text, safe=safe)
        except UnicodeEncodeError:
            raise JsonataError("D3140", functionName=name, value=text) from None

    return encode


def _decoder(name: str, keep: frozenset[str]) -> Callable[[Run, Any], Any]:
    def decode(run: Run, text: Any) -> Any:
        if text is UNDEFINED:
            return UNDEFINED
        if "%" in _ESCAPES.sub("", text):
            raise JsonataError("D3140", functionName=name, value=text)
        try:
            return _ESCAPES.sub(lambda found: _decode_run(found.group(), keep), text)
        except UnicodeDecodeError:
            raise JsonataError("D3140", functionName=name, value=text) from None

    return decode


def _decode_run(escapes: str, keep: frozenset[str]) -> str:
    text = bytes.fromhex(escapes.replace("%", "")).decode()
    if not keep:
        return text
    # A reserved character is one byte of ASCII: its escape stands where it stood.
    return "".join(f"%{ord(char):02X}" if char in keep else char for char in text)


URLS: Table = {
    "encodeUrlComponent": define(_encoder("encodeUrlComponent", _COMPONENT_SAFE), "<s-:s>"),
    "encodeUrl": define(_encoder("encodeUrl", _URL_SAFE), "<s-:s>"),
    "decodeUrlComponent": define(_decoder("decodeUrlComponent", frozenset()), "<s-:s>"),
    "decodeUrl": define(_decoder("decodeUrl", _RESERVED), "<s-:s>"),
}
