"""Objects, and the grouping of a sequence by `{key: value}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import UNDEFINED, InternalFailure, JsonataError
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.running import Env, Evaluate
from mapfold.states.jsonata_language.values import TupleStream, append, in_order

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body

Group = Callable[[Any, Env], Any]
"""Takes a value or sequence and the environment; gives an object."""


def compile_object(node: Node, depth: int, body: Body) -> Evaluate:
    """`{key: value}`. With constant keys over a single value, each member is simply evaluated."""
    pairs = _compile_pairs(node.pairs, depth, body)
    group = _group_by(pairs)
    keys = [key.value for key, _ in node.pairs if key.kind == "string" and not key.predicates and key.group is None]
    if len(set(keys)) != len(pairs):
        return group
    members = [(key, value) for key, (_, value) in zip(keys, pairs, strict=True)]
    needs_order = any(key[:1].isdigit() for key in keys)

    def evaluate(input_: Any, env: Env) -> Any:
        if isinstance(input_, list):
            return group(input_, env)
        built: dict[str, Any] = {}
        for key, member in members:
            value = member(input_, env)
            if value is not UNDEFINED:
                built[key] = value
        return in_order(built) if needs_order else built

    return evaluate


def compile_group(node: Node, depth: int, body: Body) -> Group:
    """`{key: value}` after a path."""
    return _group_by(_compile_pairs(node.pairs, depth, body))


def grouped(evaluate: Evaluate, group: Group) -> Evaluate:
    """An operand that is followed by `{…}`."""
    return lambda input_, env: group(evaluate(input_, env), env)


def _compile_pairs(pairs: list[tuple[Node, Node]], depth: int, body: Body) -> list[tuple[Evaluate, Evaluate]]:
    return [(body.compile(key, depth + 1), body.compile(value, depth + 1)) for key, value in pairs]


def _group_by(compiled: list[tuple[Evaluate, Evaluate]]) -> Group:
    """Items that give the same key are the context of that key's value together."""

    def group(input_: Any, env: Env) -> dict[str, Any]:
        is_stream = type(input_) is TupleStream
        items = input_ if isinstance(input_, list) else [input_]
        groups: dict[str, tuple[Any, int]] = {}
        if is_stream and not items:
            raise InternalFailure  # the reference implementation reads a member of undefined here
        for item in env.run.paced(items or [UNDEFINED]):
            inner = env.inner(dict(item)) if is_stream else env
            for place, (key, _) in enumerate(compiled):
                name = key(item["@"] if is_stream else item, inner)
                if name is UNDEFINED:
                    continue
                if type(name) is not str:
                    raise JsonataError("T1003", value=name)
                groups[name] = _joined(groups.get(name), item, place, name)
        built: dict[str, Any] = {}
        for name, (data, place) in env.run.paced(in_order(groups).items()):
            context, inner = _reduced(data, env) if is_stream else (data, env)
            value = compiled[place][1](context, inner)
            if value is not UNDEFINED:
                built[name] = value
        return built

    return group


def _joined(known: tuple[Any, int] | None, item: Any, place: int, name: str) -> tuple[Any, int]:
    if known is None:
        return item, place
    if known[1] != place:
        raise JsonataError("D1009", value=name)
    data = known[0]
    if type(data) is _Gathered:
        data.extend(item if isinstance(item, list) else [item])
        return data, place
    return _Gathered(append(data, item)), place


class _Gathered(list[Any]):
    """The items of a group, which grows in place."""


def _reduced(data: Any, env: Env) -> tuple[Any, Env]:
    """The tuples of a group as one, whose bindings hold the values of all."""
    tuples = data if isinstance(data, list) else [data]
    names: dict[str, Any] = dict(tuples[0])
    for other in tuples[1:]:
        for name, value in other.items():
            names[name] = append(names.get(name, UNDEFINED), value)
    context = names.pop("@", UNDEFINED)
    return context, env.inner(names)
