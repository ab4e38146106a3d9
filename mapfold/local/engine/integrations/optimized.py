"""Optimized integrations: the services that Step Functions has an integration of its own for, in one table.

Their calls go the same way as `aws-sdk:` ones. Different are the names of errors, the metadata in results, and what some of
them add or take as JSON (developer guide: Integrating optimized services).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.engine.integrations.calls import Answer, Caller
from mapfold.local.engine.integrations.catalog import Catalog, Service
from mapfold.local.engine.integrations.failures import optimized_failure
from mapfold.local.engine.integrations.metadata import with_metadata
from mapfold.local.engine.integrations.optimized_services import OPTIMIZED_SERVICES, Action, OptimizedService
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.requests import Request, build_request, could_not_start, not_supported
from mapfold.local.engine.integrations.results import as_asked, build_result
from mapfold.local.engine.integrations.roles import Roles
from mapfold.local.engine.integrations.styles import OPTIMIZED, SDK
from mapfold.states.effects import Json, Resource, RunTask, TaskFailed


@dataclass(frozen=True, slots=True)
class Submitted:
    """A call that was answered: the request's parameters, the answer, and the task's result if nothing is waited for."""

    params: Mapping[str, Any]
    answer: Answer
    result: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Optimized:
    """Runs them."""

    catalog: Catalog
    caller: Caller
    roles: Roles

    def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled, or None."""
        problems = self._request(resource, arguments).problems
        return could_not_start(arguments, problems) if problems else None

    def is_ready(self, resource: Resource) -> bool:
        """Whether the service's model has been read."""
        return self.catalog.known(_action_of(resource)[1].service) is not None

    async def submit(self, effect: RunTask, progress: Progress) -> Submitted | TaskFailed:
        """Make the call: what was answered, or the task's failure."""
        entry, action = _action_of(effect.resource)
        service, operation = self._operation(action)
        params = self._request(effect.resource, effect.arguments).params
        if effect.resource.service == "events":
            params = _named_in_events(params, progress)
        answer = await self.caller.call(
            service.name,
            operation.name,
            params,
            started=progress,
            credentials=await self.roles.credentials(effect.role_arn),
        )
        if not isinstance(answer, Answer):
            return optimized_failure(service, operation.name, entry.errors, answer)
        style = SDK if entry.has_parsed_body else OPTIMIZED
        result = build_result(operation.output_shape, as_asked(service.name, params, answer.output), style)
        if result.get("FailedEntryCount"):
            return TaskFailed("EventBridge.FailedEntry", orjson.dumps(result).decode())
        if action.renamed is not None:
            result = action.renamed(result)
        if entry.has_parsed_body:
            return Submitted(params, answer, _with_parsed_body(result))
        told = {name: params[name] for name in action.told if name in params}
        return Submitted(params, answer, {**with_metadata(result, answer, service.name), **told})

    def _request(self, resource: Resource, arguments: Json) -> Request:
        _, action = _action_of(resource)
        _, operation = self._operation(action)
        arguments = action.adapt(arguments) if action.adapt is not None and isinstance(arguments, dict) else arguments
        request = build_request(operation.input_shape, arguments, OPTIMIZED)
        if action.only is not None and isinstance(arguments, dict):
            taken = operation.input_shape.members
            request.problems[:0] = [
                not_supported(name)
                for name in arguments
                if name not in action.only and any(OPTIMIZED.member(member) == name for member in taken)
            ]
        return request

    def _operation(self, action: Action) -> tuple[Service, Any]:
        service = self.catalog.service(action.service)
        assert service is not None  # botocore has every service of the table
        operation = service.operation(action.operation)
        assert operation is not None
        return service, operation


def is_optimized(resource: Resource) -> bool:
    """Whether the table has the resource's service and action, with its pattern."""
    service = OPTIMIZED_SERVICES.get(resource.service)
    action = None if service is None else service.actions.get(resource.action)
    return action is not None and resource.pattern in action.patterns


def _action_of(resource: Resource) -> tuple[OptimizedService, Action]:
    service = OPTIMIZED_SERVICES[resource.service]
    return service, service.actions[resource.action]


def _named_in_events(params: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Every event names the execution and its state machine among its Resources."""
    execution = progress.execution
    named = [execution["Execution"]["Id"], execution["StateMachine"]["Id"]]
    entries = [{**entry, "Resources": [*entry.get("Resources", ()), *named]} for entry in params.get("Entries", ())]
    return {**params, "Entries": entries}


def _with_parsed_body(result: dict[str, Json]) -> dict[str, Json]:
    """The body that a model answered, as JSON if it is some."""
    body = result.get("Body")
    if not isinstance(body, str):
        return result
    try:
        return {**result, "Body": orjson.loads(body)}
    except orjson.JSONDecodeError:
        return result
