"""The embedded AWS that the tests of one module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.embedded import EmbeddedAws
from tests.integration.embedded.server import session


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """`mapfold local` with a data folder of its own, for the tests of one module that kill nothing."""
    with session(tmp_path_factory.mktemp("data") / "data") as up:
        yield up.aws
