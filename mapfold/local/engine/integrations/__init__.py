"""What a Task can call: found by its resource, one small module a kind.

An integration is an async function `(effect, progress) -> TaskSucceeded | TaskFailed`. It calls `progress()` once, when
the work really begins: that records the event and starts the clock of TimeoutSeconds.

    lambda_function.py    functions, by ARN and by `lambda:invoke`
    services.py           everything else, in the pattern that the resource names
      aws_sdk.py            `aws-sdk:`, any action of botocore's models (catalog.py)
      optimized.py          the optimized integrations of a table (optimized_services.py), `.sync` ones followed to
                            their end by following.py, after a table of its own (jobs.py)
      nested.py             `states:startExecution`
      http_task.py, api_gateway_call.py
    requests.py, results.py, styles.py    JSON <-> an API's parameters and results
    calls.py, failures.py, metadata.py, roles.py     the calls themselves
    stand_in.py           what a service's stand-in says otherwise than AWS
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from mapfold.local.engine.activities import Activities
from mapfold.local.engine.integrations.calls import Clients
from mapfold.local.engine.integrations.lambda_function import (
    call_function,
    invoke_function,
    invoke_function_and_wait,
    refuse_invoke,
)
from mapfold.local.engine.integrations.nested import WaitForEnd
from mapfold.local.engine.integrations.progress import Progress, Started
from mapfold.local.engine.integrations.services import Services
from mapfold.local.engine.tokens import TaskTokens, wait_on
from mapfold.local.lambda_ import LambdaService
from mapfold.states.effects import CheckTask, Resource, RunTask, TaskFailed, TaskSucceeded

__all__ = ["Clients", "Integration", "Integrations", "Progress", "Started", "WaitForEnd"]

Integration = Callable[[RunTask, Any], Awaitable[TaskSucceeded | TaskFailed]]
"""Called with the effect and a `Progress`; those of Lambda that wait for no token with a plain `Started`."""


class Integrations:
    """The integrations of this embedded AWS. Without `services` there is Lambda alone."""

    def __init__(
        self,
        lambda_service: LambdaService,
        *,
        tokens: TaskTokens,
        activities: Activities,
        services: Services | None = None,
    ) -> None:
        self.activities = activities
        self._services = services
        self._wait_on: Integration = partial(wait_on, tokens)
        self._table: dict[tuple[str, str, str], Integration] = {
            ("lambda", "", ""): partial(call_function, lambda_service),
            ("lambda", "invoke", ""): partial(invoke_function, lambda_service),
            ("lambda", "invoke", "waitForTaskToken"): partial(invoke_function_and_wait, lambda_service, tokens),
        }

    def find(self, resource: Resource) -> Integration | None:
        """The integration for `resource`, or None where this embedded AWS has none."""
        found = self._table.get((resource.service, resource.action, resource.pattern))
        if found is not None:
            return found
        if resource.family == "activity":
            return self.activities.run
        return None if self._services is None else self._services.find(resource)

    def going_on(self, resource: Resource) -> Integration:
        """What goes on with a task of `resource` that was cut off while somebody outside worked on it."""
        return self.activities.run if resource.family == "activity" else self._wait_on

    async def check(self, effect: CheckTask) -> str | None:
        """Why a task cannot be scheduled: the cause of its States.Runtime error, or None."""
        if effect.resource.service == "lambda":
            return refuse_invoke(effect.arguments)
        if self._services is None:
            return None
        return await self._services.refusal(effect.resource, effect.arguments)

    async def refuse_role(self, role_arn: str, execution_role: str) -> TaskFailed | None:
        """The failure of a task whose Credentials name a role that cannot be assumed; None if it can."""
        return None if self._services is None else await self._services.roles.refusal(role_arn, execution_role)

    def close(self) -> None:
        """The engine is about to cut off what runs: jobs and executions that tasks wait for are to go on."""
        if self._services is not None:
            self._services.close()

    @property
    def known(self) -> str:
        """What a Task's Resource may be here, for error messages."""
        return (
            "a Lambda function ARN, an activity ARN, arn:aws:states:::<service>:<action> of an optimized integration, "
            "or arn:aws:states:::aws-sdk:<service>:<action>"
        )
