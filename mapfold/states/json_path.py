"""JSONPath as the States Language uses it: parsed once, compiled into a closure.

The dialect is the part of Jayway JsonPath that the service documents: children, indexes, slices, unions, wildcards,
`..` and filters. A *reference path* has names and indexes only. A definite path (names and indexes) finds one value
or `MISSING`; an indefinite one gives the list of all that it matches, which may be empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mapfold.states.effects import Json
from mapfold.states.json_path_parser import PathParser, PathSyntaxError
from mapfold.states.json_path_steps import MISSING, Index, Name, Step, find_definite, find_indefinite, step_into

__all__ = ["MISSING", "Path", "PathSyntaxError", "compile_path"]


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. `root` is "$", "$$" (the context object) or "$name" (a variable)."""

    text: str
    root: str
    steps: tuple[Step, ...]
    definite: bool
    find: Callable[[Json], Json]
    """From the root's value to the value found, or MISSING."""

    @property
    def is_root(self) -> bool:
        return not self.steps

    def explain_missing(self, document: Json) -> str:
        """Why `find` gave MISSING, in the words of the service."""
        trail = "$"
        value = document
        for position, step in enumerate(self.steps):
            trail += f"['{step.name}']" if isinstance(step, Name) else f"[{getattr(step, 'index', '*')}]"
            found = step_into(value, step)
            if found is MISSING:
                is_last = position == len(self.steps) - 1
                return f"No results for path: {trail}" if is_last else f"Missing property in path {trail}"
            value = found
        return f"No results for path: {trail}"

    def write(self, document: Json, value: Json) -> Json:
        """A copy of `document` with `value` at this reference path; objects on the way are made where missing.

        Raises LookupError where an array or object would have to be something else.
        """
        return _write(document, self.steps, value)


def compile_path(text: str, *, reference: bool = False) -> Path:
    """Compile a path; with `reference`, only names and indexes may stand in it. Raises PathSyntaxError."""
    root, steps = PathParser(text).parse()
    definite = all(isinstance(step, Name | Index) for step in steps)
    if reference and not definite:
        raise PathSyntaxError("a reference path names one place: only names and indexes may stand in it", text, 0)
    find = find_definite(steps) if definite else find_indefinite(steps)
    return Path(text, root, steps, definite, find)


def _write(target: Json, steps: Sequence[Step], value: Json) -> Json:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, Name) and isinstance(target, dict):
        inner = target.get(step.name, MISSING)
        base: Json = inner if isinstance(inner, dict | list) else {}
        return {**target, step.name: _write(base if rest else inner, rest, value)}
    if isinstance(step, Index) and isinstance(target, list) and 0 <= step.index < len(target):
        copy = list(target)
        copy[step.index] = _write(copy[step.index], rest, value)
        return copy
    raise LookupError(str(step))
