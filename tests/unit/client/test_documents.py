"""What `--json` prints and the HTTP API answers."""

from __future__ import annotations

from mapfold.client.documents import moment


def test_moments_are_rounded_to_milliseconds() -> None:
    """Over the second, too."""
    assert moment(0.9999) == "1970-01-01T00:00:01.000Z"
