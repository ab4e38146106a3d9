"""What all tests share: how hypothesis looks for counterexamples, and what the garbage collector passes over."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

# The same examples at every run, so that a red test stays red until it is mended. No deadline for one example: machines
# differ and are busy; pytest's timeout bounds the whole test.
settings.register_profile("mapfold", derandomize=True, deadline=None)
# To search further, by hand: `pytest --hypothesis-profile=search --hypothesis-seed=7`, other examples with each seed.
settings.register_profile("search", deadline=None, database=None)
settings.load_profile("mapfold")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Modules and tests, of which there are millions of objects, stay to the end: no collection goes through them again."""
    gc.collect()
    gc.freeze()
