"""Reads the text of a JSONPath into its root and steps."""

from __future__ import annotations

import re

from mapfold.states.json_path_filters import FilterReader
from mapfold.states.json_path_steps import Deep, Filter, Index, Indexes, Name, Names, Slice, Step, Wildcard

NO_DOLLAR = "Reference path didn't start with '$'"
"""The service's words for a path, of either kind, that starts with something else."""
NO_STEP = "'[' must be followed by ' or '['"
"""The service's words for a bracket with neither a name in quotes nor an index in it."""
_NAME = re.compile(r"(?:\\.|[^\s.\[\]()'\",*\\])+(?:\(\))?")
"""A name after a dot. What looks like a function is one: the service knows no functions, and finds no such member."""
_NAME_IN_FILTER = re.compile(r"(?:\\.|[^\s.\[\]()'\"*@,:?&|!=<>\\$])+(?:\(\))?")
"""A name in a filter ends where an operator may begin."""
_INTEGER = re.compile(r"-?\d+")
_VARIABLE = re.compile(r"\$[^\W\d]\w*")
_ESCAPED = re.compile(r"\\(.)")


class PathParser(FilterReader):
    """Reads one path from left to right."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.name = _NAME

    def parse(self) -> tuple[str, tuple[Step, ...]]:
        """The root of the path ("$", "$$" or "$name") and its steps. Raises PathSyntaxError."""
        root = self.root()
        steps = self.steps()
        if self.at != len(self.text):
            self.fail("unexpected character")
        return root, tuple(steps)

    def root(self) -> str:
        if self.take("$$"):
            return "$$"
        variable = self.match(_VARIABLE)
        if variable is not None:
            return variable
        if not self.take("$"):
            self.fail(NO_DOLLAR)
        return "$"

    def steps(self) -> list[Step]:
        steps: list[Step] = []
        while self.at < len(self.text):
            if self.take(".."):
                steps.append(Deep(self.bracket() if self.take("[") else self.dotted()))
            elif self.take("."):
                # `$.abc.['def']` is odd but legal on the service.
                steps.append(self.bracket() if self.take("[") else self.dotted())
            elif self.take("["):
                steps.append(self.bracket())
            else:
                break
        return steps

    def dotted(self) -> Step:
        if self.take("*"):
            return Wildcard()
        name = self.match(self.name)
        if name is None:
            return self.fail("a name expected")  # type: ignore[no-any-return]
        return Name(_ESCAPED.sub(r"\1", name))

    def bracket(self) -> Step:
        self.blanks()
        if self.take("*"):
            step: Step = Wildcard()
        elif self.take("?"):
            step = self.filter_step()
        elif self.peek() in ("'", '"'):
            step = self.names()
        else:
            step = self.elements()
        self.blanks()
        self.expect("]")
        return step

    def filter_step(self) -> Filter:
        outer, self.name = self.name, _NAME_IN_FILTER
        self.blanks()
        self.expect("(")
        matches = self.filter()
        self.blanks()
        self.expect(")")
        self.name = outer
        return Filter(matches)

    def names(self) -> Name | Names:
        members = [self.quoted()]
        self.blanks()
        while self.take(","):
            self.blanks()
            members.append(self.quoted())
            self.blanks()
        return Name(members[0]) if len(members) == 1 else Names(tuple(members))

    def elements(self) -> Index | Indexes | Slice:
        first = self.match(_INTEGER)
        self.blanks()
        if self.take(":"):
            return self.slice(first)
        if first is None:
            self.fail(NO_STEP)
        members = [self.whole(first or "0")]
        while self.take(","):
            self.blanks()
            members.append(self.integer())
            self.blanks()
        return Index(members[0]) if len(members) == 1 else Indexes(tuple(members))

    def slice(self, first: str | None) -> Slice:
        self.blanks()
        stop = self.match(_INTEGER)
        self.blanks()
        step = self.match(_INTEGER) if self.take(":") else None
        bounds = [None if bound is None else self.whole(bound) for bound in (first, stop, step)]
        if bounds[2] == 0:
            self.fail("a slice's step may not be 0")
        return Slice(*bounds)
