"""The OpenAPI document of the HTTP API: what Powertools makes of the routes, without what this API does differently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel

from tasks._api_models import Problem

_DESCRIPTION = """\
Start runs of Mapfold's jobs, look at them, stop and redrive them.

On AWS every request is signed by IAM (Signature Version 4, service `execute-api`). A list comes page by page: give `next`
of an answer back as `next`. An answer that is no success is {"error", "message"}."""

_REASONS = {
    400: "The request is wrong: a field, a parameter or `next`. The message names it.",
    404: "There is no such job or run, or nothing of what was asked for.",
    409: "It cannot be as things stand: the name is taken, the run has ended, has not ended, or cannot be redriven.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: "A fault of the API.",
    502: "AWS refused a call.",
    503: "AWS asks to be called less often. Ask again.",
}
_ALWAYS = (400, 500, 502, 503)


def answers(model: type[BaseModel], *others: int, said: Mapping[int, str] | None = None) -> dict[int, Any]:
    """The `responses` of a route: its own, with what they say; those of `others` and of every route, a Problem."""
    own = said or {200: " ".join((model.__doc__ or "").split())}
    fine = {code: _response(text, model) for code, text in own.items()}
    return fine | {code: _response(_REASONS[code], Problem) for code in sorted({*_ALWAYS, *others})}


def openapi(app: APIGatewayRestResolver, *, base: str) -> dict[str, Any]:
    """The document. `base`: the path under which the API was called."""
    document = json.loads(_document(app))
    document["servers"] = [{"url": base}]
    return dict(document)


@cache
def _document(app: APIGatewayRestResolver) -> str:
    # Here, for they cost a cold start 60 ms, and most workers are never asked for the document.
    from aws_lambda_powertools.event_handler.openapi.models import APIKey, Server

    document = json.loads(
        app.get_openapi_json_schema(
            title="Mapfold",
            version=_version(),
            description=_DESCRIPTION,
            servers=[Server(url="/")],
            security_schemes={
                "sigv4": APIKey.model_validate(
                    {
                        "name": "Authorization",
                        "in": "header",
                        "description": "AWS Signature Version 4. The embedded AWS asks for none.",
                    }
                )
            },
            security=[{"sigv4": []}],
        )
    )
    for path in document["paths"].values():
        for operation in path.values():
            del operation["responses"]["422"]  # what is wrong with a request is 400 here
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    return json.dumps(document)


def _response(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"model": model}}}


def _version() -> str:
    try:
        return version("mapfold")
    except PackageNotFoundError:  # on Lambda the package is a folder, not installed
        return "0"
