"""RedriveExecution (service-api 3, distributed-map 11)."""

from __future__ import annotations

import re
from typing import Any

from mapfold.local.arns import Kind
from mapfold.local.service.context import Service
from mapfold.local.service.executions import find_execution
from mapfold.local.service.faults import Fault, not_redrivable
from mapfold.local.service.redrivable import redrive_standing
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds
from mapfold.local.store import ExecutionRow

_TOKEN = re.compile("[!-~]+")


async def redrive_execution(service: Service, request: Request) -> dict[str, Any]:
    """RedriveExecution: only of a top-level STANDARD execution that was not successful."""
    token = request.text("clientToken", least=1, most=64, needed=False) if request.has("clientToken") else ""
    if token and not _TOKEN.fullmatch(token):
        request.refuse(token, "clientToken", "Member must satisfy regular expression pattern: [!-~]+")
    arn = request.arn("executionArn", Kind.EXECUTION)
    async with service.starts:
        before = service.redrive_tokens.used(str(arn), token, service.clock()) if token else None
        if before is not None:
            return {"redriveDate": seconds(before)}
        row, map_run = await find_execution(service, arn)
        if map_run is not None:  # whether AWS answers so is unconfirmed: its guide only says to redrive the parent
            parent = map_run.execution_arn
            raise not_redrivable(str(arn), f"it is a child of a Map Run. Redrive the execution of that: '{parent}'")
        status, reason = await redrive_standing(service, row)
        if status != "REDRIVABLE":
            raise not_redrivable(str(arn), reason or status)
        redriven = await _redriven(service, row)
        date = redriven.redrive_date or service.clock()
        if token:
            service.redrive_tokens.use(str(arn), token, date)
    return {"redriveDate": seconds(date)}


async def _redriven(service: Service, row: ExecutionRow) -> ExecutionRow:
    machine = await service.store.machine_revision(row.machine_revision)
    if machine is None:
        raise Fault("InternalFailure", f"Revision {row.machine_revision} of {row.machine_arn} is not kept", status=500)
    return await service.engine.redrive_execution(row, machine)
