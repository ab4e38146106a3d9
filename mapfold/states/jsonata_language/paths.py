"""Paths: steps over arrays, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import MEMORY_EXCEEDED, UNDEFINED, LimitExceeded
from mapfold.states.jsonata_language.grouping import Group, compile_group
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.ordering import compile_sort
from mapfold.states.jsonata_language.predicates import compile_filter
from mapfold.states.jsonata_language.running import MEMORY_LIMIT, Env, Evaluate
from mapfold.states.jsonata_language.tuples import compile_stages, compile_tuple_step
from mapfold.states.jsonata_language.values import Constructed, Sequence, TupleStream, append, lookup

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body

MOST_MEMBERS = MEMORY_LIMIT // 8
"""Members that an array may have, at 8 bytes for each."""

Step = Callable[[Any, Env], Any]
"""Takes the sequence so far and the environment; gives the next one."""


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
        found = []
        for item in env.run.paced(items):
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
            if len(flat) + len(value) > MOST_MEMBERS:
                raise LimitExceeded(MEMORY_EXCEEDED)
            flat.extend(value)
        else:
            flat.append(value)
    return flat


def compile_name(node: Node, depth: int, body: Body) -> Evaluate:
    """`name`: a member of an object, or of all objects in an array."""
    name = str(node.value)
    return lambda input_, env: lookup(input_, name)


def compile_wildcard(node: Node, depth: int, body: Body) -> Evaluate:
    """`*`: all members."""

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
    """`**`: the value and all that is in it."""

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


def _compile_sort_step(node: Node, depth: int, body: Body) -> Step:
    sort = compile_sort(node, depth, body)
    stages = compile_stages(node, depth, body)

    def take(items: Any, env: Env) -> Any:
        ordered = sort(items, env)
        for stage in stages:
            ordered = stage(ordered, env)
        return ordered

    return take


def _compile_tuple_path(node: Node, depth: int, body: Body, group: Group | None) -> Evaluate:
    """A path with bindings: plain steps up to the first that binds, tuples from there on."""
    first = node.steps[0]
    tuple_from = next(place for place, step in enumerate(node.steps) if step.is_tuple)
    constructs = body.compile(first, depth + 1) if first.constructs else None
    plain = [
        _compile_step(step, depth, body, is_last=False)
        for step in node.steps[(0 if constructs is None else 1) : tuple_from]
    ]
    binding = [compile_tuple_step(step, depth, body) for step in node.steps[tuple_from:]]
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
