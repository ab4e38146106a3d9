"""Holds 160 MB before there is a handler."""

import time
from typing import Any

kept = b"x" * (160 << 20)
time.sleep(20)


def handler(event: Any, context: Any) -> Any:
    return len(kept)
