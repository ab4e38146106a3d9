"""Describe, stop and list executions, top-level ones and map runs' children (service-api 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mapfold.local.arns import Arn, Kind, parse_arn
from mapfold.local.service.children import list_children
from mapfold.local.service.context import Service
from mapfold.local.service.faults import (
    Fault,
    execution_missing,
    resource_missing,
    type_not_supported,
)
from mapfold.local.service.pages import cut_page, read_token, with_token
from mapfold.local.service.qualified import find_owner
from mapfold.local.service.redrivable import redrive_of, redrive_standing
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import (
    child_execution,
    execution_answer,
    execution_item,
    seconds,
    without_payloads,
)
from mapfold.local.store import ExecutionRow, MapRunRow, Page
from mapfold.local.store.schema import CHILD_BITS

Answer = dict[str, Any]

STATUSES = ("SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING")  # in AWS's order


async def describe_execution(service: Service, request: Request) -> Answer:
    """DescribeExecution. EXPRESS executions only when a map run started them: ARNs of others are refused."""
    arn = request.arn("executionArn", Kind.EXECUTION)
    included = request.choice("includedData", ("ALL_DATA", "METADATA_ONLY"), "ALL_DATA")
    request.done()
    row, _ = await find_execution(service, arn)
    answer = execution_answer(row, *await redrive_standing(service, row))
    return without_payloads(answer) if included == "METADATA_ONLY" else answer


async def stop_execution(service: Service, request: Request) -> Answer:
    """StopExecution. One that has already ended keeps its status; the answer is when it stopped. Not for EXPRESS."""
    arn = request.arn("executionArn", Kind.EXECUTION)
    error = request.optional_text("error", most=256)
    cause = request.optional_text("cause", most=32_768)
    request.done()
    if arn.is_child and (await find_child(service, arn))[0].child_type == "EXPRESS":
        raise type_not_supported()
    stopped = await service.engine.stop_execution(str(arn), error=error, cause=cause)
    if stopped is None:
        row, _ = await find_execution(service, arn)
        stopped = service.clock() if row.stop is None else row.stop
    return {"stopDate": seconds(stopped)}


async def list_executions(service: Service, request: Request) -> Answer:
    """ListExecutions of a state machine or of a map run, newest first."""
    status = request.choice("statusFilter", STATUSES, "") or None
    size = request.page_size()
    token = request.text("nextToken", most=3096, needed=False)
    by_machine, by_map_run = request.has("stateMachineArn"), request.has("mapRunArn")
    redrive_filter = request.choice("redriveFilter", ("REDRIVEN", "NOT_REDRIVEN"), "") or None
    request.done()
    if by_machine == by_map_run:
        raise Fault("ValidationException", "Exactly one of stateMachineArn or mapRunArn must be provided")
    if by_machine and (redrive_filter or status == "PENDING_REDRIVE"):
        raise Fault("ValidationException", "redriveFilter and PENDING_REDRIVE are allowed with mapRunArn only")
    arn = request.arn("mapRunArn", Kind.MAP_RUN) if by_map_run else request.arn("stateMachineArn", Kind.STATE_MACHINE)
    question = ["ListExecutions", str(arn), status, redrive_filter]
    page = Page(size + 1, read_token(token, question))
    if by_map_run:
        map_run = await find_map_run(service, arn)
        redriven = None if redrive_filter is None else redrive_filter == "REDRIVEN"
        children = await list_children(service, map_run, page, status=status, redriven=redriven)
        shown, token = cut_page(children, size, question, key=lambda child: child.index)
        redrive = redrive_of(service, map_run)
        rows = [child_execution(map_run, child, service.children, redrive) for child in shown]
    else:
        machine = find_owner(service, arn)
        if machine.type == "EXPRESS":
            raise type_not_supported()
        found = await service.store.executions(str(replace(arn, label=None)), page, status=status)
        rows, token = cut_page(found, size, question, key=lambda row: row.id)
    return with_token({"executions": [execution_item(row) for row in rows]}, token)


# --- finding ----------------------------------------------------------------------------------------------


async def find_execution(service: Service, arn: Arn) -> tuple[ExecutionRow, MapRunRow | None]:
    """An execution, running or ended, and the map run that it is a child of. ExecutionDoesNotExist."""
    if not arn.is_child:
        row = await known_execution(service, str(arn))
        if row is None:
            raise execution_missing(str(arn))
        return row, None
    map_run, index = await find_child(service, arn)
    live = service.engine.live_execution(str(arn))
    if live is not None:
        row = live.row
    else:
        child = await service.store.child(map_run.id, index)
        if child is None:
            raise execution_missing(str(arn))
        row = child_execution(map_run, child, service.children, redrive_of(service, map_run))
        row = replace(row, arn=str(arn))
    if not row.machine_revision:
        row = replace(row, machine_revision=await _revision_of(service, map_run))
    return row, map_run


async def find_child(service: Service, arn: Arn) -> tuple[MapRunRow, int]:
    """The map run and the index that a child's ARN stands for. ExecutionDoesNotExist."""
    uuid = arn.name or ""
    row = await service.store.map_run_of_child(service.children.head_of(uuid))
    if row is None or (row.machine_arn, row.label) != (arn.machine_arn, arn.label):
        raise execution_missing(str(arn))
    try:
        index = service.children.child_index(row.arn.rpartition(":")[2], uuid)
    except ValueError:
        raise execution_missing(str(arn)) from None
    if index >= 1 << CHILD_BITS:
        raise execution_missing(str(arn))
    return service.engine.live_map_run(row.arn) or row, index


async def find_map_run(service: Service, arn: Arn) -> MapRunRow:
    """A map run as it is now. ResourceNotFound."""
    row = service.engine.live_map_run(str(arn)) or await service.store.map_run(str(arn))
    if row is None:
        raise resource_missing(str(arn))
    return row


async def known_execution(service: Service, arn: str) -> ExecutionRow | None:
    """A top-level execution, running or ended, or None."""
    live = service.engine.live_execution(arn)
    return live.row if live is not None else await service.store.execution(arn)


async def _revision_of(service: Service, map_run: MapRunRow) -> int:
    """The revision that the map run's execution runs; the parent may itself be a child."""
    parent, _ = await find_execution(service, parse_arn(map_run.execution_arn))
    return parent.machine_revision
