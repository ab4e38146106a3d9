"""JSONPath as the States Language uses it: parsed once, compiled into a closure.

The dialect is that of Jayway JsonPath, the library of the service: children, indexes, slices, unions, wildcards,
`..` and filters. A *reference path* has names and indexes only. A definite path (names and indexes) finds one value
or `MISSING`; an indefinite one gives the list of all that it matches, which may be empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mapfold.states.effects import Json
from mapfold.states.json_path_parser import NO_DOLLAR, NO_STEP, PathParser
from mapfold.states.json_path_reader import PathSyntaxError
from mapfold.states.json_path_steps import (
    MISSING,
    Index,
    InvalidPathError,
    Name,
    Names,
    Step,
    check_elements,
    find_definite,
    find_indefinite,
    is_definite,
    step_into,
)
from mapfold.states.json_path_work import Work

__all__ = [
    "MISSING",
    "REFERENCE_PROBLEMS",
    "InvalidPathError",
    "Path",
    "PathConflict",
    "PathSyntaxError",
    "compile_path",
]

REFERENCE_PROBLEMS = (NO_DOLLAR, NO_STEP)
"""What the service is known to say of reference paths: the `problem` of a PathSyntaxError is one of these, or ours."""


class PathConflict(Exception):
    """A reference path that cannot be applied. `step`: the name or index that does not fit; None for the whole path."""

    def __init__(self, step: str | None) -> None:
        super().__init__(step)
        self.step = step


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path. `root` is "$", "$$" (the context object) or "$name" (a variable)."""

    text: str
    root: str
    steps: tuple[Step, ...]
    definite: bool
    find: Callable[[Json], Json]
    """From the root's value to the value found, or MISSING; an indefinite path may raise InvalidPathError."""

    @property
    def is_root(self) -> bool:
        return not self.steps

    def explain_missing(self, document: Json) -> str:
        """Why `find` gave MISSING, in the words of Jayway. Raises InvalidPathError where Jayway calls the path invalid."""
        trail = "$"
        value = document
        for position, step in enumerate(self.steps):
            if value is None and not isinstance(step, Name | Names):
                return f"The path {trail} is null"
            check_elements(value, step)
            if isinstance(step, Name | Names) and not isinstance(value, dict):
                return f"Property {step} not found in path {trail}"
            trail += str(step)
            found = step_into(value, step)
            if found is MISSING:
                if position == len(self.steps) - 1:
                    break
                if isinstance(step, Name):
                    return f"Missing property in path {trail}"
                found = None
            value = found
        return self._no_results()

    def is_past_end(self, document: Json) -> bool:
        """Whether this path, which found nothing, ends with an index that an array which is there does not have."""
        if not (self.steps and isinstance(self.steps[-1], Index)):
            return False
        value = document
        for step in self.steps[:-1]:
            value = step_into(value, step)
        return isinstance(value, list)

    def _no_results(self) -> str:
        return f"No results for path: ${''.join(map(str, self.steps))}"

    def read(self, document: Json) -> Json:
        """What this reference path finds. Raises PathConflict with the step that finds nothing."""
        value = document
        for step in self.steps:
            found = step_into(value, step)
            if found is MISSING:
                raise PathConflict(_label(step))
            value = found
        return value

    def write(self, document: Json, value: Json) -> Json:
        """A copy of `document` with `value` at this reference path; objects on the way are made where missing.

        Raises PathConflict where something is in the way that is neither object nor array.
        """
        if self.steps and not isinstance(document, dict | list):
            raise PathConflict(None)
        return _write(document, self.steps, value)


def compile_path(text: str, *, reference: bool = False) -> Path:
    """Compile a path; with `reference`, only names and indexes may stand in it. Raises PathSyntaxError."""
    try:
        parser = PathParser(text)
        root, steps = parser.parse()
    except RecursionError:
        raise PathSyntaxError("the filter is nested too deeply", text, 0) from None
    if reference and not all(_may_be_in_reference(step) for step in steps):
        problem = "a reference path names one place: only names and indexes may stand in it"
        raise PathSyntaxError(NO_STEP if _NO_STEP.search(text) else problem, text, 0)
    too_early = next((at for at, step in enumerate(steps[:-1]) if isinstance(step, Names)), None)
    if too_early is not None:
        trail = "".join(map(str, steps[: too_early + 1]))
        return Path(text, root, steps, False, _refuse(f"Multi properties can only be used as path leafs: ${trail}"))
    definite = is_definite(steps)
    return Path(text, root, steps, definite, find_definite(steps) if definite else _counted(steps, parser.work))


_NO_STEP = re.compile(r"\[\s*[^\s\d'\"-]")
"""A bracket in which there is neither a name in quotes nor an index, such as `[*]` and `[?(@.a)]`."""


def _may_be_in_reference(step: Step) -> bool:
    return isinstance(step, Index) or (isinstance(step, Name) and not step.name.endswith("()"))


def _counted(steps: tuple[Step, ...], work: Work) -> Callable[[Json], Json]:
    follow = find_indefinite(steps, work)

    def find(document: Json) -> Json:
        work.begin()
        return follow(document)

    return find


def _refuse(problem: str) -> Callable[[Json], Json]:
    def find(document: Json) -> Json:
        raise InvalidPathError(problem)

    return find


def _write(target: Json, steps: Sequence[Step], value: Json) -> Json:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, Name) and isinstance(target, dict):
        inner = target.get(step.name, {})
        if rest and not isinstance(inner, dict | list):
            raise PathConflict(_label(step))
        return {**target, step.name: _write(inner, rest, value)}
    if isinstance(step, Index) and isinstance(target, list) and 0 <= step.index < len(target):
        copy = list(target)
        if rest and not isinstance(copy[step.index], dict | list):
            raise PathConflict(_label(step))
        copy[step.index] = _write(copy[step.index], rest, value)
        return copy
    raise PathConflict(_label(step))


def _label(step: Step) -> str:
    return step.name if isinstance(step, Name) else str(getattr(step, "index", step))
