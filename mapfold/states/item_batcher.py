"""ItemBatcher: how many items go to one child execution."""

from __future__ import annotations

from dataclasses import dataclass

from mapfold.states.amounts import Amount, compile_amount, read_whole
from mapfold.states.definition import Node
from mapfold.states.effects import BatcherSpec, Json
from mapfold.states.frame import PAYLOAD_LIMIT, Frame
from mapfold.states.queries import Query

FIELDS = (
    "MaxItemsPerBatch",
    "MaxItemsPerBatchPath",
    "MaxInputBytesPerBatch",
    "MaxInputBytesPerBatchPath",
    "BatchInput",
)


@dataclass(frozen=True, slots=True)
class ItemBatcher:
    """An ItemBatcher, compiled."""

    max_items: Amount
    max_bytes: Amount
    batch_input: Query | None

    def evaluate(self, inputs: Json, frame: Frame) -> BatcherSpec:
        """The batcher for one map run. 0 is no limit, as it is of MaxItems and MaxConcurrency (unconfirmed)."""
        return BatcherSpec(
            read_whole(self.max_items, inputs, frame) or None,
            read_whole(self.max_bytes, inputs, frame) or None,
            None if self.batch_input is None else self.batch_input(inputs, frame),
        )


def compile_batcher(state: Node) -> ItemBatcher | None:
    """The ItemBatcher of the Map `state`, if it has one."""
    node = state.object("ItemBatcher") if state.has("ItemBatcher") else None
    if node is None:
        return None
    node.check_fields([name for name in FIELDS if not (node.is_jsonata and name.endswith("Path"))], FIELDS)
    if not node.has(*FIELDS[:4]):
        node.problem("At least one of 'MaxItemsPerBatch' and 'MaxInputBytesPerBatch' is required")
    return ItemBatcher(
        compile_amount(node, "MaxItemsPerBatch", least=0, check=_check_items),
        compile_amount(node, "MaxInputBytesPerBatch", least=0, most=PAYLOAD_LIMIT, check=_check_bytes),
        _compile_batch_input(node),
    )


def _check_items(value: float) -> str | None:
    return "field MaxItemsPerBatch must be positive" if value < 0 else None


def _check_bytes(value: float) -> str | None:
    if value < 0:
        return "field MaxInputBytesPerBatch must be positive"
    return None if value <= PAYLOAD_LIMIT else f"MaxInputBytesPerBatch must be between 1 and {PAYLOAD_LIMIT}."


def _compile_batch_input(node: Node) -> Query | None:
    if not node.is_jsonata:
        return node.template("BatchInput")
    evaluate = node.json("BatchInput")
    return None if evaluate is None else lambda data, frame: evaluate(data, None, frame)
