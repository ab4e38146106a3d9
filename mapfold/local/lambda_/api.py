"""Lambda's REST API (2015-03-31): each handler reads the request, calls the service, shapes the answer.

Errors are REST JSON as Lambda sends it: the code in the header x-amzn-ErrorType, the text in the body.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mapfold.local.lambda_ import published_api
from mapfold.local.lambda_.answers import json_response, read_body, read_document, take_page
from mapfold.local.lambda_.errors import LambdaError, validation_failed
from mapfold.local.lambda_.event_sources import api as event_sources
from mapfold.local.lambda_.functions import LATEST, LOCAL_BUCKET, Function, configuration, listed
from mapfold.local.lambda_.invocations import MAX_REQUEST_BYTES
from mapfold.local.lambda_.requests import Settings
from mapfold.local.listing_order import order_of_values
from mapfold.local.store import StoreError

if TYPE_CHECKING:
    from mapfold.local.lambda_.service import LambdaService

Handler = Callable[["LambdaService", Request], Awaitable[Response]]

_FUNCTIONS = "/2015-03-31/functions"
_INVOCATION_TYPES = ("Event", "RequestResponse", "DryRun")
_LOG_TYPES = ("None", "Tail")
_BEING_CREATED = {
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
}
"""What Lambda says in the answer to a creation. Who asks afterwards hears Active."""
_BEING_UPDATED = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}
"""The same of an update, in Lambda's own words. Who asks afterwards hears Successful."""
_UNCHANGED_LENGTH = {"x-amzn-Remapped-Content-Length": "0"}


def routes(service: LambdaService) -> list[Route]:
    """The routes, for a Starlette app's root."""
    table: list[tuple[str, str, Handler]] = [
        ("POST", "/{name}/invocations", _invoke),
        ("GET", "", _list),
        ("GET", "/", _list),
        ("POST", "", _create),
        ("POST", "/", _create),
        ("GET", "/{name}", _get),
        ("DELETE", "/{name}", _delete),
        ("GET", "/{name}/configuration", _get_configuration),
        ("PUT", "/{name}/configuration", _update_configuration),
        ("PUT", "/{name}/code", _update_code),
    ]
    found = [Route(_FUNCTIONS + path, _endpoint(service, handler), methods=[method]) for method, path, handler in table]
    found += [
        Route(path, _endpoint(service, handler), methods=[method]) for method, path, handler in published_api.handlers()
    ]
    found += [
        Route(path, _endpoint(service, _on_mappings(handler)), methods=[method])
        for method, path, handler in event_sources.handlers()
    ]
    return [*found, Route("/mapfold/logs/{request_id}", _endpoint(service, _get_log), methods=["GET"])]


async def _get_log(service: LambdaService, request: Request) -> Response:
    """No call of Lambda's, whose logs are in CloudWatch: the log of one invocation as text."""
    request_id = request.path_params["request_id"]
    log = await service.log(request_id)
    if log is None:
        message = f"No log is kept of an invocation {request_id}: there was none, or it printed nothing."
        raise LambdaError("ResourceNotFoundException", message, 404)
    return Response(log, media_type="text/plain; charset=utf-8")


def _on_mappings(handler: event_sources.Handler) -> Handler:
    return lambda service, request: handler(service.event_sources, request)


def _endpoint(service: LambdaService, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            response = await handler(service, request)
        except LambdaError as error:
            response = _error(error)
        except StoreError as error:
            response = _error(LambdaError("ServiceException", str(error), 500))
        response.headers.setdefault("x-amzn-RequestId", service.new_request_id())
        return response

    return endpoint


async def _invoke(service: LambdaService, request: Request) -> Response:
    kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
    log = request.headers.get("x-amz-log-type", "None")
    for value, values, at in ((kind, _INVOCATION_TYPES, "invocationType"), (log, _LOG_TYPES, "logType")):
        if value not in values:
            raise validation_failed(
                value, at=at, rule=f"satisfy enum value set: [{', '.join(order_of_values(values))}]"
            )
    reference, qualifier = request.path_params["name"], request.query_params.get("Qualifier")
    context = _client_context(request)
    if kind == "DryRun":
        service.function(reference, qualifier, to_invoke=True)
        return Response(status_code=204, headers=_UNCHANGED_LENGTH)
    body = await read_body(request, MAX_REQUEST_BYTES)
    if kind == "Event":
        request_id = service.invoke_event(reference, body, qualifier=qualifier, client_context=context)
        return Response(status_code=202, headers={"x-amzn-RequestId": request_id, **_UNCHANGED_LENGTH})
    want_log = log == "Tail"
    outcome = await service.invoke(reference, body, qualifier=qualifier, want_log=want_log, client_context=context)
    headers = {
        "x-amzn-RequestId": outcome.request_id,
        **_UNCHANGED_LENGTH,
        "X-Amz-Executed-Version": outcome.executed_version,
    }
    if outcome.function_error:
        headers["X-Amz-Function-Error"] = outcome.function_error
    if want_log:
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail).decode()
    return Response(outcome.payload, media_type="application/json", headers=headers)


