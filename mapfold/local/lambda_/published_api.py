"""The parts of Lambda's REST API that are about versions, aliases, layers and concurrency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from mapfold.local.lambda_.answers import json_response, read_document, take_page
from mapfold.local.lambda_.concurrency import ACCOUNT_LIMIT
from mapfold.local.lambda_.errors import invalid_parameter, validation_failed
from mapfold.local.lambda_.functions import LATEST, LOCAL_BUCKET, Function, configuration, listed
from mapfold.local.lambda_.layers import Layers, LayerVersion

if TYPE_CHECKING:
    from mapfold.local.lambda_.service import LambdaService

Handler = Callable[["LambdaService", Request], Awaitable[Response]]

_FUNCTIONS = "/2015-03-31/functions/{name}"
_LAYERS = "/2018-10-31/layers"


def handlers() -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each call."""
    return [
        ("POST", f"{_FUNCTIONS}/versions", _publish),
        ("GET", f"{_FUNCTIONS}/versions", _list_versions),
        ("POST", f"{_FUNCTIONS}/aliases", _create_alias),
        ("GET", f"{_FUNCTIONS}/aliases", _list_aliases),
        ("GET", f"{_FUNCTIONS}/aliases/{{alias}}", _get_alias),
        ("PUT", f"{_FUNCTIONS}/aliases/{{alias}}", _update_alias),
        ("DELETE", f"{_FUNCTIONS}/aliases/{{alias}}", _delete_alias),
        ("PUT", "/2017-10-31/functions/{name}/concurrency", _reserve),
        ("DELETE", "/2017-10-31/functions/{name}/concurrency", _release),
        ("GET", "/2019-09-30/functions/{name}/concurrency", _get_concurrency),
        ("GET", "/2016-08-19/account-settings", _account),
        ("GET", "/2016-08-19/account-settings/", _account),
        ("GET", _LAYERS, _list_layers),
        ("POST", f"{_LAYERS}/{{layer}}/versions", _publish_layer),
        ("GET", f"{_LAYERS}/{{layer}}/versions", _list_layer_versions),
        ("GET", f"{_LAYERS}/{{layer}}/versions/{{number}}", _get_layer),
        ("DELETE", f"{_LAYERS}/{{layer}}/versions/{{number}}", _delete_layer),
    ]


async def _publish(service: LambdaService, request: Request) -> Response:
    document = await read_document(request)
    version = await service.publish_version(
        request.path_params["name"],
        description=document.get("Description"),
        code_sha256=document.get("CodeSha256"),
        revision_id=document.get("RevisionId"),
    )
    return json_response(configuration(version, service.scope, version.version), status=201)


async def _list_versions(service: LambdaService, request: Request) -> Response:
    latest, _ = service.function(request.path_params["name"])
    page, more = take_page(service.published(latest), request.query_params, key=_order_of)
    versions = [listed(each, service.scope, each.version) for each in page]
    return json_response({"Versions": versions} | more)


async def _create_alias(service: LambdaService, request: Request) -> Response:
    alias = await service.create_alias(request.path_params["name"], await read_document(request))
    return json_response(service.versions.describe_alias(alias), status=201)


async def _list_aliases(service: LambdaService, request: Request) -> Response:
    latest, _ = service.function(request.path_params["name"])
    found = service.versions.aliases(latest.name, version=request.query_params.get("FunctionVersion"))
    page, more = take_page(found, request.query_params, key=lambda alias: alias.name)
    return json_response({"Aliases": [service.versions.describe_alias(alias) for alias in page]} | more)


async def _get_alias(service: LambdaService, request: Request) -> Response:
    latest, _ = service.function(request.path_params["name"])
    alias = service.versions.alias(latest.name, request.path_params["alias"])
    return json_response(service.versions.describe_alias(alias))


async def _update_alias(service: LambdaService, request: Request) -> Response:
    name, alias = request.path_params["name"], request.path_params["alias"]
    changed = await service.update_alias(name, alias, await read_document(request))
    return json_response(service.versions.describe_alias(changed))


