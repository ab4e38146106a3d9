"""Map, inline: an iteration of the processor for each item, within the same execution."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mapfold.states.amounts import Amount, read_whole
from mapfold.states.effects import Effect, Json, RunIterations, StateError, TaskFailed
from mapfold.states.frame import Frame, is_oversized
from mapfold.states.map_items import Items, Selector, with_item
from mapfold.states.visit import too_large
from mapfold.states.work import WorkState, failure_of

if TYPE_CHECKING:
    from mapfold.states.machine import Scope


@dataclass(frozen=True, slots=True)
class InlineMap(WorkState):
    """A Map state in INLINE mode."""

    processor: Scope
    items: Items
    selector: Selector | None
    max_concurrency: Amount

    entered_type: ClassVar[str] = "MapStateEntered"
    exited_type: ClassVar[str] = "MapStateExited"

    def work(self, inputs: Json, arguments: Json, frame: Frame) -> Generator[Effect, Any, Json]:
        """Run all iterations. The result is their outputs in the order of the items.

        MaxConcurrency comes first, as on AWS: what is wrong with it leaves no MapStateStarted.
        """
        at_once = read_whole(self.max_concurrency, inputs, frame) or 0
        items: list[Json] = self.items(inputs, frame)
        frame.record("MapStateStarted", "mapStateStartedEventDetails", {"length": len(items)})
        answer: list[Json] | TaskFailed = []
        if items:
            select = self._select(items, inputs, frame)
            answer = yield RunIterations(self.name, self.processor, len(items), select, at_once)
        if isinstance(answer, TaskFailed):
            raise failure_of(answer)
        if is_oversized(frame.text_of(answer)):
            raise too_large(self.name)
        frame.record_leaf("MapStateSucceeded")
        return answer

    def give_up(self, error: StateError, frame: Frame) -> None:
        """Record MapStateFailed: not for what nothing may catch, which ends the execution at once (as on AWS)."""
        if error.catchable:
            frame.record("MapStateFailed")

    def _select(self, items: list[Json], inputs: Json, frame: Frame) -> Callable[[int], Json]:
        selector = self.selector
        if selector is None:
            return items.__getitem__
        return lambda index: with_item(selector, inputs, {"Index": index, "Value": items[index]}, frame)
