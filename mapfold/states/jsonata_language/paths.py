"""Paths: steps over arrays, predicates, grouping, order-by, and the tuples that `@`, `#` and `%` carry along."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import UNDEFINED, InternalFailure, JsonataError
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.running import Env, Evaluate
from mapfold.states.jsonata_language.sorting import merge_sort
from mapfold.states.jsonata_language.values import (
    Constructed,
    Sequence,
    TupleStream,
    append,
    in_order,
    is_number,
    is_numeric,
    lookup,
    truth,
)

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body

Step = Callable[[Any, Env], Any]
"""Takes the sequence so far and the environment; gives the next one."""
Filter = Callable[[Any, Env], Any]
Group = Callable[[Any, Env], Any]


def compile_path(node: Node, depth: int, body: Body) -> Evaluate:
    """A path. One that only goes from member to member of objects is read without making sequences."""
    group = None if node.group is None else compile_group(node.group, depth, body)
    if any(step.is_tuple for step in node.steps):
        whole = _compile_tuple_path(node, depth, body, group)
    else:
        whole = _compile_plain_path(node, depth, body, group)
    names = _member_names(node)
    if group is None and names is not None and not body.checked:
        body.deepest = max(body.deepest, depth + 1)
        return _member_path(str(node.steps[0].value), names, whole)
    return whole


def _member_names(node: Node) -> list[str] | None:
    """The names of `$variable.name.name`, or None for any other path."""
    first, *rest = node.steps
    plain = not node.keeps_singleton and not any(step.stages or step.is_tuple or step.predicates for step in node.steps)
    if not plain or first.kind != "variable" or not first.value or first.group is not None or first.keeps_array:
        return None
    return [str(step.value) for step in rest] if all(step.kind == "name" for step in rest) else None


def _member_path(variable: str, names: list[str], whole: Evaluate) -> Evaluate:
    def evaluate(input_: Any, env: Env) -> Any:
        value = env.lookup(variable)
        for name in names:
            if type(value) is dict:
                value = value.get(name, UNDEFINED)
            elif isinstance(value, list):
                return whole(input_, env)
            else:
                return UNDEFINED
        return value if type(value) is not Sequence else whole(input_, env)

    return evaluate


def _compile_plain_path(node: Node, depth: int, body: Body, group: Group | None) -> Evaluate:
    last = len(node.steps) - 1
    first = node.steps[0]
    constructs = body.compile(first, depth + 1) if first.constructs else None
    steps = [
        _compile_step(step, depth, body, is_last=place == last)
        for place, step in enumerate(node.steps)
        if place or constructs is None
    ]
    from_variable = first.kind == "variable"
    keeps = node.keeps_singleton

    def evaluate(input_: Any, env: Env) -> Any:
        items: Any = input_ if isinstance(input_, list) and not from_variable else Sequence([input_])
        going = True
        if constructs is not None:
            items = constructs(items, env)
            if steps and not isinstance(items, list) and items is not UNDEFINED:
                items = Sequence()  # what is no array has no members to step over
            going = items is not UNDEFINED and bool(items)
        if going:
            for step in steps:
                items = step(items, env)
                if items is UNDEFINED or not items:
                    break
        if keeps:
            items = _keep_array(items)
        return items if group is None else group(items, env)

    return evaluate


def _keep_array(items: Any) -> Any:
    if type(items) is Constructed:
        items = Sequence([items])
    if type(items) is Sequence:
        items.keep_singleton = True
    return items


# --- steps --------------------------------------------------------------------------------------------------


def _compile_step(node: Node, depth: int, body: Body, *, is_last: bool) -> Step:
    if node.kind == "sort":
        return _compile_sort_step(node, depth, body)
    evaluate = body.compile(node, depth + 1)
    filters = [compile_filter(stage.expression, depth, body) for stage in node.stages or ()]

    def take(items: Any, env: Env) -> Any:
        env.run.spend(len(items))
        found = []
        for item in items:
            value = evaluate(item, env)
            for filter_ in filters:
                value = filter_(value, env)
            if value is not UNDEFINED:
                found.append(value)
        return _gather(found, is_last=is_last)

    return take


def _gather(found: list[Any], *, is_last: bool) -> Any:
    """The values of a step as one sequence. An array of the data that the last step alone found stays as it is."""
    if len(found) == 1:
        only = found[0]
        if not isinstance(only, list):
            return Sequence(found)
        if is_last and type(only) not in (Sequence, TupleStream):
            return only
    flat = Sequence()
    for value in found:
        if isinstance(value, list) and type(value) is not Constructed:
            flat.extend(value)
        else:
            flat.append(value)
    return flat


def compile_name(node: Node, depth: int, body: Body) -> Evaluate:
    name = str(node.value)
    return lambda input_, env: lookup(input_, name)


def compile_wildcard(node: Node, depth: int, body: Body) -> Evaluate:
    def evaluate(input_: Any, env: Env) -> Any:
        found: Any = Sequence()
        members: Iterable[Any] = input_.values() if type(input_) is dict else input_ if isinstance(input_, list) else ()
        for member in members:
            if isinstance(member, list):
                found = append(found, list(_flatten(member)))
            else:
                found.append(member)
        env.run.spend(len(found))
        return found

    return evaluate


def _flatten(array: list[Any]) -> Iterable[Any]:
    for member in array:
        if isinstance(member, list):
            yield from _flatten(member)
        else:
            yield member


def compile_descendant(node: Node, depth: int, body: Body) -> Evaluate:
    def evaluate(input_: Any, env: Env) -> Any:
        if input_ is UNDEFINED:
            return UNDEFINED
        found = Sequence()
        _descend(input_, found)
        env.run.spend(len(found))
        return found[0] if len(found) == 1 else found

    return evaluate


def _descend(value: Any, found: Sequence) -> None:
    if isinstance(value, list):
        for member in value:
            _descend(member, found)
        return
    found.append(value)
    if type(value) is dict:
        for member in value.values():
            _descend(member, found)


# --- predicates ---------------------------------------------------------------------------------------------


def compile_filter(predicate: Node, depth: int, body: Body) -> Filter:
    """`[predicate]`: a number picks by position, anything else by its truth."""
    if predicate.kind == "number":
        return _pick(math.floor(predicate.value))
    evaluate = body.compile(predicate, depth + 1)

    def filter_(input_: Any, env: Env) -> Any:
        is_stream = type(input_) is TupleStream
        items = input_ if isinstance(input_, list) else [input_]
        env.run.spend(len(items))
        found: Any = TupleStream() if is_stream else Sequence()
        for place, item in enumerate(items):
            value = evaluate(item["@"], env.inner(dict(item))) if is_stream else evaluate(item, env)
            if is_numeric(value):
                value = [value]
            if isinstance(value, list) and all(is_numeric(member) for member in value):
                found.extend(item for number in value if _position(number, items) == place)
            elif truth(value):
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


# --- objects and groups -------------------------------------------------------------------------------------


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
        env.run.spend(len(items))
        groups: dict[str, tuple[Any, int]] = {}
        if is_stream and not items:
            raise InternalFailure  # the reference implementation reads a member of undefined here
        for item in items or [UNDEFINED]:
            inner = env.inner(dict(item)) if is_stream else env
            for place, (key, _) in enumerate(compiled):
                name = key(item["@"] if is_stream else item, inner)
                if name is UNDEFINED:
                    continue
                if type(name) is not str:
                    raise JsonataError("T1003", value=name)
                groups[name] = _joined(groups.get(name), item, place, name)
        built: dict[str, Any] = {}
        for name, (data, place) in in_order(groups).items():
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


# --- order-by -----------------------------------------------------------------------------------------------


def _compile_sort_step(node: Node, depth: int, body: Body) -> Step:
    sort = _compile_sort(node, depth, body)
    stages = _compile_stages(node, depth, body)

    def take(items: Any, env: Env) -> Any:
        ordered = sort(items, env)
        for stage in stages:
            ordered = stage(ordered, env)
        return ordered

    return take


def _compile_sort(node: Node, depth: int, body: Body) -> Step:
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


# --- tuples -------------------------------------------------------------------------------------------------


def _compile_tuple_path(node: Node, depth: int, body: Body, group: Group | None) -> Evaluate:
    """A path with bindings: plain steps up to the first that binds, tuples from there on."""
    first = node.steps[0]
    tuple_from = next(place for place, step in enumerate(node.steps) if step.is_tuple)
    constructs = body.compile(first, depth + 1) if first.constructs else None
    plain = [
        _compile_step(step, depth, body, is_last=False)
        for step in node.steps[(0 if constructs is None else 1) : tuple_from]
    ]
    binding = [_compile_tuple_step(step, depth, body) for step in node.steps[tuple_from:]]
    from_variable = first.kind == "variable"
    keeps, gives_tuples = node.keeps_singleton, node.is_tuple

    def evaluate(input_: Any, env: Env) -> Any:
        items: Any = input_ if isinstance(input_, list) and not from_variable else Sequence([input_])
        if constructs is not None and tuple_from:
            items = constructs(items, env)
        for step in plain:
            if items is UNDEFINED or not items:
                break
            items = step(items, env)
        if tuple_from and (items is UNDEFINED or not items):
            result = items
            tuples: Any = None
        else:
            tuples = None
            for bind in binding:
                tuples = bind(items, tuples, env)
            result = tuples if gives_tuples else Sequence(item["@"] for item in tuples)
        if keeps:
            result = _keep_array(result)
        return result if group is None else group(result if tuples is None else tuples, env)

    return evaluate


def _compile_tuple_step(node: Node, depth: int, body: Body) -> Callable[[Any, Any, Env], Any]:
    """Takes the items (for the first such step) and the tuples so far."""
    stages = _compile_stages(node, depth, body)
    take = _sorted_tuples(node, depth, body) if node.kind == "sort" else _next_tuples(node, depth, body)

    def step(items: Any, tuples: Any, env: Env) -> Any:
        stream = take(items, tuples, env)
        for stage in stages:
            stream = stage(stream, env)
        return stream

    return step


def _sorted_tuples(node: Node, depth: int, body: Body) -> Callable[[Any, Any, Env], Any]:
    sort = _compile_sort(node, depth, body)
    index = str(node.index)

    def take(items: Any, tuples: Any, env: Env) -> Any:
        if tuples is not None:
            return sort(tuples, env)
        return TupleStream({"@": item, index: place} for place, item in enumerate(sort(items, env)))

    return take


def _next_tuples(node: Node, depth: int, body: Body) -> Callable[[Any, Any, Env], Any]:
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
            for place, item in enumerate(found):
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


def _compile_stages(node: Node, depth: int, body: Body) -> list[Filter]:
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
