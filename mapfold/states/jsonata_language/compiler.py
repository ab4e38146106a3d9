"""From the tree to Python: every node becomes a function of the context value and the environment, once.

Paths are in `paths.py`, calls in `calls.py`, built-in functions in `builtins/`. A node knows how deep it lies (`depth`, 1 for the whole
expression or a function's body); in a `checked` body it compares that with the limit each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from mapfold.states.jsonata_language import calls, grouping, paths, predicates
from mapfold.states.jsonata_language.builtins import BUILTINS
from mapfold.states.jsonata_language.errors import (
    DEPTH_EXCEEDED,
    UNDEFINED,
    JsonataError,
    LimitExceeded,
)
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.operators import OPERATORS
from mapfold.states.jsonata_language.parser import parse
from mapfold.states.jsonata_language.running import (
    DEPTH_LIMIT,
    Code,
    Env,
    Evaluate,
    Run,
)
from mapfold.states.jsonata_language.values import Constructed, Sequence, is_numeric, settle


class Body:
    """The body of a function, or the whole expression, while it is compiled. `deepest` is its lowest node."""

    __slots__ = ("checked", "deepest")

    def __init__(self, *, checked: bool) -> None:
        self.checked = checked
        self.deepest = 1

    def compile(self, node: Node, depth: int) -> Evaluate:
        """A node with its predicates, its group, and the taking apart of sequences."""
        self.deepest = max(self.deepest, depth)
        evaluate = _COMPILERS[node.kind](node, depth, self)
        if node.predicates:
            filters = [predicates.compile_filter(part.expression, depth, self) for part in node.predicates]
            evaluate = predicates.filtered(evaluate, filters)
        if node.kind != "path" and node.group is not None:
            evaluate = grouping.grouped(evaluate, grouping.compile_group(node.group, depth, self))
        if node.kind in _MAY_GATHER or node.predicates or node.keeps_array:
            evaluate = _settling(evaluate, keep=node.keeps_array)
        return _guarded(evaluate, depth) if self.checked else evaluate

    @staticmethod
    def code_of(node: Node) -> Code:
        """The code of a function's body, or of the whole expression."""

        def compile_(checked: bool) -> tuple[Evaluate, int]:
            body = Body(checked=checked)
            return body.compile(node, 1), body.deepest

        return Code(compile_)


class Program:
    """An expression, compiled. `tree` is its syntax tree."""

    __slots__ = ("_code", "_functions", "tree")

    def __init__(self, tree: Node, functions: dict[str, Any]) -> None:
        self.tree = tree
        self._code = Body.code_of(tree)
        self._functions = functions

    def evaluate(self, scopes: tuple[Mapping[str, Any], ...], clock: Callable[[], float], random: Random) -> Any:
        """The value, or UNDEFINED. `scopes` hold the values of names, the outermost first.

        Values are JSON, or the functions of running.py. Raises JsonataError or LimitExceeded.
        """
        run = Run(clock, random)
        env = Env(self._functions, None, run, 0)
        for names in scopes:
            env = Env(names, env, run, 0)
        value = self._code.at(0)(UNDEFINED, Env({}, env, run, 0))
        if isinstance(value, list | dict):
            run.weigh(value)
        return value


def compile_program(text: str, functions: dict[str, Any] = BUILTINS) -> Program:
    """Parse and compile an expression that may call `functions`.

    Raises JsonataError (Sxxxx), or RecursionError for one that nests too deep.
    """
    return Program(parse(text), functions)


def _settling(evaluate: Evaluate, *, keep: bool) -> Evaluate:
    return lambda input_, env: settle(evaluate(input_, env), keep)


def _guarded(evaluate: Evaluate, depth: int) -> Evaluate:
    def guarded(input_: Any, env: Env) -> Any:
        if env.base + depth > DEPTH_LIMIT:
            raise LimitExceeded(DEPTH_EXCEEDED)
        return evaluate(input_, env)

    return guarded


# --- operands -----------------------------------------------------------------------------------------------


def _compile_literal(node: Node, depth: int, body: Body) -> Evaluate:
    value = node.value
    return lambda input_, env: value


def _compile_variable(node: Node, depth: int, body: Body) -> Evaluate:
    name: str = node.value
    if name == "":
        return lambda input_, env: input_ if type(input_) is not Sequence else settle(input_, False)

    def evaluate(input_: Any, env: Env) -> Any:
        value = env.lookup(name)
        return value if type(value) is not Sequence else settle(value, False)

    return evaluate


