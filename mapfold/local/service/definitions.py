"""Which definition an execution runs."""

from __future__ import annotations

from typing import Any

from mapfold.local.arns import Kind
from mapfold.local.service.context import Service
from mapfold.local.service.executions import find_execution
from mapfold.local.service.faults import machine_missing
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds
from mapfold.local.service.state_machines import described


async def describe_state_machine_for_execution(service: Service, request: Request) -> dict[str, Any]:
    """DescribeStateMachineForExecution: the definition that the execution runs, whatever was updated since."""
    arn = request.arn("executionArn", Kind.EXECUTION)
    included = request.choice("includedData", ("ALL_DATA", "METADATA_ONLY"), "ALL_DATA")
    request.done()
    execution, map_run = await find_execution(service, arn)
    row = await service.store.machine_revision(execution.machine_revision)
    if row is None:
        raise machine_missing(arn.machine_arn)
    answer = {"stateMachineArn": row.arn, **described(row), "updateDate": seconds(row.updated)}
    for unknown_here in ("type", "status"):
        del answer[unknown_here]
    if map_run is not None:
        answer.update(
            stateMachineArn=arn.labelled_machine_arn,
            definition=map_run.definition,
            mapRunArn=map_run.arn,
            label=map_run.label,
        )
    if included == "METADATA_ONLY":
        answer["definition"] = "{}"
    return answer
