"""StartExecution and StartSyncExecution (service-api 3)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any
from uuid import uuid4

from mapfold.local.arns import Kind, execution_arn, is_valid_name
from mapfold.local.service.context import Service
from mapfold.local.service.execution_input import check_input
from mapfold.local.service.executions import known_execution
from mapfold.local.service.faults import Fault, invalid_name, labelled_arn_refused, type_not_supported
from mapfold.local.service.qualified import find_startable
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds, sync_execution_answer, without_payloads
from mapfold.local.store import ExecutionRow, MachineRow

Answer = dict[str, Any]

BILLED_MEGABYTES = 64
"""The unit in which the memory of an EXPRESS execution is billed; recorded of a small run."""
BILLED_MILLISECONDS = 100
"""The unit in which its duration is billed."""


@dataclass(frozen=True, slots=True)
class _Start:
    """What both actions ask for. `name` None: a uuid."""

    machine: MachineRow
    name: str | None
    input_text: str
    trace_header: str | None


async def start_execution(service: Service, request: Request) -> Answer:
    """StartExecution. STANDARD: the same name and input while it still runs gives the same execution again."""
    start = await _read(service, request)
    if start.name is None or start.machine.type == "EXPRESS":
        return _started(await _begin(service, start))
    async with service.starts:
        known = await known_execution(service, execution_arn(start.machine.name, start.name, region=service.region))
        if known is None:
            return _started(await _begin(service, start))
    if known.status != "RUNNING" or known.input != start.input_text:
        raise Fault("ExecutionAlreadyExists", f"Execution Already Exists: '{known.arn}'")
    return _started(known)


async def start_sync_execution(service: Service, request: Request) -> Answer:
    """StartSyncExecution: runs an EXPRESS machine and answers with its end, a failure too.

    A client that goes away does not end the execution.
    """
    included = request.choice("includedData", ("ALL_DATA", "METADATA_ONLY"), "ALL_DATA")
    start = await _read(service, request)
    if start.machine.type != "EXPRESS":
        raise type_not_supported()
    row = await service.engine.run_execution(
        start.machine,
        name=start.name or str(uuid4()),
        input_text=start.input_text,
        trace_header=start.trace_header,
    )
    if row.stop is None:
        raise Fault("ServiceUnavailable", "The embedded AWS ends, and the execution with it", status=503)
    answer = sync_execution_answer(row)
    answer["billingDetails"] = {
        "billedMemoryUsedInMB": BILLED_MEGABYTES,
        "billedDurationInMilliseconds": _billed(row.stop - row.start),
    }
    return without_payloads(answer) if included == "METADATA_ONLY" else answer


async def _read(service: Service, request: Request) -> _Start:
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    name = request.optional_text("name")
    trace_header = request.optional_text("traceHeader", most=256)
    input_text = request.text("input") if request.has("input") else "{}"
    request.done()
    if name is not None and not is_valid_name(name):
        raise invalid_name(name)
    if arn.label is not None:
        raise labelled_arn_refused(str(arn))
    check_input(input_text)
    return _Start(await find_startable(service, arn), name, input_text, trace_header)


async def _begin(service: Service, start: _Start) -> ExecutionRow:
    return await service.engine.start_execution(
        start.machine,
        name=start.name or str(uuid4()),
        input_text=start.input_text,
        trace_header=start.trace_header,
    )


def _started(row: ExecutionRow) -> Answer:
    return {"executionArn": row.arn, "startDate": seconds(row.start)}


def _billed(duration_seconds: float) -> int:
    """A duration in milliseconds, up to the next whole unit."""
    return max(1, ceil(duration_seconds * 1_000 / BILLED_MILLISECONDS)) * BILLED_MILLISECONDS
