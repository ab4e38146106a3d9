"""Predicates: `[…]` after a step or an operand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import UNDEFINED
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.running import Env, Evaluate
from mapfold.states.jsonata_language.values import Sequence, TupleStream, is_numeric

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body

Filter = Callable[[Any, Env], Any]
"""Takes a value and the environment; gives what the predicate leaves of it."""


def compile_filter(predicate: Node, depth: int, body: Body) -> Filter:
    """`[predicate]`: a number picks by position, anything else by its truth."""
    if predicate.kind == "number":
        return _pick(math.floor(predicate.value))
    evaluate = body.compile(predicate, depth + 1)

    def filter_(input_: Any, env: Env) -> Any:
        is_stream = type(input_) is TupleStream
        items = input_ if isinstance(input_, list) else [input_]
        found: Any = TupleStream() if is_stream else Sequence()
        for place, item in enumerate(env.run.paced(items)):
            value = evaluate(item["@"], env.inner(dict(item))) if is_stream else evaluate(item, env)
            if is_numeric(value):
                value = [value]
            if isinstance(value, list):
                env.run.spend(len(value))
            if isinstance(value, list) and all(is_numeric(member) for member in value):
                found.extend(item for number in value if _position(number, items) == place)
            elif env.run.holds(value):
                found.append(item)
        return found

    return filter_


def _pick(index: int) -> Filter:
    def filter_(input_: Any, env: Env) -> Any:
        items = input_ if isinstance(input_, list) else [input_]
        place = index if index >= 0 else len(items) + index
        found: Any = TupleStream() if type(input_) is TupleStream else Sequence()
        if 0 <= place < len(items) and items[place] is not UNDEFINED:
            item = items[place]
            if isinstance(item, list):
                return item
            found.append(item)
        return found

    return filter_


def _position(number: float, items: list[Any]) -> int:
    place = math.floor(number)
    return place if place >= 0 else len(items) + place


def filtered(evaluate: Evaluate, filters: list[Filter]) -> Evaluate:
    """An operand with predicates."""

    def filter_all(input_: Any, env: Env) -> Any:
        value = evaluate(input_, env)
        for filter_ in filters:
            value = filter_(value, env)
        return value

    return filter_all
