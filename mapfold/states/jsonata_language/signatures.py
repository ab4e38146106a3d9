"""Signatures of functions (`<s-nn?:s>`): they check arguments, wrap single values as arrays, and put the context
value in the place of an argument that is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError, Undefined

_ARRAYS_OF = {
    "a": "arrays",
    "b": "booleans",
    "f": "functions",
    "n": "numbers",
    "o": "objects",
    "s": "strings",
}
_SYMBOLS: dict[type, str] = {
    str: "s",
    int: "n",
    float: "n",
    bool: "b",
    type(None): "l",
    dict: "o",
    list: "a",
    Undefined: "m",
}
_ANY = {"a": "[asnblfom]", "x": "[asnblfom]", "j": "[asnblom]", "f": "f"}


def symbol_of(value: Any) -> str:
    """The letter of a value's type: s n b l o a, f for functions, m for what is missing."""
    symbol = _SYMBOLS.get(type(value))
    return symbol if symbol is not None else "a" if isinstance(value, list) else "f"


@dataclass(slots=True)
class _Parameter:
    kind: str
    regex: str
    subtype: str | None = None
    context: re.Pattern[str] | None = None


class Signature:
    """A signature, parsed."""

    __slots__ = ("_known", "_parameters", "_pattern")

    def __init__(self, parameters: list[_Parameter]) -> None:
        self._parameters = parameters
        self._pattern = re.compile("".join(f"({parameter.regex})" for parameter in parameters) or "()")
        self._known: dict[str, tuple[str, ...] | None] = {}

    def validate(self, args: list[Any], context: Any) -> list[Any]:
        """The arguments for the function: one for each parameter. Raises T0410, T0411 or T0412."""
        supplied = "".join([symbol_of(arg) for arg in args])
        matches = self._match(supplied)
        if matches is None:
            raise self._mismatch(supplied)
        valid: list[Any] = []
        at = 0
        count = len(args)
        for parameter, match in zip(self._parameters, matches, strict=False):
            if match:
                for symbol in match:
                    arg = args[at]
                    valid.append(arg if parameter.kind != "a" else _as_array(arg, symbol, match, parameter, at))
                    at += 1
            elif parameter.context is None:
                valid.append(args[at] if at < count else UNDEFINED)
                at += 1
            elif parameter.context.match(symbol_of(context)):
                valid.append(context)
            else:
                raise JsonataError("T0411", value=context, index=at + 1)
        return valid

    def _match(self, supplied: str) -> tuple[str, ...] | None:
        """Which parameter takes which arguments. Few combinations of types occur: they are remembered."""
        try:
            return self._known[supplied]
        except KeyError:
            match = self._pattern.fullmatch(supplied)
            groups = None if match is None else match.groups(default="")
            if len(self._known) < 256:
                self._known[supplied] = groups
            return groups

    def _mismatch(self, supplied: str) -> JsonataError:
        pattern = ""
        good = 0
        for parameter in self._parameters:
            pattern += parameter.regex
            match = re.match(pattern, supplied)
            if match is None:
                break
            good = match.end()
        return JsonataError("T0410", index=good + 1)


def _as_array(arg: Any, symbol: str, match: str, parameter: _Parameter, at: int) -> Any:
    """An argument for a parameter that takes arrays: checked for its members' type, a single value wrapped."""
    if symbol == "m":
        return UNDEFINED
    subtype = parameter.subtype
    if subtype is not None:
        fits = match == subtype if symbol != "a" else _all_of(arg, subtype[0])
        if not fits:
            raise JsonataError("T0412", value=arg, index=at + 1, type=_ARRAYS_OF.get(subtype, UNDEFINED))
    return arg if symbol == "a" else [arg]


def _all_of(array: list[Any], symbol: str) -> bool:
    return all(symbol_of(member) == symbol for member in array)


def parse_signature(text: str) -> Signature:
    """Parse `<…>`. Raises JsonataError (S0401, S0402)."""
    parameters: list[_Parameter] = []
    at = 1
    while at < len(text) and text[at] != ":":
        symbol = text[at]
        if symbol in "snblo":
            parameters.append(_Parameter(symbol, f"[{symbol}m]"))
        elif symbol in _ANY:
            parameters.append(_Parameter(symbol, _ANY[symbol]))
        elif symbol == "(":
            end = _closing(text, at, "(", ")")
            choice = text[at + 1 : end]
            if "<" in choice:
                raise JsonataError("S0402", value=choice)
            parameters.append(_Parameter(f"({choice})", f"[{re.escape(choice)}m]"))
            at = end
        elif symbol == "<":
            if not parameters or parameters[-1].kind not in ("a", "f"):
                raise JsonataError("S0401", value=parameters[-1].kind if parameters else UNDEFINED)
            end = _closing(text, at, "<", ">")
            parameters[-1].subtype = text[at + 1 : end]
            at = end
        elif parameters and symbol == "-":
            parameters[-1].context = re.compile(parameters[-1].regex)
            parameters[-1].regex += "?"
        elif parameters and symbol in "?+" and parameters[-1].regex[-1] not in "?+":
            parameters[-1].regex += symbol
        at += 1
    return Signature(parameters)


def _closing(text: str, start: int, opening: str, closing: str) -> int:
    depth = 1
    for at in range(start + 1, len(text)):
        depth += (text[at] == opening) - (text[at] == closing)
        if depth == 0:
            return at
    return len(text)
