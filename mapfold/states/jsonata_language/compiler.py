"""From the tree to Python: every node becomes a function of the context value and the environment, once.

Paths are in `paths.py`, built-in functions in `builtins/`. A node knows how deep it lies (`depth`, 1 for the whole
expression or a function's body); in a `checked` body it compares that with the limit each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from mapfold.states.jsonata_language import paths
from mapfold.states.jsonata_language.builtins import BUILTINS
from mapfold.states.jsonata_language.errors import (
    DEPTH_EXCEEDED,
    UNDEFINED,
    InternalFailure,
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
    Lambda,
    Native,
    PartialNative,
    Run,
    Thunk,
    apply,
    is_function,
)
from mapfold.states.jsonata_language.signatures import parse_signature
from mapfold.states.jsonata_language.values import Constructed, Sequence, is_numeric, settle, truth


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
            filters = [paths.compile_filter(part.expression, depth, self) for part in node.predicates]
            evaluate = paths.filtered(evaluate, filters)
        if node.kind != "path" and node.group is not None:
            evaluate = paths.grouped(evaluate, paths.compile_group(node.group, depth, self))
        if node.kind in _MAY_GATHER or node.predicates or node.keeps_array:
            evaluate = _settling(evaluate, keep=node.keeps_array)
        return _guarded(evaluate, depth) if self.checked else evaluate


class Program:
    """An expression, compiled. `tree` is its syntax tree."""

    __slots__ = ("_code", "_functions", "tree")

    def __init__(self, tree: Node, functions: dict[str, Any]) -> None:
        self.tree = tree
        self._code = _code_of(tree)
        self._functions = functions

    def evaluate(self, scopes: tuple[Mapping[str, Any], ...], clock: Callable[[], float], random: Random) -> Any:
        """The value, or UNDEFINED. `scopes` hold the values of names, the outermost first.

        Values are JSON, or the functions of running.py. Raises JsonataError or LimitExceeded.
        """
        run = Run(clock, random)
        env = Env(self._functions, None, run, 0)
        for names in scopes:
            env = Env(names, env, run, 0)
        return self._code.at(0)(UNDEFINED, Env({}, env, run, 0))


def compile_program(text: str, functions: dict[str, Any] = BUILTINS) -> Program:
    """Parse and compile an expression that may call `functions`.

    Raises JsonataError (Sxxxx), or RecursionError for one that nests too deep.
    """
    return Program(parse(text), functions)


def _code_of(node: Node) -> Code:
    def compile_(checked: bool) -> tuple[Evaluate, int]:
        body = Body(checked=checked)
        return body.compile(node, 1), body.deepest

    return Code(compile_)


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
            return decides if truth(one) is decides else truth(right(input_, env))
        except JsonataError as error:
            error.facts["token"] = name
            raise

    return evaluate


def _compile_unary(node: Node, depth: int, body: Body) -> Evaluate:
    if node.value == "[":
        return _compile_array(node, depth, body)
    if node.value == "{":
        return paths.compile_object(node, depth, body)
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
        return array

    return evaluate


def _compile_condition(node: Node, depth: int, body: Body) -> Evaluate:
    condition, then = body.compile(node.condition, depth + 1), body.compile(node.then, depth + 1)
    otherwise = None if node.otherwise is None else body.compile(node.otherwise, depth + 1)

    def evaluate(input_: Any, env: Env) -> Any:
        if truth(condition(input_, env)):
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


# --- functions ----------------------------------------------------------------------------------------------


def _compile_function(node: Node, depth: int, body: Body) -> Evaluate:
    call = _compile_call(node, depth, body)
    return lambda input_, env: call(input_, env, ())


def _compile_call(node: Node, depth: int, body: Body) -> Callable[[Any, Env, tuple[Any, ...]], Any]:
    """A call, which may be handed its first arguments (by `~>`)."""
    procedure = body.compile(node.procedure, depth + 1)
    arguments = [body.compile(argument, depth + 1) for argument in node.arguments]
    token = _name_of(node)
    forgot = token if node.procedure.kind == "path" else None

    def call(input_: Any, env: Env, given: tuple[Any, ...]) -> Any:
        function = procedure(input_, env)
        if function is UNDEFINED and forgot is not None and _is_there(env.lookup(forgot)):
            raise JsonataError("T1005", token=forgot)
        values = [*given, *[argument(input_, env) for argument in arguments]]
        try:
            return apply(function, values, input_, env.run, env.base + depth)
        except JsonataError as error:
            error.within(token)
            raise

    return call


def _name_of(node: Node) -> Any:
    return node.procedure.steps[0].value if node.procedure.kind == "path" else node.procedure.value


def _is_there(value: Any) -> bool:
    return value is not UNDEFINED and value is not None and value is not False and value not in (0, "")


def _compile_lambda(node: Node, depth: int, body: Body) -> Evaluate:
    if node.is_thunk:
        return _compile_thunk(node.body, body)
    parameters = [str(argument.value) for argument in node.arguments]
    signature = node.signature
    code = _code_of(node.body)
    return lambda input_, env: Lambda(parameters, signature, code, input_, env)


def _compile_thunk(call: Node, body: Body) -> Evaluate:
    """A tail call: its parts are evaluated after the function around it has ended, at the depth of its caller."""
    procedure = body.compile(call.procedure, 1)
    arguments = [body.compile(argument, 1) for argument in call.arguments]
    token = call.procedure.value if call.procedure.kind == "variable" else None
    return lambda input_, env: Thunk(procedure, arguments, token, input_, env)


def _compile_partial(node: Node, depth: int, body: Body) -> Evaluate:
    arguments = [
        None if argument.kind == "operator" else body.compile(argument, depth + 1) for argument in node.arguments
    ]
    procedure = body.compile(node.procedure, depth + 1)
    token = _name_of(node)
    forgot = token if node.procedure.kind == "path" else None

    def evaluate(input_: Any, env: Env) -> Any:
        values = [_HOLE if argument is None else argument(input_, env) for argument in arguments]
        function = procedure(input_, env)
        if function is UNDEFINED and forgot is not None and _is_there(env.lookup(forgot)):
            raise JsonataError("T1007", token=forgot)
        if type(function) is Lambda:
            return _partial_lambda(function, values)
        if type(function) is Native:
            return _partial_native(function, values)
        raise JsonataError("T1008", token=token)

    return evaluate


_HOLE: Any = object()


def _partial_lambda(function: Lambda, values: list[Any]) -> Lambda:
    names: dict[str, Any] = {}
    left = []
    for place, name in enumerate(function.parameters):
        value = values[place] if place < len(values) else UNDEFINED
        if value is _HOLE:
            left.append(name)
        else:
            names[name] = value
    return Lambda(left, None, function.code, function.input, function.env.inner(names))


def _partial_native(function: Native, values: list[Any]) -> PartialNative:
    given = [values[place] if place < len(values) else UNDEFINED for place in range(function.parameters)]
    return PartialNative(function, given, [place for place, value in enumerate(given) if value is _HOLE])


def _compile_apply(node: Node, depth: int, body: Body) -> Evaluate:
    left = body.compile(node.left, depth + 1)
    if node.right.kind == "function":
        call = _compile_call(node.right, depth, body)
        return lambda input_, env: call(input_, env, (left(input_, env),))
    right = body.compile(node.right, depth + 1)

    def evaluate(input_: Any, env: Env) -> Any:
        value, function = left(input_, env), right(input_, env)
        if not is_function(function):
            raise JsonataError("T2006", value=function)
        if is_function(value):
            return _chain(value, function)
        return apply(function, [value], None, env.run, env.base + depth)

    return evaluate


def _chain(first: Any, second: Any) -> Native:
    """The function that applies one after the other."""

    def call(run: Run, value: Any) -> Any:
        depth = run.depth
        return apply(second, [apply(first, [value], None, run, depth)], None, run, depth)

    return Native(call, None, 1, 1)


def _compile_transform(node: Node, depth: int, body: Body) -> Evaluate:
    pattern, update = body.compile(node.pattern, depth + 1), body.compile(node.update, depth + 1)
    delete = None if node.delete is None else body.compile(node.delete, depth + 1)

    def evaluate(input_: Any, env: Env) -> Native:
        def transform(run: Run, value: Any) -> Any:
            if value is UNDEFINED:
                return UNDEFINED
            clone = env.lookup("clone")
            if not is_function(clone):
                raise JsonataError("T2013")
            result = apply(clone, [value], None, run, run.depth)
            matches = pattern(result, env)
            if matches is not UNDEFINED:
                for match in matches if isinstance(matches, list) else [matches]:
                    _change(match, update(match, env), UNDEFINED if delete is None else delete(match, env))
            return result

        return Native(transform, _TRANSFORM_SIGNATURE, 1, 1)

    return evaluate


_TRANSFORM_SIGNATURE = parse_signature("<(oa):o>")


def _change(match: Any, update: Any, deletions: Any) -> None:
    if update is not UNDEFINED:
        if type(update) is not dict:
            raise JsonataError("T2011", value=update)
        if type(match) is dict:
            match.update(update)
        elif update and not isinstance(match, list):
            raise InternalFailure  # JavaScript puts no property on a number or string
    if deletions is not UNDEFINED:
        names = deletions if isinstance(deletions, list) else [deletions]
        if not all(type(name) is str for name in names):
            raise JsonataError("T2012", value=deletions)
        if type(match) is dict:
            for name in names:
                match.pop(name, None)


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
    "function": _compile_function,
    "partial": _compile_partial,
    "lambda": _compile_lambda,
    "apply": _compile_apply,
    "transform": _compile_transform,
    "path": paths.compile_path,
    "name": paths.compile_name,
    "wildcard": paths.compile_wildcard,
    "descendant": paths.compile_descendant,
}
