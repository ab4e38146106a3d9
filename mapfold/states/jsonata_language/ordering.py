"""Order-by: `^(<first, >second)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import UNDEFINED, JsonataError
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.running import Env, Evaluate
from mapfold.states.jsonata_language.sorting import merge_sort
from mapfold.states.jsonata_language.values import TupleStream, is_number

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body

Sort = Callable[[Any, Env], Any]
"""Takes a sequence or tuples and the environment; gives them in order."""


def compile_sort(node: Node, depth: int, body: Body) -> Sort:
    """The order of a sort step. What compares as equal stays as it was."""
    terms = [(body.compile(term.expression, depth + 1), term.descending) for term in node.terms]

    def sort(items: Any, env: Env) -> Any:
        is_stream = type(items) is TupleStream

        def value_of(expression: Evaluate, item: Any) -> Any:
            return expression(item["@"], env.inner(dict(item))) if is_stream else expression(item, env)

        def comes_after(one: Any, other: Any) -> bool:
            for expression, descending in terms:
                order = _compare(value_of(expression, one), value_of(expression, other), descending=descending)
                if order:
                    return order > 0
            return False

        return merge_sort(items, comes_after, env.run)

    return sort


def _compare(one: Any, other: Any, *, descending: bool) -> int:
    """-1, 0 or 1. What is undefined comes last in either direction."""
    if one is UNDEFINED:
        return 0 if other is UNDEFINED else 1
    if other is UNDEFINED:
        return -1
    for value in (one, other):
        if type(value) is not str and not is_number(value):
            raise JsonataError("T2008", value=value)
    if (type(one) is str) != (type(other) is str):
        raise JsonataError("T2007", value=one, value2=other)
    if one == other:
        return 0
    return -1 if (one < other) is not descending else 1
