"""Lambda as a Task: by function ARN (the result is the function's) and `lambda:invoke` (the result is the response).

How failures of a function surface follows service-api.md 6: the handler's exception class is the error, the whole error
payload as a JSON string its cause.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from mapfold.local.lambda_ import Invocation, LambdaError, LambdaService
from mapfold.states.effects import Json, RunTask, TaskFailed, TaskSucceeded


async def call_function(
    service: LambdaService, effect: RunTask, started: Callable[[], None]
) -> TaskSucceeded | TaskFailed:
    """A Task whose Resource is a function ARN: the arguments are the event, the result what the handler returned."""
    try:
        answer = await service.submit(effect.resource.arn, orjson.dumps(effect.arguments), None, started)
    except LambdaError as error:
        return _refused(error, service, started)
    if answer.function_error is not None:
        return _function_failure(answer.payload)
    return _parse(answer.payload)


async def invoke_function(
    service: LambdaService, effect: RunTask, started: Callable[[], None]
) -> TaskSucceeded | TaskFailed:
    """`arn:aws:states:::lambda:invoke`: Arguments FunctionName, Payload, Qualifier; the result has the metadata."""
    arguments = effect.arguments if isinstance(effect.arguments, dict) else {}
    function = arguments.get("FunctionName")
    if not isinstance(function, str):
        return TaskFailed("States.Runtime", "The field 'FunctionName' is required but was missing", catchable=False)
    payload = orjson.dumps(arguments.get("Payload", {}))
    try:
        answer = await service.submit(function, payload, arguments.get("Qualifier"), started)
    except LambdaError as error:
        return _refused(error, service, started)
    if answer.function_error is not None:
        return _function_failure(answer.payload)
    parsed = _parse(answer.payload)
    if isinstance(parsed, TaskFailed):
        return parsed
    return TaskSucceeded(_response(answer, parsed.output))


def _refused(error: LambdaError, service: LambdaService, started: Callable[[], None]) -> TaskFailed:
    started()  # AWS logs the start of a call that Lambda then refuses
    cause = (
        f"{error.message} (Service: AWSLambda; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {service.new_request_id()}; Proxy: null)"
    )
    return TaskFailed(f"Lambda.{error.code}", cause)


def _function_failure(payload: bytes) -> TaskFailed:
    text = payload.decode(errors="replace")
    try:
        error = orjson.loads(payload)
    except orjson.JSONDecodeError:
        error = None
    if isinstance(error, dict) and isinstance(error.get("errorType"), str):
        return TaskFailed(error["errorType"], text)
    return TaskFailed(
        "Lambda.Unknown",
        f"The cause could not be determined because Lambda did not return an error type. Returned payload: {text}",
    )


def _parse(payload: bytes) -> TaskSucceeded | TaskFailed:
    try:
        return TaskSucceeded(orjson.loads(payload) if payload else None)
    except orjson.JSONDecodeError as error:
        return TaskFailed(
            "States.Runtime", f"The function returned a payload that is not JSON: {error}", catchable=False
        )


def _response(answer: Invocation, payload: Json) -> Json:
    length = str(len(answer.payload))
    headers = {
        "Connection": "keep-alive",
        "Content-Length": length,
        "Content-Type": "application/json",
        "X-Amz-Executed-Version": answer.executed_version,
        "x-amzn-Remapped-Content-Length": "0",
        "x-amzn-RequestId": answer.request_id,
    }
    return {
        "ExecutedVersion": answer.executed_version,
        "Payload": payload,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": answer.request_id},
        "StatusCode": 200,
    }
