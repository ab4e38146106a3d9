"""Which changes must be made again to come to the same state: all but those whose effect is gone.

Compilers call it the elimination of dead stores. From the last change to the first, a set holds the cells that are
overwritten later before anything reads them; a change that does nothing but to such cells is dropped. Then, from the
first to the last, deletions of what nobody makes any more are dropped as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from mapfold.local.aws_journal.effect import Effect


def live(effects: Sequence[Effect]) -> list[bool]:
    """For each change, in order, whether it is needed."""
    needed = _not_overwritten(effects)
    _drop_idle_deletions(effects, needed)
    return needed


def _not_overwritten(effects: Sequence[Effect]) -> list[bool]:
    needed = [False] * len(effects)
    overwritten: set[int] = set()
    for index in range(len(effects) - 1, -1, -1):
        effect = effects[index]
        if effect.forgets_all:
            break
        if effect.reads_all:
            overwritten.clear()
            needed[index] = True
            continue
        touched = (*effect.replaces, *effect.changes)
        if touched and all(cell in overwritten for cell in touched):
            overwritten.update(effect.consumes)  # gone after it, whether or not it is done
            continue
        needed[index] = True
        overwritten.update(effect.replaces, effect.replaces_also)
        overwritten.difference_update(effect.changes, effect.reads, effect.consumes)
    return needed


def _drop_idle_deletions(effects: Sequence[Effect], needed: list[bool]) -> None:
    written: set[int] = set()
    anything = False
    for index, effect in enumerate(effects):
        if not needed[index]:
            continue
        if effect.deletes:
            needed[index] = (anything and not effect.surely) or any(cell in written for cell in effect.replaces)
            written.difference_update(effect.replaces)
        else:
            written.update(effect.replaces, effect.changes)
            anything = anything or effect.reads_all
