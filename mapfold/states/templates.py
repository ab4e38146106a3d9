"""Payload templates, compiled into queries.

What is constant in a template is not copied: nobody changes a JSON value in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mapfold.states import problems
from mapfold.states.bulk import MANY, weigh
from mapfold.states.effects import Json
from mapfold.states.frame import Frame
from mapfold.states.intrinsic_calls import compile_value
from mapfold.states.java_hash import names_in_map_order
from mapfold.states.json_path import PathSyntaxError
from mapfold.states.queries import Query

_NODE_TYPES = {
    bool: "BOOLEAN",
    dict: "OBJECT",
    float: "NUMBER",
    int: "NUMBER",
    list: "ARRAY",
    type(None): "NULL",
}
_PER_ATTEMPT = re.compile(r"RetryCount|Token|(?:\$\$|\$states\.context)(?:\.State|\.Task)?(?![\w.\[])")


def compile_template(template: Json, report: Callable[[str, str], None]) -> Query:
    """Compile a payload template. `report(field, problem)` hears of each member that is wrong.

    A template without `.$` members gives the same object each time.
    """
    compiled = _compile_node(template, report)
    if compiled is None:
        return lambda data, frame: template
    return compiled if _count_filled(template) < MANY else _weighed(compiled)


def _count_filled(template: Json) -> int:
    """How many members of a template, at any depth, are filled in."""
    if isinstance(template, dict):
        return sum(1 if key.endswith(".$") else _count_filled(member) for key, member in template.items())
    return sum(map(_count_filled, template)) if isinstance(template, list) else 0


def _weighed(query: Query) -> Query:
    def build(data: Json, frame: Frame) -> Json:
        value = query(data, frame)
        weigh(value)
        return value

    return build


def uses_attempt(template: Json) -> bool:
    """Whether a template reads what changes with every attempt: `$$.State.RetryCount`, `$$.Task.Token`, or their whole."""
    if isinstance(template, dict):
        return any(uses_attempt(member) for member in template.values())
    if isinstance(template, list):
        return any(uses_attempt(member) for member in template)
    return isinstance(template, str) and _PER_ATTEMPT.search(template) is not None


def _compile_node(node: Json, report: Callable[[str, str], None]) -> Query | None:
    """The query of a template's node, or None where nothing below it is dynamic."""
    if isinstance(node, dict):
        return _compile_object(node, report)
    if isinstance(node, list):
        return _compile_array(node, report)
    return None


def _compile_object(node: Mapping[str, Json], report: Callable[[str, str], None]) -> Query | None:
    """Members that are filled in stand behind the others, as the service takes `x.$` out and puts `x` in.

    They stand there in the order of a HashMap of their names, which it seems to keep them in until all are known.
    """
    constants: dict[str, Json] = {}
    filled: dict[str, Json] = {}
    dynamic: list[tuple[str, Query]] = []
    for key, member in node.items():
        name = key
        query: Query | None
        places = constants
        if key.endswith(".$"):
            name, places = key[:-2], filled
            query = _compile_member(key, member, report)
        else:
            query = _compile_node(member, report)
        if name in constants or name in filled:
            report(key, f"The field '{name}' is given twice")
        places[name] = member  # holds the place, so that members keep their order
        if query is not None:
            dynamic.append((name, query))
    if not dynamic:
        return None
    return _build_object(constants | {name: filled[name] for name in names_in_map_order(filled)}, dynamic)


def _build_object(constants: dict[str, Json], dynamic: list[tuple[str, Query]]) -> Query:
    if len(constants) == 1:
        only, query = dynamic[0]
        return lambda data, frame: {only: query(data, frame)}

    def build(data: Json, frame: Frame) -> Json:
        value = constants.copy()
        for name, query in dynamic:
            value[name] = query(data, frame)
        return value

    return build


def _compile_member(key: str, member: Json, report: Callable[[str, str], None]) -> Query | None:
    if not isinstance(member, str):
        kind = _NODE_TYPES[type(member)]
        report(key, f"The value for the field '{key}' must be a STRING that contains a JSONPath but was an {kind}")
        return None
    try:
        return compile_value(member, key)
    except PathSyntaxError:
        report(key, problems.no_path_or_call(key))
        return None


def _compile_array(node: list[Json], report: Callable[[str, str], None]) -> Query | None:
    compiled = [_compile_node(member, report) for member in node]
    if not any(compiled):
        return None
    pairs = list(zip(node, compiled, strict=True))
    return lambda data, frame: [member if query is None else query(data, frame) for member, query in pairs]
