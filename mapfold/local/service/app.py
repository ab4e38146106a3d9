"""The web application on Mapfold's port: Step Functions, whatever else is handed in (Lambda, console), /health."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from mapfold.local.service import history, wire
from mapfold.local.service.context import Service
from mapfold.local.service.guard import LoopbackOnly


def create_app(
    service: Service, *, more_routes: Sequence[BaseRoute] = (), health: Callable[[], Mapping[str, Any]]
) -> Starlette:
    """The application. `health` gives what `GET /health` tells besides its status, as it is now."""

    async def answer_health(_: HttpRequest) -> JSONResponse:
        failure = service.store.failure
        if failure is not None:
            return JSONResponse({"status": "failed", "problem": str(failure), **health()}, 503)
        return JSONResponse({"status": "ok", **health()})

    return Starlette(
        routes=[
            *wire.routes(service),
            *history.routes(service),
            Route("/health", answer_health, methods=["GET"]),
            *more_routes,
        ],
        middleware=[Middleware(LoopbackOnly)],
    )
