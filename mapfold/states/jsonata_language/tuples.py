"""Tuples: the bindings that steps with `@`, `#` and `%` hand on to the steps after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import UNDEFINED
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.ordering import compile_sort
from mapfold.states.jsonata_language.predicates import Filter, compile_filter
from mapfold.states.jsonata_language.running import Env
from mapfold.states.jsonata_language.values import TupleStream

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body

TupleStep = Callable[[Any, Any, Env], Any]
"""Takes the items (for the first such step), the tuples so far (None for it) and the environment; gives tuples."""


def compile_tuple_step(node: Node, depth: int, body: Body) -> TupleStep:
    """Takes the items (for the first such step) and the tuples so far."""
    stages = compile_stages(node, depth, body)
    take = _sorted_tuples(node, depth, body) if node.kind == "sort" else _next_tuples(node, depth, body)

    def step(items: Any, tuples: Any, env: Env) -> Any:
        stream = take(items, tuples, env)
        for stage in stages:
            stream = stage(stream, env)
        return stream

    return step


def _sorted_tuples(node: Node, depth: int, body: Body) -> TupleStep:
    sort = compile_sort(node, depth, body)
    index = str(node.index)

    def take(items: Any, tuples: Any, env: Env) -> Any:
        if tuples is not None:
            return sort(tuples, env)
        return TupleStream({"@": item, index: place} for place, item in enumerate(sort(items, env)))

    return take


def _next_tuples(node: Node, depth: int, body: Body) -> TupleStep:
    evaluate = body.compile(node, depth + 1)

    def take(items: Any, tuples: Any, env: Env) -> Any:
        stream = TupleStream()
        befores = [{"@": item} for item in items] if tuples is None else tuples
        for before in befores:
            value = evaluate(before["@"], env.inner(dict(before)))
            if value is UNDEFINED:
                continue
            found = value if isinstance(value, list) else [value]
            env.run.hold(8 * (len(stream) + len(found)))
            is_stream = type(found) is TupleStream
            for place, item in enumerate(env.run.paced(found)):
                stream.append({**before, **item} if is_stream else _bound(node, before, item, place))
        return stream

    return take


def _bound(node: Node, before: dict[str, Any], item: Any, place: int) -> dict[str, Any]:
    names = dict(before)
    if node.focus is not None:
        names[node.focus] = item
    else:
        names["@"] = item
    if node.index is not None:
        names[node.index] = place
    if node.ancestor is not None:
        names[node.ancestor.label] = before["@"]
    return names


def compile_stages(node: Node, depth: int, body: Body) -> list[Filter]:
    """The predicates and positions (`#$i`) of a step that carries tuples, or sorts."""
    return [
        _numbering(str(stage.value)) if stage.kind == "index" else compile_filter(stage.expression, depth, body)
        for stage in node.stages or ()
    ]


def _numbering(name: str) -> Filter:
    def number(stream: Any, env: Env) -> Any:
        for place, names in enumerate(stream):
            names[name] = place
        return stream

    return number
