"""Times as the Lambda API writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> str:
    """The present time, such as 2026-03-01T12:30:15.123+0000."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
