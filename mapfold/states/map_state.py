"""Map: reads the fields of both modes, and makes the state of the one that ProcessorConfig names."""

from __future__ import annotations

import re
from dataclasses import replace

from mapfold.states import problems
from mapfold.states.amounts import compile_amount
from mapfold.states.data_flow import compile_flow
from mapfold.states.definition import Node
from mapfold.states.fields import compile_next
from mapfold.states.item_batcher import compile_batcher
from mapfold.states.item_reader import compile_reader
from mapfold.states.map_distributed import DistributedMap
from mapfold.states.map_inline import InlineMap
from mapfold.states.map_items import compile_items, compile_selector
from mapfold.states.recovery import compile_recovery
from mapfold.states.result_writer import compile_writer

DISTRIBUTED_FIELDS = (
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "Label",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
)
LABEL_LIMIT = 40
_NOT_IN_LABELS = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\u0000-\u001f\u007f-\u009f]")


def compile_map(node: Node) -> InlineMap | DistributedMap | None:
    """The Map state `node`; None where it has no processor to run, which is reported."""
    processor = _find_processor(node)
    if processor is None:
        return None
    config = _find_config(processor)
    mode = config.one_of("Mode", ("INLINE", "DISTRIBUTED")) or "INLINE"
    if mode == "INLINE" and config.has("ExecutionType"):
        config.problem(problems.unsupported("ExecutionType"))
    return _compile_distributed(node, processor, config) if mode == "DISTRIBUTED" else _compile_inline(node, processor)


def _find_processor(node: Node) -> Node | None:
    node.only_one_of("ItemProcessor", "Iterator")
    if node.has("Iterator"):
        return node.object("Iterator")
    return node.object("ItemProcessor") if node.has("ItemProcessor") else None


def _find_config(processor: Node) -> Node:
    config = processor.object("ProcessorConfig") if processor.has("ProcessorConfig") else None
    config = config or processor.child({}, "ProcessorConfig")
    if config.fields.get("Mode") == "DISTRIBUTED":
        config.require("ExecutionType")
    config.check_fields(("Mode", "ExecutionType"))
    return config


def _compile_inline(node: Node, processor: Node) -> InlineMap:
    for name in DISTRIBUTED_FIELDS:
        if node.has(name):
            node.problem(f"The field '{name}' is only supported when the Map's mode is 'DISTRIBUTED'", name)
    return InlineMap(
        name=node.name,
        next=compile_next(node),
        flow=compile_flow(node, extra="result", has_arguments=False),
        recovery=compile_recovery(node),
        processor=node.build.compile_scope(processor),
        items=compile_items(node, distributed=False),
        selector=compile_selector(node),
        max_concurrency=compile_amount(node, "MaxConcurrency", least=0, check=_check_concurrency),
    )


def _compile_distributed(node: Node, processor: Node, config: Node) -> DistributedMap:
    if node.express:
        config.problem("Express state machine does not support Map state in 'DISTRIBUTED' mode", "Mode")
    child_type = config.one_of("ExecutionType", ("STANDARD", "EXPRESS")) or "STANDARD"
    # Children are executions of their own: they neither see nor share the variables of this one.
    children = replace(processor, express=child_type == "EXPRESS", outer=frozenset(), own=frozenset())
    return DistributedMap(
        name=node.name,
        next=compile_next(node),
        flow=compile_flow(node, extra="result", has_arguments=False),
        recovery=compile_recovery(node),
        processor=node.build.compile_scope(children),
        processor_definition=processor.fields,
        child_type=child_type,
        label=_compile_label(node),
        items=compile_items(node, distributed=True),
        selector=compile_selector(node),
        reader=compile_reader(node),
        batcher=compile_batcher(node),
        writer=compile_writer(node),
        max_concurrency=compile_amount(node, "MaxConcurrency", least=0, check=_check_concurrency),
        tolerated_count=compile_amount(
            node,
            "ToleratedFailureCount",
            least=0,
            check=lambda value: "ToleratedFailureCount cannot be negative." if value < 0 else None,
        ),
        tolerated_percentage=compile_amount(
            node,
            "ToleratedFailurePercentage",
            least=0,
            most=100,
            whole=False,
            check=lambda value: None if 0 <= value <= 100 else "ToleratedFailurePercentage must be between 0 and 100.",
        ),
    )


def _check_concurrency(value: float) -> str | None:
    return f"Expected non-negative integer for MaxConcurrency, got '{value}' instead." if value < 0 else None


def _compile_label(node: Node) -> str | None:
    label = node.string("Label")
    if label is None:
        return None
    if not label:
        node.problem(problems.EMPTY, "Label")
    elif len(label) > LABEL_LIMIT:
        node.problem(f"Label must have at most {LABEL_LIMIT} characters", "Label", code=problems.LABEL)
    elif _NOT_IN_LABELS.search(label):
        node.problem("Label has a character that is not allowed", "Label", code=problems.LABEL)
    elif label in node.build.labels:
        node.problem(f"Label '{label}' is not unique in the definition", "Label", code=problems.LABEL_TWICE)
    node.build.labels.add(label)
    return label
