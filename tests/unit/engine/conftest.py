"""The engine over a real store, with a fake Lambda, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mapfold.local.store import open_store
from tests.unit.engine.world import World, opened


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_store(tmp_path) as store, opened(store) as world:
        yield world
