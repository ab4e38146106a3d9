"""Map, distributed: a map run that starts a child execution for each item or batch of items."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mapfold.states.amounts import Amount, read_amount, read_whole
from mapfold.states.effects import Effect, Json, MapSucceeded, RunMap, StateError, TaskFailed, TaskSucceeded
from mapfold.states.frame import Frame
from mapfold.states.item_batcher import ItemBatcher
from mapfold.states.item_reader import ItemReader
from mapfold.states.map_items import Items, Selector, with_item
from mapfold.states.result_writer import ResultWriter
from mapfold.states.visit import WorkFailed
from mapfold.states.work import WorkState, failure_of

if TYPE_CHECKING:
    from mapfold.states.machine import Scope


@dataclass(frozen=True, slots=True)
class DistributedMap(WorkState):
    """A Map state in DISTRIBUTED mode. `processor_definition` is its ItemProcessor as it was written."""

    processor: Scope
    processor_definition: Mapping[str, Json]
    child_type: str
    label: str | None
    items: Items
    selector: Selector | None
    reader: ItemReader | None
    batcher: ItemBatcher | None
    writer: ResultWriter | None
    max_concurrency: Amount
    tolerated_count: Amount
    tolerated_percentage: Amount

    entered_type: ClassVar[str] = "MapStateEntered"
    exited_type: ClassVar[str] = "MapStateExited"

    def work(self, inputs: Json, arguments: Json, frame: Frame) -> Generator[Effect, Any, Json]:
        """Start a map run and wait for its result.

        MaxConcurrency is evaluated before MapStateStarted, as AWS does it in an inline Map; the other fields after it.
        What fails in those points back to where MapStateStarted does, as if that were not there. MapStateSucceeded points
        to MapRunSucceeded, but what follows it points to MapRunStarted or MapRunRedriven.
        """
        at_once = read_whole(self.max_concurrency, inputs, frame) or 0
        items = None if self.reader is not None else self.items(inputs, frame)
        length = 0 if items is None else len(items)
        started = frame.record_leaf("MapStateStarted", "mapStateStartedEventDetails", {"length": length})
        run = self._prepare(items, at_once, inputs, frame)
        frame.previous = started
        answer: TaskSucceeded | TaskFailed = yield run
        if isinstance(answer, TaskFailed):
            raise failure_of(answer)
        if answer.text is not None:
            frame.remember(answer.output, answer.text)
        frame.record_leaf("MapStateSucceeded")
        if isinstance(answer, MapSucceeded):
            frame.previous = answer.begun
        return answer.output

    def give_up(self, error: StateError, frame: Frame) -> None:
        """Record MapStateFailed, which the service leaves out when the Map's own fields failed with States.Runtime."""
        if isinstance(error, WorkFailed) or error.catchable:
            frame.record("MapStateFailed")

    def _prepare(self, items: Json, at_once: int, inputs: Json, frame: Frame) -> RunMap:
        reader, batcher, writer = self.reader, self.batcher, self.writer
        return RunMap(
            state_name=self.name,
            label=self.label,
            processor=self.processor,
            child_type=self.child_type,
            reader=None if reader is None else reader.evaluate(inputs, frame),
            items=items,
            max_items=None if reader is None else read_whole(reader.max_items, inputs, frame),
            select=self._select(inputs, frame),
            batcher=None if batcher is None else batcher.evaluate(inputs, frame),
            writer=None if writer is None else writer.evaluate(inputs, frame),
            max_concurrency=at_once,
            tolerated_count=read_whole(self.tolerated_count, inputs, frame),
            tolerated_percentage=read_amount(self.tolerated_percentage, inputs, frame),
            processor_definition=self.processor_definition,
        )

    def _select(self, inputs: Json, frame: Frame) -> Callable[[int, Json, str | None, str], Json] | None:
        selector = self.selector
        if selector is None:
            return None

        def select(index: int, value: Json, key: str | None, source: str) -> Json:
            item: dict[str, Json] = {"Index": index}
            if key is not None:
                item["Key"] = key
            item["Value"], item["Source"] = value, source
            return with_item(selector, inputs, item, frame)

        return select
