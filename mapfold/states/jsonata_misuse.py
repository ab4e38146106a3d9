"""What a JSONata expression reads that is not there, found in its syntax tree before it ever runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonata.parser import Parser  # type: ignore[import-untyped]


def find_misuse(node: Any, extra: str | None, *, inside: bool = False) -> Iterator[str]:
    """What an expression reads that is not there: the input document, or members of `$states`.

    `inside` a path's later steps, predicates and groups, `$` and bare names mean the value at hand.
    """
    if isinstance(node, list | tuple):
        for member in node:
            yield from find_misuse(member, extra, inside=inside)
        return
    if not isinstance(node, Parser.Symbol):
        return
    kind = getattr(node, "type", None)
    if kind == "path":
        steps = node.steps or []
        yield from _find_states_misuse(steps, extra)
        for position, step in enumerate(steps):
            yield from find_misuse(step, extra, inside=inside or position > 0)
        yield from find_misuse(getattr(node, "group", None), extra, inside=True)
        return
    if not inside and kind in ("name", "wildcard", "descendant", "parent"):
        yield f"Reference to '{node.value}' at the top level is not supported."
    if not inside and kind == "variable" and node.value in ("", "$"):
        yield f"Reference to '${node.value}' at the top level is not supported."
    for name in _CHILDREN:
        yield from find_misuse(getattr(node, name, None), extra, inside=inside)
    for name in _INNER_CHILDREN:
        yield from find_misuse(getattr(node, name, None), extra, inside=True)


_CHILDREN = (
    "arguments",
    "body",
    "condition",
    "then",
    "_else",
    "expression",
    "expressions",
    "lhs",
    "rhs",
    "lhs_object",
    "rhs_object",
    "procedure",
)
_INNER_CHILDREN = ("predicate", "stages", "group", "expr", "terms", "rhs_terms", "pattern", "update", "delete")


def _find_states_misuse(steps: list[Any], extra: str | None) -> Iterator[str]:
    if len(steps) < 2 or steps[0].type != "variable" or steps[0].value != "states" or steps[1].type != "name":
        return
    member = steps[1].value
    if member in ("result", "errorOutput") and member != extra:
        yield f"The reference '$states.{member}' is not available here"
