"""List, describe and update map runs (distributed-map 10)."""

from __future__ import annotations

from typing import Any

from mapfold.local.arns import Kind
from mapfold.local.service.context import Service
from mapfold.local.service.executions import find_execution, find_map_run
from mapfold.local.service.faults import Fault
from mapfold.local.service.pages import cut_page, read_token, with_token
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import map_run_answer, map_run_item
from mapfold.local.store import Page


async def list_map_runs(service: Service, request: Request) -> dict[str, Any]:
    """ListMapRuns of an execution, newest first."""
    size = request.page_size()
    token = request.text("nextToken", most=1024, needed=False)
    arn = request.arn("executionArn", Kind.EXECUTION)
    question = ["ListMapRuns", str(arn)]
    page = Page(size + 1, read_token(token, question))
    await find_execution(service, arn)
    rows, token = cut_page(await service.store.map_runs(str(arn), page), size, question, key=lambda row: row.id)
    return with_token({"mapRuns": [map_run_item(row) for row in rows]}, token)


async def describe_map_run(service: Service, request: Request) -> dict[str, Any]:
    """DescribeMapRun; while it runs the counters are those of this moment."""
    return map_run_answer(await find_map_run(service, request.arn("mapRunArn", Kind.MAP_RUN)))


async def update_map_run(service: Service, request: Request) -> dict[str, Any]:
    """UpdateMapRun: only while it runs."""
    max_concurrency = request.whole("maxConcurrency", least=0)
    percentage = request.number("toleratedFailurePercentage", least=0, most=100)
    count = request.whole("toleratedFailureCount", least=0)
    arn = request.arn("mapRunArn", Kind.MAP_RUN)
    if max_concurrency is None and percentage is None and count is None:
        raise Fault(
            "ValidationException",
            "At least one of maxConcurrency, toleratedFailurePercentage or toleratedFailureCount must be specified",
            reason="MISSING_REQUIRED_PARAMETER",
        )
    row = await find_map_run(service, arn)
    changed = service.engine.update_map_run(
        row.arn, max_concurrency=max_concurrency, tolerated_percentage=percentage, tolerated_count=count
    )
    if not changed:
        raise Fault("ValidationException", f"Map Run is not running: '{arn}'", reason="CANNOT_UPDATE_COMPLETED_MAP_RUN")
    return {}