async def _delete_alias(service: LambdaService, request: Request) -> Response:
    await service.delete_alias(request.path_params["name"], request.path_params["alias"])
    return Response(status_code=204)


async def _reserve(service: LambdaService, request: Request) -> Response:
    document = await read_document(request)
    calls = await service.reserve_concurrency(request.path_params["name"], document.get("ReservedConcurrentExecutions"))
    return json_response({"ReservedConcurrentExecutions": calls})


async def _release(service: LambdaService, request: Request) -> Response:
    await service.release_concurrency(request.path_params["name"])
    return Response(status_code=204)


async def _get_concurrency(service: LambdaService, request: Request) -> Response:
    function, _ = service.function(request.path_params["name"])
    reserved = service.concurrency.reserved(function.name)
    return json_response({} if reserved is None else {"ReservedConcurrentExecutions": reserved})


async def _account(service: LambdaService, request: Request) -> Response:
    functions = service.functions()
    limit = {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": ACCOUNT_LIMIT,
        "UnreservedConcurrentExecutions": service.concurrency.unreserved,
    }
    usage = {"TotalCodeSize": sum(each.code_size for each in functions), "FunctionCount": len(functions)}
    return json_response({"AccountLimit": limit, "AccountUsage": usage})


async def _publish_layer(service: LambdaService, request: Request) -> Response:
    layer = await service.layers.publish(request.path_params["layer"], await read_document(request))
    return json_response(_with_content(service.layers, layer), status=201)


async def _list_layers(service: LambdaService, request: Request) -> Response:
    """ListLayers, and GetLayerVersionByArn, which asks at the same path."""
    layers, query = service.layers, request.query_params
    if query.get("find") == "LayerVersion":
        return json_response(_with_content(layers, layers.by_arn(query.get("Arn", ""))))
    page, more = take_page(layers.newest(), query, key=lambda layer: layer.name)
    found = [
        {"LayerName": each.name, "LayerArn": layers.arn(each), "LatestMatchingVersion": _described(layers, each)}
        for each in page
    ]
    return json_response({"Layers": found} | more)


async def _list_layer_versions(service: LambdaService, request: Request) -> Response:
    layers = service.layers
    found = layers.versions(request.path_params["layer"])
    page, more = take_page(found, request.query_params, key=lambda layer: f"{999_999_999 - layer.number:09}")
    return json_response({"LayerVersions": [_described(layers, each) for each in page]} | more)


async def _get_layer(service: LambdaService, request: Request) -> Response:
    layer = service.layers.version(request.path_params["layer"], _number(request))
    return json_response(_with_content(service.layers, layer))


async def _delete_layer(service: LambdaService, request: Request) -> Response:
    await service.layers.delete(request.path_params["layer"], _number(request))
    return Response(status_code=204)


def _number(request: Request) -> int:
    text: str = request.path_params["number"]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise validation_failed(text, at="versionNumber", rule="be a number")
    if int(text) < 1:
        raise invalid_parameter("Layer Version Cannot be less than 1.")
    return int(text)


def _described(layers: Layers, layer: LayerVersion) -> dict[str, Any]:
    document: dict[str, Any] = {
        "LayerVersionArn": f"{layers.arn(layer)}:{layer.number}",
        "Version": layer.number,
        "Description": layer.description,
        "CreatedDate": layer.created,
    }
    if layer.runtimes:
        document["CompatibleRuntimes"] = list(layer.runtimes)
    if layer.architectures:
        document["CompatibleArchitectures"] = list(layer.architectures)
    if layer.license:
        document["LicenseInfo"] = layer.license
    return document


def _with_content(layers: Layers, layer: LayerVersion) -> dict[str, Any]:
    content = {
        "Location": f"s3://{LOCAL_BUCKET}{layer.folder}",
        "CodeSha256": layer.code_sha256,
        "CodeSize": layer.code_size,
    }
    return {"Content": content, "LayerArn": layers.arn(layer), **_described(layers, layer)}


def _order_of(version: Function) -> str:
    return f"{0 if version.version == LATEST else int(version.version):010}"  # $LATEST comes first
