"""The embedded AWS that tests share: those of one module, or all that leave each other's names alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.embedded import EmbeddedAws, serving


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """`mapfold local` on free ports with a data folder of its own, for the tests of one module."""
    data = tmp_path_factory.mktemp("mapfold-data")
    with serving(data) as aws:
        yield aws


@pytest.fixture(scope="session")
def shared_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """One for the session, of modules whose jobs, runs and objects have names of their own: a server takes seconds to start."""
    with serving(tmp_path_factory.mktemp("shared-data")) as aws:
        aws.s3.create_bucket(Bucket="mapfold-data")
        yield aws
