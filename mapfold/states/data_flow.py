"""Input and output processing, in the documented order.

JSONPath: InputPath, Parameters, the work, ResultSelector, ResultPath (into the raw input), OutputPath.
JSONata: Arguments, the work, Output. Assign is evaluated beside the output, from the same values.
What is absent compiles to None, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mapfold.states import problems
from mapfold.states.definition import Node
from mapfold.states.effects import Json
from mapfold.states.frame import Frame
from mapfold.states.inspection import note_arguments, note_input, note_placed, note_selected
from mapfold.states.json_path import Path, PathConflict, PathSyntaxError, compile_path
from mapfold.states.queries import Query, conflict_error
from mapfold.states.templates import compile_template, uses_attempt
from mapfold.states.variables import is_variable_name

Output = Callable[[Json, Json, Frame], Json]
"""Takes the raw input, the result, and the frame."""
Assign = Callable[[Json, Json, Frame], dict[str, Json]]
"""Takes the raw input, what `$` stands for (or `$states.result`), and the frame."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The data flow of one state. None means that a step changes nothing.

    `per_attempt`: the arguments read the retry count or the task token, so every attempt evaluates them anew.
    """

    select: Query | None = None
    arguments: Query | None = None
    give: Output | None = None
    assign: Assign | None = None
    per_attempt: bool = False


def compile_flow(node: Node, *, extra: str | None = None, has_arguments: bool = True) -> Flow:
    """The flow of the state `node`. `extra` is "result" for the states that have `$states.result`.

    A Map has no arguments: its Parameters are the old name of ItemSelector.
    """
    if node.is_jsonata:
        return Flow(
            arguments=note_arguments(node, _compile_arguments(node)),
            give=node.json("Output", extra=extra),
            assign=compile_assign(node, extra=extra),
            per_attempt=uses_attempt(node.fields.get("Arguments")),
        )
    return Flow(
        select=note_input(node, _compile_slice(node, "InputPath")),
        arguments=note_arguments(node, node.template("Parameters") if has_arguments else None),
        give=_compile_give(node),
        assign=compile_assign(node, extra=extra),
        per_attempt=uses_attempt(node.fields.get("Parameters")),
    )


def compile_assign(node: Node, *, extra: str | None = None) -> Assign | None:
    """The Assign of a state, choice rule or catcher."""
    if "Assign" not in node.fields:
        return None
    fields = node.fields["Assign"]
    if not isinstance(fields, dict):
        node.object("Assign")
        return None
    for key in fields:
        _check_variable(node, key)
    if node.is_jsonata:
        return node.json("Assign", extra=extra)
    template = compile_template(fields, lambda field, text: node.problem(text, "Assign"))
    return lambda raw, basis, frame: template(basis, frame)


def compile_result_path(node: Node) -> Output | None:
    """ResultPath: None where the result replaces the input."""
    if node.fields.get("ResultPath", "$") == "$":
        return None
    if node.fields["ResultPath"] is None:
        return lambda raw, result, frame: raw
    text = node.string("ResultPath")
    if text is None:
        return None
    try:
        path = compile_path(text, reference=True)
    except PathSyntaxError as error:
        node.path_problem(error, "ResultPath", reference=True)
        return None
    if path.root != "$":
        # Not into the context object, nor a variable: the words are those for another field that takes no `$$`.
        node.problem(problems.no_reference_path(""), "ResultPath")
        return None
    return _result_writer(path)


def _result_writer(path: Path) -> Output:
    def place(raw: Json, result: Json, frame: Frame) -> Json:
        try:
            return path.write(raw, result)
        except PathConflict as conflict:
            # The specification's States.ResultPathMatchFailure is not what the service reports.
            raise conflict_error(path, conflict, raw, frame) from conflict

    return place


def _compile_arguments(node: Node) -> Query | None:
    expression = node.json("Arguments")
    if expression is None:
        return None
    return lambda data, frame: expression(data, None, frame)


def _compile_slice(node: Node, name: str) -> Query | None:
    """InputPath or OutputPath: null gives an empty object."""
    if node.fields.get(name, "$") == "$":
        return None
    if node.fields[name] is None:
        empty: dict[str, Json] = {}
        return lambda data, frame: empty
    return node.path(name)


def _compile_give(node: Node) -> Output | None:
    selector = note_selected(node, node.template("ResultSelector"))
    place = note_placed(node, compile_result_path(node))
    cut = _compile_slice(node, "OutputPath")
    if selector is None and place is None:
        return None if cut is None else lambda raw, result, frame: cut(result, frame)

    def give(raw: Json, result: Json, frame: Frame) -> Json:
        if selector is not None:
            result = selector(result, frame)
        if place is not None:
            result = place(raw, result, frame)
        return result if cut is None else cut(result, frame)

    return give


def _check_variable(node: Node, key: str) -> None:
    name = key[:-2] if key.endswith(".$") and not node.is_jsonata else key
    if name == "states":
        node.problem("Cannot assign to reserved variable '$states'.", "Assign", key, code="RESERVED_VARIABLE_NAME")
    elif not is_variable_name(name):
        problem = f"Invalid variable name '{name}': the variable name contains invalid characters."
        node.problem(problem, "Assign", key, code="INVALID_VARIABLE_NAME")
    elif name in node.outer:
        node.problem(f"The variable '{name}' is assigned in an outer scope and can not be assigned here", "Assign", key)
