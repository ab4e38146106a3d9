"""What all tests share: how hypothesis looks for counterexamples."""

from __future__ import annotations

from hypothesis import settings

# The same examples at every run, so that a red test stays red until it is mended. No deadline for one example: machines
# differ and are busy; pytest's timeout bounds the whole test.
settings.register_profile("mapfold", derandomize=True, deadline=None)
# To search further, by hand: `pytest --hypothesis-profile=search --hypothesis-seed=7`, other examples with each seed.
settings.register_profile("search", deadline=None, database=None)
settings.load_profile("mapfold")
