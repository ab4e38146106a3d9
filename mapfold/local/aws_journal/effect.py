"""What a change does to cells, as a value."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """`replaces` cells, whatever they were, or only `changes` them; `reads` what must be there for that.

    - `consumes`: reads a cell, which is gone after that.
    - `replaces_also`: gone with it, though it stays in the journal for its own sake.
    - `deletes`: what it replaces is gone, and that is all it does; `surely`: and is an error when it was not there, and
      nothing but requests that name it makes it.
    - `reads_all`: it may have read, and written, anything.
    - `forgets_all`: nothing before it matters.
    - `updates`: it changes one item, and a put of what that is afterwards could stand for it.
    """

    replaces: tuple[int, ...] = ()
    changes: tuple[int, ...] = ()
    reads: tuple[int, ...] = ()
    consumes: tuple[int, ...] = ()
    replaces_also: tuple[int, ...] = ()
    deletes: bool = False
    surely: bool = False
    reads_all: bool = False
    forgets_all: bool = False
    updates: bool = False


PLAIN = Effect()
"""It stays, and has nothing to do with objects and items."""

OPAQUE = Effect(reads_all=True)
"""It stays, and so does all that came before it."""


class Cells:
    """Numbers for things: a hundred thousand items are a hundred thousand small ints in each set that holds them."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._next = 0

    def number(self, thing: Hashable) -> int:
        """The number of a thing, always the same."""
        found = self._numbers.get(thing)
        if found is None:
            found = self._numbers[thing] = self.new()
        return found

    def new(self) -> int:
        """The number of something that has no name yet."""
        self._next += 1
        return self._next
