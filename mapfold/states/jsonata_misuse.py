"""What a JSONata expression reads that is not there, and which variables it reads: found in its tree, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mapfold.states.jsonata_language import Node

_TOP_NAMES = {"name": "{}", "wildcard": "*", "descendant": "**", "parent": "%"}
_SINGLE_PARTS = ("body", "condition", "then", "otherwise", "expression", "left", "right", "procedure")
_LISTED_PARTS = ("arguments", "expressions", "pairs")
_INNER_PARTS = ("predicates", "stages", "group", "terms", "pattern", "update", "delete")


def find_misuse(tree: Node, extra: str | None) -> list[str]:
    """The references that do not work, each once: to an input document, which there is none of, or to `$states`
    members that are not there. `extra` is the member beside input and context, if there is one.
    """
    found = dict.fromkeys(_find_top_references(tree, inside=False))
    unavailable = {"result", "errorOutput"} - {extra}
    found.update(dict.fromkeys(f"$states.{member}" for member in _states_members(tree) if member in unavailable))
    return list(found)


def reads_context(tree: Node) -> bool:
    """Whether an expression may read `$states.context`: by its name, or with the whole of `$states`."""
    members = [path.steps[1] for path in _paths_from(tree, "states")]
    whole = sum(node.kind == "variable" and node.value == "states" for node in _walk(tree)) > len(members)
    return whole or any(step.kind != "name" or step.value == "context" for step in members)


def free_variables(tree: Node) -> list[str]:
    """The variables that an expression reads and does not bind itself, in order, without `$`."""
    nodes = list(_walk(tree))
    bound = {node.left.value for node in nodes if node.kind == "bind"}
    bound.update(argument.value for node in nodes if node.kind == "lambda" for argument in node.arguments)
    bound.update(name for node in nodes for name in (node.focus, node.index) if name)
    bound.update(node.value for node in nodes if node.kind == "index")
    read = (node.value for node in nodes if node.kind == "variable")
    return list(dict.fromkeys(name for name in read if name and name != "$" and name not in bound))


def _states_members(tree: Node) -> Iterator[str]:
    return (str(path.steps[1].value) for path in _paths_from(tree, "states") if path.steps[1].kind == "name")


def _paths_from(tree: Node, variable: str) -> Iterator[Node]:
    for node in _walk(tree):
        if node.kind == "path" and len(node.steps) > 1:
            first = node.steps[0]
            if first.kind == "variable" and first.value == variable:
                yield node


def _find_top_references(node: Any, *, inside: bool) -> Iterator[str]:
    """Names where there is no context value. `inside` later steps, predicates and groups there is one."""
    waiting = [(node, inside)]
    while waiting:
        current, inside = waiting.pop()
        if isinstance(current, list | tuple):
            waiting.extend((member, inside) for member in reversed(current))
        if not isinstance(current, Node):
            continue
        if not inside and current.kind in _TOP_NAMES:
            yield _TOP_NAMES[current.kind].format(current.value)
        if not inside and current.kind == "variable" and current.value in ("", "$"):
            yield f"${current.value}"
        steps = current.steps if current.kind == "path" else ()
        below = [(step, inside or position > 0) for position, step in enumerate(steps)]
        below += [(part, inside or name in _INNER_PARTS) for name, part in _parts(current)]
        waiting.extend(reversed(below))


def _walk(node: Any) -> Iterator[Node]:
    """A node and all below it; without recursion, which takes a step per level for each node that is deep."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, list | tuple):
            waiting.extend(reversed(current))
        elif isinstance(current, Node):
            yield current
            waiting.extend(reversed([part for _, part in _parts(current)]))
            if current.kind == "path":
                waiting.append(current.steps)


def _parts(node: Node) -> Iterable[tuple[str, Any]]:
    """The parts of a node but the steps of a path, by name."""
    for name in (*_SINGLE_PARTS, *_LISTED_PARTS, *_INNER_PARTS):
        part = getattr(node, name, None)
        if part is not None and not (name == "left" and node.kind == "bind"):
            yield name, part
