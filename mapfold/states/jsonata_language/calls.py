"""Functions in expressions: calls, definitions, partial application, `~>`, and transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapfold.states.jsonata_language.errors import UNDEFINED, InternalFailure, JsonataError
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.running import (
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

if TYPE_CHECKING:
    from mapfold.states.jsonata_language.compiler import Body


def compile_function(node: Node, depth: int, body: Body) -> Evaluate:
    """`$f(a, b)`."""
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


def compile_lambda(node: Node, depth: int, body: Body) -> Evaluate:
    """`function($x) { … }`, or a tail call in the place of a result."""
    if node.is_thunk:
        return _compile_thunk(node.body, body)
    parameters = [str(argument.value) for argument in node.arguments]
    signature = node.signature
    code = body.code_of(node.body)
    return lambda input_, env: Lambda(parameters, signature, code, input_, env)


def _compile_thunk(call: Node, body: Body) -> Evaluate:
    """A tail call: its parts are evaluated after the function around it has ended, at the depth of its caller."""
    procedure = body.compile(call.procedure, 1)
    arguments = [body.compile(argument, 1) for argument in call.arguments]
    token = call.procedure.value if call.procedure.kind == "variable" else None
    return lambda input_, env: Thunk(procedure, arguments, token, input_, env)


def compile_partial(node: Node, depth: int, body: Body) -> Evaluate:
    """`$f(a, ?)`: a function of what is left open."""
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


def compile_apply(node: Node, depth: int, body: Body) -> Evaluate:
    """`value ~> $f(b)`, or the chain of two functions."""
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


def compile_transform(node: Node, depth: int, body: Body) -> Evaluate:
    """`|pattern|update, delete|`: a function that changes a copy of its argument."""
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