def _compile_parent(node: Node, depth: int, body: Body) -> Evaluate:
    slot = node.slot
    return lambda input_, env: env.lookup(slot.label)


# --- operators ----------------------------------------------------------------------------------------------


def _compile_binary(node: Node, depth: int, body: Body) -> Evaluate:
    left, right = body.compile(node.left, depth + 1), body.compile(node.right, depth + 1)
    name: str = node.value
    if name in ("and", "or"):
        return _compile_boolean(name, left, right)
    operate = OPERATORS[name]

    def evaluate(input_: Any, env: Env) -> Any:
        one, other = left(input_, env), right(input_, env)
        try:
            return operate(one, other, env.run)
        except JsonataError as error:
            error.facts["token"] = name
            raise

    return evaluate


def _compile_boolean(name: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """An error on the right side names this operator, as the reference implementation has it."""
    decides = name == "or"

    def evaluate(input_: Any, env: Env) -> bool:
        one = left(input_, env)
        try:
            return decides if env.run.holds(one) is decides else env.run.holds(right(input_, env))
        except JsonataError as error:
            error.facts["token"] = name
            raise

    return evaluate


def _compile_unary(node: Node, depth: int, body: Body) -> Evaluate:
    if node.value == "[":
        return _compile_array(node, depth, body)
    if node.value == "{":
        return grouping.compile_object(node, depth, body)
    operand = body.compile(node.expression, depth + 1)

    def evaluate(input_: Any, env: Env) -> Any:
        value = operand(input_, env)
        if value is UNDEFINED:
            return UNDEFINED
        if is_numeric(value):
            return -value if value else -float(value)
        raise JsonataError("D1002", token="-", value=value)

    return evaluate


def _compile_array(node: Node, depth: int, body: Body) -> Evaluate:
    items = [(body.compile(item, depth + 1), item.value == "[") for item in node.expressions]
    kind: type[list[Any]] = Constructed if node.constructs else list

    def evaluate(input_: Any, env: Env) -> Any:
        array = kind()
        for item, is_nested in items:
            value = item(input_, env)
            if value is UNDEFINED:
                continue
            if is_nested or not isinstance(value, list):
                array.append(value)
            else:
                env.run.hold(8 * (len(array) + len(value)))
                array.extend(value)
        return env.run.keep(array) if env.run.is_busy else array

    return evaluate


def _compile_condition(node: Node, depth: int, body: Body) -> Evaluate:
    condition, then = body.compile(node.condition, depth + 1), body.compile(node.then, depth + 1)
    otherwise = None if node.otherwise is None else body.compile(node.otherwise, depth + 1)

    def evaluate(input_: Any, env: Env) -> Any:
        if env.run.holds(condition(input_, env)):
            return then(input_, env)
        return UNDEFINED if otherwise is None else otherwise(input_, env)

    return evaluate


def _compile_block(node: Node, depth: int, body: Body) -> Evaluate:
    parts = [body.compile(part, depth + 1) for part in node.expressions]
    if len(parts) == 1 and node.expressions[0].kind != "bind":
        (only,) = parts
        return lambda input_, env: only(input_, env.inner({}))

    def evaluate(input_: Any, env: Env) -> Any:
        inner = env.inner({})
        value: Any = UNDEFINED
        for part in parts:
            value = part(input_, inner)
        return value

    return evaluate


def _compile_bind(node: Node, depth: int, body: Body) -> Evaluate:
    name: str = node.left.value
    expression = body.compile(node.right, depth + 1)

    def evaluate(input_: Any, env: Env) -> Any:
        value = expression(input_, env)
        env.bind(name, value)
        return value

    return evaluate


_MAY_GATHER = frozenset(
    {"path", "name", "wildcard", "descendant", "function", "apply", "parent", "condition", "block", "bind"}
)
_COMPILERS: Mapping[str, Callable[[Node, int, Body], Evaluate]] = {
    "string": _compile_literal,
    "number": _compile_literal,
    "value": _compile_literal,
    "regex": _compile_literal,
    "operator": _compile_literal,
    "variable": _compile_variable,
    "parent": _compile_parent,
    "binary": _compile_binary,
    "unary": _compile_unary,
    "condition": _compile_condition,
    "block": _compile_block,
    "bind": _compile_bind,
    "function": calls.compile_function,
    "partial": calls.compile_partial,
    "lambda": calls.compile_lambda,
    "apply": calls.compile_apply,
    "transform": calls.compile_transform,
    "path": paths.compile_path,
    "name": paths.compile_name,
    "wildcard": paths.compile_wildcard,
    "descendant": paths.compile_descendant,
}
