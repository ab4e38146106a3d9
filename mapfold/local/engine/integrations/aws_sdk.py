"""`aws-sdk:` integrations: any action of any service that botocore knows.

The result is the API's alone, without metadata. There are request-response and `.waitForTaskToken`, no `.sync` (developer
guide: Learning to use AWS service SDK integrations).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mapfold.local.engine.integrations.calls import Answer, Caller
from mapfold.local.engine.integrations.catalog import Catalog, Service
from mapfold.local.engine.integrations.failures import sdk_failure
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.requests import build_request, could_not_start
from mapfold.local.engine.integrations.results import as_asked, build_result
from mapfold.local.engine.integrations.roles import Roles
from mapfold.local.engine.integrations.styles import SDK
from mapfold.states.effects import Json, Resource, RunTask, TaskFailed

PREFIX = "aws-sdk:"


@dataclass(frozen=True, slots=True)
class AwsSdk:
    """Runs them."""

    catalog: Catalog
    caller: Caller
    roles: Roles

    def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled, or None. Call it in a thread if `is_ready` says no."""
        found = self._operation(resource)
        if found is None:
            return f"The resource provided {resource.arn} is not recognized."
        problems = build_request(found[1].input_shape, arguments, SDK).problems
        return could_not_start(arguments, problems) if problems else None

    def is_ready(self, resource: Resource) -> bool:
        """Whether the service's model has been read."""
        return self.catalog.known(resource.service.removeprefix(PREFIX)) is not None

    async def submit(self, effect: RunTask, progress: Progress) -> Json | TaskFailed:
        """Make the call: its result, or the task's failure."""
        found = self._operation(effect.resource)
        assert found is not None  # `refusal` has read the model
        service, operation = found
        request = build_request(operation.input_shape, effect.arguments, SDK)
        answer = await self.caller.call(
            service.name,
            operation.name,
            request.params,
            started=progress,
            credentials=await self.roles.credentials(effect.role_arn),
        )
        if not isinstance(answer, Answer):
            return sdk_failure(service, operation.name, answer)
        asked = as_asked(service.name, request.params, answer.output)
        return build_result(operation.output_shape, asked, SDK)

    def _operation(self, resource: Resource) -> tuple[Service, Any] | None:
        service = self.catalog.service(resource.service.removeprefix(PREFIX))
        operation = None if service is None else service.operation(resource.action)
        return None if service is None or operation is None else (service, operation)
