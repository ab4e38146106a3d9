"""Whether an execution can be redriven, and why not: DescribeExecution's redriveStatus (service-api 3)."""

from __future__ import annotations

from mapfold.local.arns import parse_arn
from mapfold.local.service.context import Service
from mapfold.local.store import ExecutionRow, MapRunRow, Redrive

DAY_SECONDS = 86_400.0
REDRIVABLE_SECONDS = 14 * DAY_SECONDS
"""How long after its end an execution can be redriven."""
OPEN_SECONDS = 365 * DAY_SECONDS
"""How long after its start an execution can run at all."""
MOST_EVENTS = 24_998
"""With more, ExecutionRedriven and one other event would not fit into the 25,000."""

Standing = tuple[str, str | None]
"""(redriveStatus, redriveStatusReason)."""


async def redrive_standing(service: Service, row: ExecutionRow) -> Standing:
    """REDRIVABLE (of a STANDARD child: by its map run), REDRIVABLE_BY_MAP_RUN (an EXPRESS child), or NOT_REDRIVABLE.

    A child is judged by itself: whether its map run's execution can be redriven is that one's standing. An EXPRESS
    child is started anew, so that its events do not matter. Here it may also have been aborted (see docs/embedded-aws.md).
    """
    if row.status not in ("FAILED", "TIMED_OUT", "ABORTED"):
        return "NOT_REDRIVABLE", f"Execution is {row.status} and cannot be redriven"
    if row.map_run_arn is not None and row.type == "EXPRESS":
        return "REDRIVABLE_BY_MAP_RUN", None
    reason = await _reason(service, row)
    return ("NOT_REDRIVABLE", reason) if reason else ("REDRIVABLE", None)


def redrive_of(service: Service, map_run: MapRunRow) -> Redrive | None:
    """What the redrive that a map run (as it is now) is in runs again; None if it is in none.

    The map run also leaves STANDARD children whose histories are full. That is not seen here, where no histories are
    read: while the redrive goes on they are shown as waiting for it.
    """
    if map_run.status != "RUNNING" or not map_run.redrive_count:
        return None
    if map_run.child_type == "EXPRESS":
        return Redrive(map_run.redrive_count, 0.0, 0.0)
    began = map_run.redrive_date or service.clock()
    return Redrive(map_run.redrive_count, began - REDRIVABLE_SECONDS, began - OPEN_SECONDS)


async def _reason(service: Service, row: ExecutionRow) -> str | None:
    """Why an unsuccessful execution cannot be redriven, in AWS's words."""
    now = service.clock()
    if await _is_machine_gone(service, row):
        return "State machine is in DELETING status"
    if await _count_events(service, row) > MOST_EVENTS:
        return "Execution history event limit exceeded"
    if now - row.start > OPEN_SECONDS:
        return "Execution has exceeded the max execution time"
    if row.stop is not None and now - row.stop > REDRIVABLE_SECONDS:
        return "Execution redrivable period exceeded"
    return None


async def _is_machine_gone(service: Service, row: ExecutionRow) -> bool:
    """Whether the machine was deleted. Another may have its name since: that one was created at another time."""
    current = service.store.machine(parse_arn(row.arn).machine_arn)
    if current is None:
        return True
    ran = await service.store.machine_revision(row.machine_revision)
    return ran is None or ran.created != current.created


async def _count_events(service: Service, row: ExecutionRow) -> int:
    if row.map_run_arn is None:
        return await service.store.last_event_id(row.id)
    map_run = await service.store.map_run(row.map_run_arn)
    if map_run is None:
        return 0
    index = service.children.child_index(map_run.arn.rpartition(":")[2], row.name)
    return len(await service.store.child_events(map_run.id, index))
