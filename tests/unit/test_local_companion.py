"""A command beside the server (rules: `mapfold/local/companion.py`)."""

from __future__ import annotations

import sys

import pytest

from mapfold.local.companion import accompany


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(2)", "ended with exit code 2"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
        ("pass", ""),
    ],
)
async def test_an_end_that_is_no_success_is_in_the_log(code: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Else nobody would learn why nothing was deployed."""
    succeeded = await accompany([sys.executable, "-c", code], {})

    assert succeeded is (not said)
    assert [said in record.getMessage() for record in caplog.records] == [True] * bool(said)
