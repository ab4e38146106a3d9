"""A job for tests whose items write, and of which some kill their worker: by exiting, once, or by holding too much memory."""

from __future__ import annotations

import os

from mapfold import Context, Job, JsonLines

job = Job(
    "fragile",
    source=JsonLines(),
    tables={"fragile": ("id",)},
    batch_items=4,
    memory_mb=192,
    tolerated_failure_count=1,
    writes=("fragile/",),
)


@job.map
def keep(item: dict[str, object], context: Context) -> list[int]:
    """Write an item and an object; `exit` says where, on its way, the worker dies the first time."""
    number, exit_at = int(str(item["n"])), item.get("exit")
    if exit_at == "before":
        die_once(context)
    context.table("fragile").write([{"id": context.item_id.rpartition("#")[2], "n": number}])
    if exit_at == "between":
        die_once(context)
    context.storage.put(f"fragile/{context.params['copies']}/{number}", f"{number}")
    if exit_at == "behind":
        die_once(context)
    if item.get("hoard"):
        held = b"x" * (400 << 20)
        while held:  # until the embedded Lambda sees it
            pass
    return [number]


@job.fold
def merge(one: list[int], other: list[int]) -> list[int]:
    return sorted([*one, *other])


def die_once(context: Context) -> None:
    """End the process, unless it did for this item already."""
    mark = f"fragile-marks/{context.run_id}/{context.item_id.rpartition('#')[2]}"
    try:
        context.storage.get(mark)
    except FileNotFoundError:
        context.storage.put(mark, "died")
        os._exit(3)
