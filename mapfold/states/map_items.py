"""The items of a Map, and ItemSelector: what both modes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapfold.states.definition import Node
from mapfold.states.effects import Json, StateError
from mapfold.states.frame import Frame, encode
from mapfold.states.jsonata import wrong_type
from mapfold.states.queries import Query, compile_reference_field
from mapfold.states.visit import WorkFailed, explain

Items = Callable[[Json, Frame], Json]
"""Takes the Map's effective input; gives its items: an array, or in distributed mode an object too."""
Selector = Query
"""Takes the Map's effective input, while the frame's `map_item` is set."""


def compile_items(node: Node, *, distributed: bool) -> Items:
    """ItemsPath or Items; by default all of the input."""
    if node.is_jsonata:
        return _compile_jsonata_items(node, distributed=distributed)
    if not node.has("ItemsPath"):
        return whole_object if distributed else whole_array
    text = node.fields["ItemsPath"]
    find = node.path("ItemsPath", compile_=compile_reference_field)

    def read(data: Json, frame: Frame) -> Json:
        return _items(data if find is None else find(data, frame), text, distributed=distributed)

    return read


def whole_array(data: Json, frame: Frame) -> Json:
    """The items of an inline Map without ItemsPath. Raises `StateError` for an input that is no array."""
    return _items(data, "$", distributed=False)


def whole_object(data: Json, frame: Frame) -> Json:
    """The items of a distributed Map without ItemsPath, which may be an object's members."""
    return _items(data, "$", distributed=True)


def _items(items: Json, path: str, *, distributed: bool) -> Json:
    if isinstance(items, list) or (distributed and isinstance(items, dict)):
        return items
    raise StateError("States.Runtime", f'Reference path "{path}" must point to array.')


def _compile_jsonata_items(node: Node, *, distributed: bool) -> Items:
    evaluate = node.json("Items")
    literals = (list, dict) if distributed else (list,)
    if node.has("Items") and not isinstance(node.fields["Items"], literals) and not node.holds_expression("Items"):
        node.problem("Items must be an array or a JSONata expression", "Items")

    source = node.fields["Items"][2:-2].strip() if node.holds_expression("Items") else None

    def read(data: Json, frame: Frame) -> Json:
        items = data if evaluate is None else evaluate(data, None, frame)
        if isinstance(items, list) or (distributed and isinstance(items, dict)):
            return items
        if source is not None:
            raise wrong_type(source, "Items", "array", items)
        raise StateError(
            "States.QueryEvaluationError",
            f"Map state input must be an array but was: {encode(items)}",
            location="Items",
        )

    return read


def compile_selector(node: Node) -> Selector | None:
    """ItemSelector, or Parameters as it was called before; None where items go as they are."""
    node.only_one_of("ItemSelector", "Parameters")
    if not node.is_jsonata:
        return node.template("ItemSelector" if node.has("ItemSelector") else "Parameters")
    evaluate = node.json("ItemSelector")
    return None if evaluate is None else lambda data, frame: evaluate(data, None, frame)


def with_item(selector: Selector, inputs: Json, item: Mapping[str, Json], frame: Frame) -> Json:
    """The selector's value for one item. An error has its full cause already: the driver reports it as it is."""
    outer = frame.map_item
    frame.map_item = item
    try:
        return selector(inputs, frame)
    except StateError as error:
        failure = WorkFailed(error.error, explain(error, frame), catchable=error.catchable)
        failure.location = error.location
        raise failure from error
    finally:
        frame.map_item = outer
