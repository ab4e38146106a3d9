"""Lambda as a Task: by function ARN (the result is the function's) and `lambda:invoke` (the result is the response).

How failures of a function surface follows service-api.md 6: the handler's exception class is the error, the whole error
payload as a JSON string its cause.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import lru_cache

import orjson

from mapfold.local.engine.integrations.patterns import wait_for_token
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.requests import could_not_start, invalid_format, not_supported, required
from mapfold.local.engine.tokens import TaskTokens
from mapfold.local.lambda_ import Invocation, LambdaError, LambdaService
from mapfold.local.map_run.encoding import encode
from mapfold.states.effects import Json, RunTask, TaskFailed, TaskSucceeded
from mapfold.states.java_hash import names_in_map_order

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "ClientContext": (),
    "FunctionName": (),
    "InvocationType": ("RequestResponse", "Event", "DryRun"),
    "LogType": ("None", "Tail"),
    "Qualifier": (),
}
"""The parameters of `lambda:invoke` that are text, and what they may say (nothing: anything)."""

_PLAIN = frozenset(("FunctionName", "Payload", "Qualifier"))


async def call_function(
    service: LambdaService, effect: RunTask, started: Callable[[], None]
) -> TaskSucceeded | TaskFailed:
    """A Task whose Resource is a function ARN: the arguments are the event, the result what the handler returned."""
    try:
        answer = await service.submit(effect.resource.arn, encode(effect.arguments), None, started)
    except LambdaError as error:
        return _refused(error, service, started)
    if answer.function_error is not None:
        return _function_failure(answer.payload)
    return _parse(answer.payload)


async def invoke_function(
    service: LambdaService, effect: RunTask, started: Callable[[], None]
) -> TaskSucceeded | TaskFailed:
    """`arn:aws:states:::lambda:invoke`: the result is Lambda's response, with the metadata. `refuse_invoke` has passed."""
    arguments = effect.arguments
    if (len(arguments) != 2 or "Payload" not in arguments) and not arguments.keys() <= _PLAIN:
        return await _invoke_specially(service, arguments, started)
    payload = encode(arguments.get("Payload", {}))
    try:
        answer = await service.submit(arguments["FunctionName"], payload, arguments.get("Qualifier"), started)
    except LambdaError as error:
        return _refused(error, service, started)
    return _result(answer)


async def invoke_function_and_wait(
    service: LambdaService, tokens: TaskTokens, effect: RunTask, progress: Progress
) -> TaskSucceeded | TaskFailed:
    """`lambda:invoke.waitForTaskToken`: the function is called, and what SendTaskSuccess brings is the result."""

    async def submit() -> Json | TaskFailed:
        answer = await invoke_function(service, effect, progress)
        return answer if isinstance(answer, TaskFailed) else answer.output

    return await wait_for_token(tokens, effect, progress, submit)


def refuse_invoke(arguments: Json) -> str | None:
    """Why a function cannot be invoked with these parameters; None if it can."""
    if not isinstance(arguments, dict):
        return could_not_start(arguments, ["The Parameters must be a JSON object"])
    problems = [not_supported(name) for name in arguments if name != "Payload" and name not in _CHOICES]
    if arguments.get("FunctionName") is None:
        problems.append(required("FunctionName"))
    for name, choices in _CHOICES.items():
        value = arguments.get(name)
        if value is not None and not (isinstance(value, str) and (not choices or value in choices)):
            problems.append(invalid_format(name))
    return could_not_start(arguments, problems) if problems else None


async def _invoke_specially(
    service: LambdaService, arguments: dict[str, Json], started: Callable[[], None]
) -> TaskSucceeded | TaskFailed:
    """With an InvocationType, a ClientContext or a LogType."""
    function, qualifier = arguments["FunctionName"], arguments.get("Qualifier")
    payload = encode(arguments.get("Payload", {}))
    context = _client_context(arguments.get("ClientContext"))
    try:
        match arguments.get("InvocationType", "RequestResponse"):
            case "Event":
                request_id = service.invoke_event(function, payload, qualifier=qualifier, client_context=context)
                started()
                return TaskSucceeded(_response(request_id, 202))
            case "DryRun":
                service.function(function, qualifier)
                started()
                return TaskSucceeded(_response(service.new_request_id(), 204))
            case _:
                answer = await service.invoke(
                    function,
                    payload,
                    qualifier=qualifier,
                    on_started=started,
                    want_log=arguments.get("LogType") == "Tail",
                    client_context=context,
                    is_json=True,
                )
    except LambdaError as error:
        return _refused(error, service, started)
    return _result(answer)


def _client_context(encoded: Json) -> bytes | None:
    """The JSON of a ClientContext, which is base64 on its way. What is none is left out, as Lambda's runtime does."""
    if not isinstance(encoded, str):
        return None
    try:
        return orjson.dumps(orjson.loads(base64.b64decode(encoded)))
    except ValueError:
        return None


def _result(answer: Invocation) -> TaskSucceeded | TaskFailed:
    if answer.function_error is not None:
        return _function_failure(answer.payload)
    parsed = _parse(answer.payload)
    if isinstance(parsed, TaskFailed):
        return parsed
    response = _full_response(answer, parsed.output)
    if answer.log_tail:
        response["LogResult"] = base64.b64encode(answer.log_tail).decode()
        response = dict(sorted(response.items()))
    return TaskSucceeded(response)


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


def _response(request_id: str, status: int) -> dict[str, Json]:
    """Lambda's response to a call that is not waited for. Members and headers stand as AWS has them, by name."""
    headers = {
        "Connection": "keep-alive",
        "Content-Length": "0",
        "Date": _date(int(time.time())),
        "x-amzn-Remapped-Content-Length": "0",
        "x-amzn-RequestId": request_id,
        "X-Amzn-Trace-Id": _trace_id(request_id),
    }
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [headers[name]] for name in names_in_map_order(headers)},
            "HttpHeaders": headers,
            "HttpStatusCode": status,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
        "StatusCode": status,
    }


def _full_response(answer: Invocation, payload: Json) -> dict[str, Json]:
    """Lambda's response with the answer. Written out: most tasks of most runs make one, and a loop costs 0.4 µs more."""
    version, request_id, length = answer.executed_version, answer.request_id, str(len(answer.payload))
    date, trace_id = _date(int(time.time())), _trace_id(request_id)
    return {
        "ExecutedVersion": version,
        "Payload": payload,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {
                "X-Amz-Executed-Version": [version],
                "x-amzn-Remapped-Content-Length": ["0"],
                "Connection": ["keep-alive"],
                "x-amzn-RequestId": [request_id],
                "Content-Length": [length],
                "Date": [date],
                "X-Amzn-Trace-Id": [trace_id],
                "Content-Type": ["application/json"],
            },
            "HttpHeaders": {
                "Connection": "keep-alive",
                "Content-Length": length,
                "Content-Type": "application/json",
                "Date": date,
                "X-Amz-Executed-Version": version,
                "x-amzn-Remapped-Content-Length": "0",
                "x-amzn-RequestId": request_id,
                "X-Amzn-Trace-Id": trace_id,
            },
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
        "StatusCode": 200,
    }


def _trace_id(request_id: str) -> str:
    """The header of a trace that nobody samples, in the form of X-Ray's."""
    return f"root=1-{request_id[:8]}-{request_id[24:]}{request_id[24:]};sampled=0"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    """The Date header of a second; made once for all answers of it."""
    return formatdate(second, usegmt=True)
