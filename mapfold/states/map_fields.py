"""What the objects inside a Map state (ItemReader, ItemBatcher, ResultWriter) have in common: expressions in them."""

from __future__ import annotations

from typing import Any

from mapfold.states.definition import Node
from mapfold.states.jsonata import compile_json
from mapfold.states.queries import Query


def compile_inner_json(node: Node, name: str, *, within: str) -> Query | None:
    """A field of a JSONata state's inner object `node`, with expressions anywhere in it; None where it is absent.

    `within` is the object's place in the state: causes name a field by its whole way, as `ItemReader/Arguments/Key`.
    """
    if node.json(name) is None:  # which also reports what is wrong with it
        return None
    evaluate = compile_json(node.fields[name], field=f"{within}/{name}", extra=None, report=_reported)
    return lambda data, frame: evaluate(data, None, frame)


def _reported(*problem: Any, **more: Any) -> None:
    """Each problem has been reported already."""
