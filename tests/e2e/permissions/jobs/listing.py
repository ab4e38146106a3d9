"""A job for tests whose items are a listing: adds up sizes. STANDARD children, which can be stopped and redriven."""

from __future__ import annotations

import time
from typing import Any

from mapfold import Context, Job, Objects

job = Job("listing", source=Objects(), batch_items=1, children="standard", reads=("s3://elsewhere/in/",))


@job.map
def size(item: dict[str, Any], context: Context) -> int:
    """The size of one object, but of one named `bad`. It waits while the object that the param `gate` names says `shut`."""
    if item["key"].endswith("bad"):
        raise ValueError("it is bad")
    gate = context.params.get("gate")
    while gate and context.storage.text(gate) == "shut":
        time.sleep(0.1)  # for the test, which has no other way in
    return int(item["size"])


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return one + other
