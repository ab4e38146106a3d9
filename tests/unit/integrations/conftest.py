"""An engine whose tasks call fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mapfold.local.store import open_store
from tests.unit.engine.world import World, opened
from tests.unit.integrations.fakes import FakeClients


@pytest.fixture
def clients() -> FakeClients:
    return FakeClients()


@pytest.fixture
async def world(tmp_path: Path, clients: FakeClients) -> AsyncIterator[World]:
    async with open_store(tmp_path) as store, opened(store, clients=clients) as world:
        yield world
