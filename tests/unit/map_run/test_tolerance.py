"""When failed items fail a map run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run import Tolerance

counts = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("count", "percentage", "failed", "total", "exceeded"),
    [
        (None, None, 0, 10, False),
        (None, None, 1, None, True),
        (2, None, 2, None, False),
        (2, None, 3, None, True),
        (None, 10, 1, 10, False),
        (None, 10, 2, 10, True),
        (None, 10, 10, None, False),
        (5, 10, 2, 10, True),
        (1, 90, 2, 10, True),
        (0, 50, 1, 10, True),
        (None, 0, 1, 10, True),
    ],
)
def test_either_limit_that_is_exceeded_fails_the_run(
    count: int | None, percentage: float | None, failed: int, total: int | None, exceeded: bool
) -> None:
    """With neither set the first failure does; the percentage waits until the total is known."""
    tolerance = Tolerance(count, percentage)

    assert tolerance.is_exceeded(failed=failed, total=total) is exceeded


@given(failed=counts, more=counts)
def test_100_percent_never_fails(failed: int, more: int) -> None:
    """A percentage of 100 tolerates every child's failure."""
    assert not Tolerance(None, 100.0).is_exceeded(failed=failed, total=failed + more)


@given(count=st.none() | counts, percentage=st.none() | st.floats(0, 100), failed=counts, more=counts)
def test_one_failure_more_never_heals_a_run(
    count: int | None, percentage: float | None, failed: int, more: int
) -> None:
    """What is exceeded stays exceeded, and is exceeded by the count and the percentage of the definition."""
    tolerance = Tolerance(count, percentage)
    total = failed + 1 + more

    now = tolerance.is_exceeded(failed=failed, total=total)

    assert not now or tolerance.is_exceeded(failed=failed + 1, total=total)
    by_count = count is not None and failed > count
    by_share = percentage is not None and failed * 100 > percentage * total
    neither = count is None and percentage is None and failed > 0
    assert now == (by_count or by_share or neither)
