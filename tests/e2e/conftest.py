"""The embedded AWS that the tests of one module share, or those of several."""

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
    """One for modules that only start runs, under names of their own. Its bucket `mapfold-data` is there."""
    data = tmp_path_factory.mktemp("shared-data")
    with serving(data) as aws:
        aws.s3.create_bucket(Bucket="mapfold-data")
        yield aws
