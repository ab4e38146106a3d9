"""The wire protocol of Step Functions: `POST /`, the action in X-Amz-Target, JSON in and out (service-api 1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from mapfold.local.service.activities import (
    create_activity,
    delete_activity,
    describe_activity,
    get_activity_task,
    list_activities,
)
from mapfold.local.service.aliases import (
    create_state_machine_alias,
    delete_state_machine_alias,
    describe_state_machine_alias,
    list_state_machine_aliases,
    update_state_machine_alias,
)
from mapfold.local.service.constraints import check_request, checks
from mapfold.local.service.context import Service
from mapfold.local.service.definitions import describe_state_machine_for_execution
from mapfold.local.service.executions import describe_execution, list_executions, stop_execution
from mapfold.local.service.faults import Fault
from mapfold.local.service.history import get_execution_history
from mapfold.local.service.map_runs import describe_map_run, list_map_runs, update_map_run
from mapfold.local.service.redrive import redrive_execution
from mapfold.local.service.request import Request
from mapfold.local.service.starting import start_execution, start_sync_execution
from mapfold.local.service.state_machines import (
    create_state_machine,
    delete_state_machine,
    describe_state_machine,
    list_state_machines,
    update_state_machine,
)
from mapfold.local.service.tags import list_tags_for_resource, tag_resource, untag_resource
from mapfold.local.service.tasks import send_task_failure, send_task_heartbeat, send_task_success
from mapfold.local.service.test_state import test_state
from mapfold.local.service.validation import validate_state_machine_definition
from mapfold.local.service.versions import (
    delete_state_machine_version,
    list_state_machine_versions,
    publish_state_machine_version,
)
from mapfold.local.store import StoreError

log = logging.getLogger(__name__)

Action = Callable[[Service, Request], Awaitable[Mapping[str, Any]]]

ACTIONS: Mapping[str, Action] = {
    "CreateActivity": create_activity,
    "CreateStateMachine": create_state_machine,
    "CreateStateMachineAlias": create_state_machine_alias,
    "DeleteActivity": delete_activity,
    "DeleteStateMachine": delete_state_machine,
    "DeleteStateMachineAlias": delete_state_machine_alias,
    "DeleteStateMachineVersion": delete_state_machine_version,
    "DescribeActivity": describe_activity,
    "DescribeExecution": describe_execution,
    "DescribeMapRun": describe_map_run,
    "DescribeStateMachine": describe_state_machine,
    "DescribeStateMachineAlias": describe_state_machine_alias,
    "DescribeStateMachineForExecution": describe_state_machine_for_execution,
    "GetActivityTask": get_activity_task,
    "GetExecutionHistory": get_execution_history,
    "ListActivities": list_activities,
    "ListExecutions": list_executions,
    "ListMapRuns": list_map_runs,
    "ListStateMachineAliases": list_state_machine_aliases,
    "ListStateMachineVersions": list_state_machine_versions,
    "ListStateMachines": list_state_machines,
    "ListTagsForResource": list_tags_for_resource,
    "PublishStateMachineVersion": publish_state_machine_version,
    "RedriveExecution": redrive_execution,
    "SendTaskFailure": send_task_failure,
    "SendTaskHeartbeat": send_task_heartbeat,
    "SendTaskSuccess": send_task_success,
    "StartExecution": start_execution,
    "StartSyncExecution": start_sync_execution,
    "StopExecution": stop_execution,
    "TagResource": tag_resource,
    "TestState": test_state,
    "UntagResource": untag_resource,
    "UpdateMapRun": update_map_run,
    "UpdateStateMachine": update_state_machine,
    "UpdateStateMachineAlias": update_state_machine_alias,
    "ValidateStateMachineDefinition": validate_state_machine_definition,
}

LONG_POLLS = frozenset({"GetActivityTask"})
"""Actions that wait for something to give, which nobody may get who has gone away."""

TARGET = "AWSStepFunctions."
PROTOCOL = "application/x-amz-json-1.0"
CONTENT_TYPES = frozenset({PROTOCOL, "application/x-amz-json-1.1", "application/json"})
"""What a request may say that it is. One that says nothing is taken for the first."""
BODY_BYTES = 4_000_000
"""More than any request of Step Functions may have (a definition of 1 MiB, each character escaped as \\u…)."""


def routes(service: Service) -> list[Route]:
    """The one route of the protocol."""
    checks()  # compiled now, not while the first caller waits

    async def endpoint(http: HttpRequest) -> Response:
        request_id = str(uuid4())
        try:
            answer = await _answer(service, http)
        except Fault as fault:
            return _fault(fault, request_id)
        except Exception as error:
            # A bug: this request fails, others go on. Or a failed store, which its owner hears of.
            if not isinstance(error, StoreError):
                log.exception("action failed", extra={"target": http.headers.get("x-amz-target")})
            return _fault(Fault("InternalFailure", f"{type(error).__name__}: {error}", status=500), request_id)
        return _response(answer, request_id)

    return [Route("/", endpoint, methods=["POST"], name="stepfunctions")]


async def _answer(service: Service, http: HttpRequest) -> Mapping[str, Any]:
    target = http.headers.get("x-amz-target", "")
    name = target.removeprefix(TARGET) if target.startswith(TARGET) else ""
    action = ACTIONS.get(name)
    if action is None:
        raise Fault("UnknownOperationException", f"Mapfold's Step Functions does not know the action '{target}'")
    content_type = http.headers.get("content-type", PROTOCOL).partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        raise Fault("UnknownOperationException", f"Mapfold's Step Functions does not read '{content_type}'", status=404)
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise Fault("RequestEntityTooLargeException", f"A request has at most {BODY_BYTES} bytes", status=413)
    try:
        members = orjson.loads(body or b"{}")
    except ValueError as error:
        raise Fault("SerializationException", f"The request is not JSON: {error}") from error
    if not isinstance(members, dict):
        raise Fault("SerializationException", "The request must be a JSON object")
    check_request(name, members)
    answer = action(service, Request(members))
    return await (_while_there(http, answer) if name in LONG_POLLS else answer)


async def _while_there(http: HttpRequest, answer: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The answer, unless who asked for it goes away first: then it is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(_outcome(answer))
        leaving = tasks.create_task(_disconnected(http))
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        leaving.cancel()
    if asking.cancelled():
        return {}
    outcome = asking.result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(answer: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any] | Exception:
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - to be raised outside of the group
        return error


async def _disconnected(http: HttpRequest) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _fault(fault: Fault, request_id: str) -> Response:
    response = _response(
        {"__type": fault.code, "message": fault.message, **fault.members}, request_id, status=fault.status
    )
    response.headers["x-amzn-ErrorType"] = fault.code
    return response


def _response(answer: Mapping[str, Any], request_id: str, *, status: int = 200) -> Response:
    return Response(
        orjson.dumps(answer),
        status_code=status,
        media_type=PROTOCOL,
        headers={"x-amzn-RequestId": request_id},
    )
