"""The examples of docs/integrations.md and docs/callbacks.md are Tasks that can be scheduled."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mapfold.states import compile_machine
from tests.unit.engine.world import World

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = [
    json.loads(block)
    for page in ("integrations.md", "callbacks.md")
    for block in re.findall(r"^```json\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["Resource"])
async def test_the_examples_of_the_pages_are_tasks(world: World, example: dict[str, Any]) -> None:
    """They compile, and none of their parameters is refused: each fails, if at all, at its call."""
    caught = {catcher["Next"]: {"Type": "Pass", "End": True} for catcher in example.get("Catch", ())}
    states = {"Call": example, **caught}
    compile_machine(json.dumps({"StartAt": "Call", "States": states}), express=False)

    ended = await world.run(states, {"n": 1})

    assert "TaskScheduled" in ended.types
