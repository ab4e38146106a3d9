"""What an evaluation runs on: its limits, its environments, and how functions are applied.

Every evaluation is bounded. Nesting is counted, not measured: a piece of an expression knows how deep it lies, so
only functions that call each other have to be looked at, when they are called. Work is counted in steps, and the
clock is read once in thousands of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from random import Random
from sys import getrefcount, getsizeof
from typing import Any, Final

from mapfold.states.jsonata_language.errors import (
    DEPTH_EXCEEDED,
    MEMORY_EXCEEDED,
    TIME_EXCEEDED,
    UNDEFINED,
    JsonataError,
    LimitExceeded,
)
from mapfold.states.jsonata_language.regexes import Regex
from mapfold.states.jsonata_language.signatures import Signature
from mapfold.states.jsonata_language.text import plain_text
from mapfold.states.jsonata_language.values import truth

Evaluate = Callable[[Any, "Env"], Any]
"""A compiled node: takes the context value and the environment."""

TIME_LIMIT_SECONDS: Final = 1.0
DEPTH_LIMIT: Final = 100
"""How deep the nodes of an expression may be nested while it is evaluated (measured on the service: 99 to 101)."""
MEMORY_LIMIT: Final = 6_990_256
"""Bytes that one value may take, at 8 for a member and 1 for a character: `[1..873782]` is taken, one more is not."""
TOTAL_LIMIT: Final = 4 * MEMORY_LIMIT
"""Bytes that the large values of an evaluation may take together, of those that are still in use. Unconfirmed."""
_LARGE: Final = 16_384
"""Bytes from which on a value counts as large."""
AT_ONCE: Final = 500
"""Items whose work is counted before it is done: of more, it is counted as they are taken."""
_STEPS_PER_LOOK: Final = 2_000
_MOST_LOOKS: Final = 25_000
"""Looks at the clock until an evaluation ends even though the clock stands still."""


class Run:
    """One evaluation: its clock, its randomness, and what it has used of its limits."""

    __slots__ = (
        "_clock",
        "_kept",
        "_left",
        "_looks",
        "_millis",
        "_room",
        "_seen",
        "_until",
        "depth",
        "is_busy",
        "random",
    )

    def __init__(self, clock: Callable[[], float], random: Random) -> None:
        self._clock = clock
        self.random = random
        self.depth = 0
        """How deep the call lies that a native function was called by."""
        self.is_busy = False
        """Whether there was so much work that what is made may be large, and has to go through `keep`."""
        self._left = _STEPS_PER_LOOK
        self._looks = 0
        self._until = math.inf
        self._seen = math.nan
        self._millis: int | None = None
        self._kept: dict[int, Any] = {}
        self._room: int = TOTAL_LIMIT

    @property
    def millis(self) -> int:
        """The moment of the evaluation in milliseconds since 1970: the same at every look."""
        if self._millis is None:
            self._millis = math.floor(self._clock() * 1000)
        return self._millis

    def spend(self, steps: int) -> None:
        """Count work. Raises LimitExceeded after a second of it."""
        self._left -= steps
        if self._left < 0:
            self._look()

    def paced(self, items: Collection[Any]) -> Iterable[Any]:
        """The items, each of which is a step of work. Many of them are counted on the way, so that time can run out."""
        if len(items) > AT_ONCE:
            return self._counted(items)
        self._left -= len(items)
        if self._left < 0:
            self._look()
        return items

    def _counted(self, items: Collection[Any]) -> Iterator[Any]:
        iterator = iter(items)
        for _ in range(0, len(items), AT_ONCE):
            self.spend(AT_ONCE)
            yield from islice(iterator, AT_ONCE)

    def _look(self) -> None:
        self.is_busy = True
        now = self._clock()
        if self._until == math.inf:
            self._until = now + TIME_LIMIT_SECONDS
        self._looks = self._looks + 1 if now == self._seen else 0
        self._seen = now
        if now > self._until or self._looks > _MOST_LOOKS:
            raise LimitExceeded(TIME_EXCEEDED)
        self._left = _STEPS_PER_LOOK

    def hold(self, size: float) -> None:
        """Say how many bytes a value is about to take. Raises LimitExceeded."""
        if size > MEMORY_LIMIT:
            raise LimitExceeded(MEMORY_EXCEEDED)
        self.spend(int(size) >> 6)

    def keep(self, value: Any) -> Any:
        """Give back a value that was just made. Raises LimitExceeded where all that are in use are too large together.

        Each of them may be small enough, and a path may still gather thousands within the second that it has.
        """
        if isinstance(value, str | list):
            size = getsizeof(value)
            if size >= _LARGE and id(value) not in self._kept:
                if size > self._room:
                    self._sweep()
                self._room -= size
                if self._room < 0:
                    raise LimitExceeded(MEMORY_EXCEEDED)
                self._kept[id(value)] = value
        return value

    def _sweep(self) -> None:
        """Let go of the large values that nobody else holds any more."""
        counts = _references(self._kept.values())
        self._kept = {key: self._kept[key] for key, count in zip(self._kept, counts, strict=True) if count > _ALONE}
        self._room = TOTAL_LIMIT - sum(map(getsizeof, self._kept.values()))

    def weigh(self, value: Any) -> None:
        """Say that all of a value is about to be gone through, or written down. Raises LimitExceeded.

        What is in it in several places counts in each: an array may hold the same large object many times.
        """
        size = 0
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, list):
                size += 8 * len(item)
                waiting += item
            elif type(item) is dict:
                size += 16 * len(item)
                waiting += item.values()
            elif type(item) is str:
                size += len(item)
            if size > MEMORY_LIMIT:
                raise LimitExceeded(MEMORY_EXCEEDED)
        self.spend(size >> 6)

    def holds(self, value: Any) -> bool:
        """Whether a value is true, as `$boolean` has it."""
        if isinstance(value, list):
            self.weigh(value)
        return truth(value)


def _references(values: Iterable[Any]) -> list[int]:
    return [getrefcount(value) for value in values]


_ALONE: Final = _references({0: object()}.values())[0]
"""What `_references` counts for a value that only its dictionary holds."""


class Env:
    """Names and their values, inside of others. `base` is the depth at which the function around it was called."""

    __slots__ = ("base", "names", "parent", "run")

    def __init__(self, names: Mapping[str, Any], parent: Env | None, run: Run, base: int) -> None:
        self.names, self.parent, self.run, self.base = names, parent, run, base

    def lookup(self, name: str) -> Any:
        """The value of a name, here or in an environment around; UNDEFINED where nobody has given it one."""
        env: Env | None = self
        while env is not None:
            value = env.names.get(name, _ABSENT)
            if value is not _ABSENT:
                return value
            env = env.parent
        return UNDEFINED

    def inner(self, names: dict[str, Any]) -> Env:
        """An environment inside of this one."""
        return Env(names, self, self.run, self.base)

    def bind(self, name: str, value: Any) -> None:
        """Give a name a value here. Only environments that an evaluation made itself are bound to."""
        self.names[name] = value  # type: ignore[index]


_ABSENT: Final = object()


class Code:
    """The body of a function, or the whole expression: compiled once plainly, and once more, if it ever runs near the
    depth limit, with a check at every node.
    """

    __slots__ = ("_checked", "_compile", "_plain", "deepest")

    def __init__(self, compile_: Callable[[bool], tuple[Evaluate, int]]) -> None:
        self._compile = compile_
        self._plain, self.deepest = compile_(False)
        self._checked: Evaluate | None = None

    def at(self, base: int) -> Evaluate:
        """What to evaluate when called at the depth `base`."""
        if base + self.deepest <= DEPTH_LIMIT:
            return self._plain
        if base >= DEPTH_LIMIT:
            raise LimitExceeded(DEPTH_EXCEEDED)
        if self._checked is None:
            self._checked, _ = self._compile(True)
        return self._checked


class Native:
    """A function that is built in. `call` takes the run and one value for each of `parameters`.

    `arity` is how many values a higher-order function hands to it.
    """

    __slots__ = ("arity", "call", "parameters", "signature")

    def __init__(self, call: Callable[..., Any], signature: Signature | None, parameters: int, arity: int) -> None:
        self.call, self.signature, self.parameters, self.arity = call, signature, parameters, arity


class Lambda:
    """A function of the expression. `bound` holds the values of a partial application, by parameter."""

    __slots__ = ("code", "env", "input", "parameters", "signature")

    def __init__(self, parameters: list[str], signature: Signature | None, code: Code, input_: Any, env: Env) -> None:
        self.parameters, self.signature, self.code, self.input, self.env = parameters, signature, code, input_, env

    @property
    def arity(self) -> int:
        return len(self.parameters)


class Thunk:
    """A tail call that is still to be made."""

    __slots__ = ("arguments", "env", "input", "procedure", "token")

    def __init__(self, procedure: Evaluate, arguments: list[Evaluate], token: Any, input_: Any, env: Env) -> None:
        self.procedure, self.arguments, self.token, self.input, self.env = procedure, arguments, token, input_, env


class PartialNative:
    """A built-in function with some of its arguments given; `holes` are the places of the others."""

    __slots__ = ("holes", "native", "values")

    def __init__(self, native: Native, values: list[Any], holes: list[int]) -> None:
        self.native, self.values, self.holes = native, values, holes

    @property
    def arity(self) -> int:
        return len(self.holes)


FUNCTIONS: Final = (Native, Lambda, PartialNative, Regex)


def is_function(value: Any) -> bool:
    """Whether a value can be called."""
    return isinstance(value, FUNCTIONS)


def arity_of(function: Any) -> int:
    """How many arguments a function takes."""
    return 2 if type(function) is Regex else function.arity


def apply(function: Any, args: list[Any], input_: Any, run: Run, depth: int) -> Any:
    """Call a function with the context `input_`, from the depth `depth`. Raises T1006 where it is none."""
    result = _apply_once(function, args, input_, run, depth)
    while type(result) is Thunk:
        thunk = result
        target = thunk.procedure(thunk.input, thunk.env)
        values = [argument(thunk.input, thunk.env) for argument in thunk.arguments]
        try:
            result = _apply_once(target, values, input_, run, depth)
        except JsonataError as error:
            error.within(thunk.token)
            raise
    return result


def _apply_once(function: Any, args: list[Any], input_: Any, run: Run, depth: int) -> Any:
    kind = type(function)
    first = args[0] if args else None
    run.spend(1 + (len(first) >> 3) if isinstance(first, list | dict | str) else 1)
    if kind is Native:
        if function.signature is not None:
            args = function.signature.validate(args, input_)
        run.depth = depth
        made = function.call(run, *args)
        return run.keep(made) if run.is_busy else made
    if kind is Lambda:
        if function.signature is not None:
            args = function.signature.validate(args, input_)
        code = function.code.at(depth)
        count = len(args)
        names = {name: args[place] if place < count else UNDEFINED for place, name in enumerate(function.parameters)}
        return code(function.input, Env(names, function.env, run, depth))
    if kind is PartialNative:
        return _apply_partial(function, args, run, depth)
    if kind is Regex:
        if isinstance(first, list):
            run.weigh(first)
        return _match_once(function, plain_text(first if args else UNDEFINED), 0, run)
    raise JsonataError("T1006")


def _apply_partial(function: PartialNative, args: list[Any], run: Run, depth: int) -> Any:
    values = list(function.values)
    for place, hole in enumerate(function.holes):
        values[hole] = args[place] if place < len(args) else UNDEFINED
    run.depth = depth
    return run.keep(function.native.call(run, *values))


def _match_once(regex: Regex, text: str, start: int, run: Run) -> Any:
    """A match as the object that JSONata shows, with a function for the next one."""
    found = regex.find(text, start, run.spend)
    if found is None:
        return UNDEFINED

    def next_match(run: Run) -> Any:
        if found.end >= len(text):
            return UNDEFINED
        following = _match_once(regex, text, found.end, run)
        if following is not UNDEFINED and following["match"] == "":
            raise JsonataError("D1004", value=regex.source)
        return following

    return {
        "match": found.text,
        "start": found.start,
        "end": found.end,
        "groups": list(found.groups),
        "next": Native(next_match, None, 0, 0),
    }
