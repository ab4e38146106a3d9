"""The six functions that the service adds to JSONata.

Their arguments are checked as those of the language's own functions are. Numbers that are not whole are cut towards
zero, where intrinsic functions round to the nearest: `$range(-1.7, 2, 1)` is `[-1, 0, 1, 2]`. What is undefined, or
makes no sense (a step of 0, an unknown algorithm, text that is no JSON), gives undefined.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import orjson

from mapfold.states.intrinsics import ALGORITHMS, new_uuid
from mapfold.states.jsonata_language import (
    BUILTINS,
    MEMORY_EXCEEDED,
    UNDEFINED,
    InternalFailure,
    LimitExceeded,
    Native,
    Run,
    Sequence,
    parse_signature,
)

MOST_RANGE = 360_145
"""Numbers that `$range` may give before the evaluation has no memory left."""


def partition(run: Run, array: Any, size: Any) -> Any:
    """`$partition(array, size)`: its parts, the last of which may be shorter."""
    if array is UNDEFINED or size is UNDEFINED:
        return UNDEFINED
    width = _whole(size)
    if width < 0:
        raise InternalFailure
    if width == 0:
        return UNDEFINED
    run.hold(8 * (len(array) + len(array) // width))
    return [array[start : start + width] for start in range(0, len(array), width)]


def number_range(run: Run, start: Any, end: Any, step: Any) -> Any:
    """`$range(start, end, step)`: both ends included where the step hits them. Of one number it is that number."""
    if UNDEFINED in (start, end, step):
        return UNDEFINED
    first, last, by = _whole(start), _whole(end), _whole(step)
    if by == 0:
        return UNDEFINED
    numbers = range(first, last + (1 if by > 0 else -1), by)
    if _count(numbers) > MOST_RANGE:
        raise LimitExceeded(MEMORY_EXCEEDED)
    return Sequence(numbers)


def _count(numbers: range) -> int:
    """How many there are: a range may be too long for `len`."""
    return 0 if not numbers else (numbers[-1] - numbers[0]) // numbers.step + 1


def hash_text(run: Run, text: Any, algorithm: Any) -> Any:
    """`$hash(text, algorithm)`: lower-case hex."""
    if text is UNDEFINED or algorithm not in ALGORITHMS:
        return UNDEFINED
    return hashlib.new(ALGORITHMS[algorithm], text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def random_number(run: Run, seed: Any) -> float:
    """`$random([seed])`: from 0 up to 1. A seed gives what Java's `Random` gives for it (seen on the service)."""
    return run.random.random() if seed is UNDEFINED else _java_random(_whole(seed))


def _java_random(seed: int) -> float:
    """The first `nextDouble()` of `new java.util.Random(seed)`."""
    mask = (1 << 48) - 1
    state = (seed ^ 0x5DEECE66D) & mask
    bits = 0
    for width in (26, 27):
        state = (state * 0x5DEECE66D + 0xB) & mask
        bits = (bits << width) + (state >> (48 - width))
    return bits / (1 << 53)


def uuid(run: Run) -> str:
    """`$uuid()`: version 4."""
    return new_uuid(run.random)


def parse(run: Run, text: Any) -> Any:
    """`$parse(text)`: the value of a JSON text."""
    if text is UNDEFINED:
        return UNDEFINED
    run.hold(len(text))
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return UNDEFINED


def _whole(number: float) -> int:
    if not math.isfinite(number):
        raise InternalFailure
    return int(number)


FUNCTIONS: dict[str, Any] = {
    **BUILTINS,
    "partition": Native(partition, parse_signature("<an:a>"), 2, 2),
    "range": Native(number_range, parse_signature("<nnn:a>"), 3, 3),
    "hash": Native(hash_text, parse_signature("<ss:s>"), 2, 2),
    "random": Native(random_number, parse_signature("<n?:n>"), 1, 1),
    "uuid": Native(uuid, parse_signature("<:s>"), 0, 0),
    "parse": Native(parse, parse_signature("<s:x>"), 1, 1),
}
"""All functions that an expression may call: those of the language but `$eval`, and these."""
