"""What a Map state's ARN (`stateMachine:<machine>/<label>`) stands for: its ItemProcessor, found in the definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from mapfold.local.map_run import name_uuid


def labelled_processor(definition: str, machine: str, label: str) -> Mapping[str, Any] | None:
    """The ItemProcessor of the distributed Map with this label in a machine's definition, which has been checked.

    A Map without a Label has the one that its map runs get: it follows from the names of machine and state.
    """
    for name, state in _states(orjson.loads(definition)):
        processor = state.get("ItemProcessor")
        if state.get("Type") != "Map" or not isinstance(processor, Mapping) or not _is_distributed(processor):
            continue
        if label == (state.get("Label") or name_uuid(machine, "", name)):
            return processor
    return None


def child_type_of(processor: Mapping[str, Any]) -> str:
    """STANDARD or EXPRESS: how the children of a distributed Map run."""
    config: Mapping[str, str] = processor["ProcessorConfig"]
    return config.get("ExecutionType", "STANDARD")


def _is_distributed(processor: Mapping[str, Any]) -> bool:
    config = processor.get("ProcessorConfig")
    return isinstance(config, Mapping) and config.get("Mode") == "DISTRIBUTED"


def _states(scope: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every state of a scope and of the scopes inside it, with its name. (Of checked ones, which are not deep.)"""
    for name, state in scope.get("States", {}).items():
        yield name, state
        for inner in (state.get("ItemProcessor"), state.get("Iterator"), *state.get("Branches", ())):
            if isinstance(inner, Mapping):
                yield from _states(inner)
