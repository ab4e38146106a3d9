"""Answers to task tokens: SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat (service-api 3).

An answer counts once it is committed, and only then is its sender told: it survives a crash right after.
"""

from __future__ import annotations

from typing import Any

import orjson

from mapfold.local.arns import ArnError, parse_arn
from mapfold.local.json_faults import name_fault
from mapfold.local.service.context import Service
from mapfold.local.service.executions import find_execution
from mapfold.local.service.faults import Fault
from mapfold.local.service.request import PAYLOAD_BYTES, Request
from mapfold.local.store import KeptAnswer
from mapfold.states.task_token import execution_of

TOKEN_LENGTH = 2_048
ERROR_LENGTH = 256
CAUSE_LENGTH = 32_768


async def send_task_success(service: Service, request: Request) -> dict[str, Any]:
    """SendTaskSuccess. The output is kept as the text that was sent."""
    token = request.text("taskToken", least=1, most=TOKEN_LENGTH)
    output = request.text("output")
    request.done()
    _check_size(output)
    execution = _execution_of(token)
    try:
        orjson.loads(output)
    except ValueError as error:
        raise Fault("InvalidOutput", f"Invalid Output: '{name_fault(output)}'") from error
    return await _answer(service, token, execution, KeptAnswer(output=output))


async def send_task_failure(service: Service, request: Request) -> dict[str, Any]:
    """SendTaskFailure. Without error or cause the events have none."""
    token = request.text("taskToken", least=1, most=TOKEN_LENGTH)
    error = request.optional_text("error", most=ERROR_LENGTH)
    cause = request.optional_text("cause", most=CAUSE_LENGTH)
    request.done()
    return await _answer(service, token, _execution_of(token), KeptAnswer(error=error, cause=cause))


async def send_task_heartbeat(service: Service, request: Request) -> dict[str, Any]:
    """SendTaskHeartbeat: leaves no event in the history."""
    token = request.text("taskToken", least=1, most=TOKEN_LENGTH)
    request.done()
    execution = _execution_of(token)
    if not service.engine.tokens.beat(token):
        raise await _closed(service, execution)
    return {}


async def _answer(service: Service, token: str, execution: str, answer: KeptAnswer) -> dict[str, Any]:
    if not service.engine.tokens.answer(token, answer):
        raise await _closed(service, execution)
    await service.store.flush()
    return {}


def _execution_of(token: str) -> str:
    try:
        return execution_of(token)
    except ValueError as error:
        raise Fault("InvalidToken", "Invalid Token: 'Invalid token'") from error


async def _closed(service: Service, execution: str) -> Fault:
    """Nobody waits for this token: it was answered or has timed out, or its execution is not one of ours."""
    try:
        await find_execution(service, parse_arn(execution))
    except (Fault, ArnError):
        return Fault("TaskDoesNotExist", "Task Does Not Exist: 'Provided task does not exist'")
    return Fault("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def _check_size(output: str) -> None:
    """The model's limit is one of bytes (API Reference: SendTaskSuccess). The value is sensitive, and not shown."""
    if len(output) > PAYLOAD_BYTES or len(output.encode()) > PAYLOAD_BYTES:
        raise Fault(
            "ValidationException",
            "1 validation error detected: Value at 'output' failed to satisfy constraint: "
            f"Member must have length less than or equal to {PAYLOAD_BYTES}",
        )
