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
    answer = await _invoke(service, effect.resource.arn, effect.arguments, None, started)
    if isinstance(answer, TaskFailed):
        return answer
    return _parse(answer.payload)


async def invoke_function(
    service: LambdaService, effect: RunTask, started: Callable[[], None]
) -> TaskSucceeded | TaskFailed:
    """`arn:aws:states:::lambda:invoke`: Arguments FunctionName, Payload, Qualifier; the result has the metadata."""
    arguments = effect.arguments if isinstance(effect.arguments, dict) else {}
    function = arguments.get("FunctionName")
    if not isinstance(function, str):
        return TaskFailed("States.Runtime", "The field 'FunctionName' is required but was missing", catchable=False)
    answer = await _invoke(service, function, arguments.get("Payload", {}), arguments.get("Qualifier"), started)
    if isinstance(answer, TaskFailed):
        return answer
    parsed = _parse(answer.payload)
    if isinstance(parsed, TaskFailed):
        return parsed
    return TaskSucceeded(_response(answer, parsed.output))


async def _invoke(
    service: LambdaService, function: str, event: Json, qualifier: str | None, started: Callable[[], None]
) -> Invocation | TaskFailed:
    try:
        answer = await service.invoke(
            function, orjson.dumps(event), qualifier=qualifier, on_started=started, is_json=True
        )
    except LambdaError as error:
        started()  # AWS logs the start of a call that Lambda then refuses
        cause = (
            f"{error.message} (Service: AWSLambda; Status Code: {error.status}; Error Code: {error.code}; "
            f"Request ID: {service.new_request_id()}; Proxy: null)"
        )
        return TaskFailed(f"Lambda.{error.code}", cause)
    return answer if answer.function_error is None else _function_failure(answer.payload)


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