async def _create(service: LambdaService, request: Request) -> Response:
    document = await read_document(request)
    function = await service.create_function(
        Settings.of_new(document), _member(document, "Code"), publish=bool(document.get("Publish"))
    )
    answer = {**configuration(function, service.scope, _published(function)), **_BEING_CREATED}
    del answer["LastUpdateStatus"]
    return json_response(answer, status=201)


async def _get(service: LambdaService, request: Request) -> Response:
    function, qualifier = _asked_for(service, request)
    document: dict[str, Any] = {
        "Configuration": configuration(function, service.scope, qualifier),
        "Code": {"RepositoryType": "S3", "Location": _location(function)},
    }
    if function.tags:
        document["Tags"] = dict(function.tags)
    reserved = service.concurrency.reserved(function.name)
    if reserved is not None:
        document["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
    return json_response(document)


async def _get_configuration(service: LambdaService, request: Request) -> Response:
    function, qualifier = _asked_for(service, request)
    return json_response(configuration(function, service.scope, qualifier))


async def _list(service: LambdaService, request: Request) -> Response:
    """By name, in pages of at most 50, as Lambda does."""
    if request.query_params.get("FunctionVersion") == "ALL":
        found = [version for function in service.functions() for version in service.published(function)]
        page, more = take_page(found, request.query_params, key=_order_of)
        documents = [listed(version, service.scope, version.version) for version in page]
    else:
        page, more = take_page(service.functions(), request.query_params, key=lambda function: function.name)
        documents = [listed(function, service.scope) for function in page]
    return json_response({"Functions": documents} | more)


async def _delete(service: LambdaService, request: Request) -> Response:
    await service.delete_function(request.path_params["name"], request.query_params.get("Qualifier"))
    return Response(status_code=204)


async def _update_code(service: LambdaService, request: Request) -> Response:
    document = await read_document(request)
    function = await service.update_code(
        request.path_params["name"],
        document,
        revision_id=document.get("RevisionId"),
        dry_run=bool(document.get("DryRun")),
        publish=bool(document.get("Publish")),
    )
    answer = configuration(function, service.scope, _published(function))
    return json_response(answer if document.get("DryRun") else {**answer, **_BEING_UPDATED})


async def _update_configuration(service: LambdaService, request: Request) -> Response:
    document = await read_document(request)
    function = await service.update_configuration(
        request.path_params["name"], Settings.of_update(document), revision_id=document.get("RevisionId")
    )
    return json_response({**configuration(function, service.scope), **_BEING_UPDATED})


def _asked_for(service: LambdaService, request: Request) -> tuple[Function, str | None]:
    return service.function(request.path_params["name"], request.query_params.get("Qualifier"))


def _member(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise validation_failed(None, at=name[0].lower() + name[1:], rule="not be null")
    return value


def _client_context(request: Request) -> bytes | None:
    header = request.headers.get("x-amz-client-context")
    if not header:
        return None
    try:
        context = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError) as error:
        message = "Client context must be a valid Base64-encoded JSON object."
        raise LambdaError("InvalidRequestContentException", message, 400) from error
    return json.dumps(context, separators=(",", ":")).encode()  # ASCII on one line: it becomes a header


def _order_of(function: Function) -> str:
    return f"{function.name} {0 if function.version == LATEST else int(function.version):010}"


def _published(function: Function) -> str | None:
    """The qualifier of a version that was just published."""
    return None if function.version == LATEST else function.version


def _location(function: Function) -> str:
    return f"file://{function.folder}" if function.in_place else f"s3://{LOCAL_BUCKET}{function.folder}"


def _error(error: LambdaError) -> Response:
    owner = "User" if error.status < 500 else "Service"
    # Lambda writes `Message` or `message`, by error; SDKs read either, some only one.
    body = {"Type": owner, "Message": error.message, "message": error.message, **error.extra}
    return Response(
        orjson.dumps(body),
        status_code=error.status,
        media_type="application/json",
        headers={"x-amzn-ErrorType": error.code},
    )
