"""A store in a folder of its own, and rows to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from mapfold.local.store import ExecutionRow, MachineRow, MapRunRow, Store, open_store

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path) as opened:
        yield opened


def machine(revision: int = 1, **changes: Any) -> MachineRow:
    values = {"definition": "{}", "role_arn": "arn:aws:iam::123456789012:role/r", "created": 1.0, "updated": 1.0}
    return MachineRow(**{"arn": MACHINE, "name": "jobs", "type": "STANDARD", "revision": revision, **values, **changes})


def execution(number: int, **changes: Any) -> ExecutionRow:
    arn = f"arn:aws:states:us-east-1:123456789012:execution:jobs:run-{number}"
    values = {"machine_arn": MACHINE, "machine_revision": 1, "name": f"run-{number}", "start": float(number)}
    return ExecutionRow(**{"id": number, "arn": arn, "input": "{}", **values, **changes})


def map_run(number: int = 1, **changes: Any) -> MapRunRow:
    arn = f"arn:aws:states:us-east-1:123456789012:mapRun:jobs/Map:{number}"
    values = {"execution_arn": execution(1).arn, "machine_arn": MACHINE, "label": "Map", "start": 1.0}
    return MapRunRow(**{"id": number, "arn": arn, **values, **changes})


def events(first: int, count: int) -> bytes:
    return orjson.dumps(
        [{"timestamp": 1.0, "type": "T", "id": n, "previousEventId": n - 1} for n in range(first, first + count)]
    )
