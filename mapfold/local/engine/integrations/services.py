"""All that Tasks can call but Lambda: finds who runs a task, and follows its pattern to the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from mapfold.local.engine.integrations.api_gateway_call import ApiGatewayCall
from mapfold.local.engine.integrations.aws_sdk import PREFIX, AwsSdk
from mapfold.local.engine.integrations.calls import Caller, Clients, in_thread
from mapfold.local.engine.integrations.catalog import Catalog
from mapfold.local.engine.integrations.following import Following
from mapfold.local.engine.integrations.http_task import HttpTask
from mapfold.local.engine.integrations.nested import Nested, WaitForEnd
from mapfold.local.engine.integrations.optimized import Optimized, is_optimized
from mapfold.local.engine.integrations.patterns import wait_for_token
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.roles import Roles
from mapfold.local.engine.integrations.signing import signer
from mapfold.local.engine.tokens import TaskTokens
from mapfold.states.effects import Json, Resource, RunTask, TaskFailed, TaskSucceeded

Run = Callable[[RunTask, Progress], Awaitable[TaskSucceeded | TaskFailed]]

TOKEN = "waitForTaskToken"
CALL_OR_TOKEN = ("", TOKEN)
NESTED_PATTERNS = ("", "sync", "sync:2", TOKEN)


class Kind(Protocol):
    """One way to call something."""

    def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled, or None. May read a model if `is_ready` is False."""
        ...

    def is_ready(self, resource: Resource) -> bool:
        """Whether `refusal` and the call need read nothing."""
        ...


class Services:
    """The services of one embedded AWS."""

    def __init__(
        self,
        clients: Clients,
        *,
        region: str,
        tokens: TaskTokens,
        wait_for_end: WaitForEnd,
    ) -> None:
        catalog, caller = Catalog(), Caller(clients)
        self._closing = False
        self.roles = Roles(caller)
        self._tokens = tokens
        self._sdk = AwsSdk(catalog, caller, self.roles)
        self._optimized = Optimized(catalog, caller, self.roles)
        self._following = Following(catalog, caller, self.roles, self._is_closing)
        self._nested = Nested(catalog, caller, self.roles, wait_for_end, self._is_closing)
        self._http = HttpTask(caller, region)
        self._api = ApiGatewayCall(signer(clients, region))

    def close(self) -> None:
        """The embedded AWS ends: what tasks have begun goes on without them, until they go on."""
        self._closing = True

    async def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled: the cause of its States.Runtime error. None: it can."""
        kind = self._kind(resource)
        if kind is None:
            return None
        if kind.is_ready(resource):
            return kind.refusal(resource, arguments)
        return await in_thread(lambda: kind.refusal(resource, arguments))

    def find(self, resource: Resource) -> Run | None:
        """Who runs a task of `resource`; None where there is no such integration."""
        kind = self._kind(resource)
        if kind is None:
            return None
        if isinstance(kind, Nested):
            return self._run_nested
        if isinstance(kind, Optimized):
            return self._run_optimized
        return self._run_call

    def _kind(self, resource: Resource) -> AwsSdk | Optimized | Nested | HttpTask | ApiGatewayCall | None:
        match resource:
            case Resource(service="states", action="startExecution", pattern=pattern):
                return self._nested if pattern in NESTED_PATTERNS else None
            case Resource(service="http", action="invoke", pattern=""):
                return self._http
            case Resource(service="apigateway", action="invoke", pattern=pattern):
                return self._api if pattern in CALL_OR_TOKEN else None
            case Resource(family="task", pattern=pattern) if resource.service.startswith(PREFIX):
                return self._sdk if pattern in CALL_OR_TOKEN else None
            case Resource(family="task") if is_optimized(resource):
                return self._optimized
            case _:
                return None

    async def _run_call(self, effect: RunTask, progress: Progress) -> TaskSucceeded | TaskFailed:
        kind = self._kind(effect.resource)
        assert isinstance(kind, AwsSdk | HttpTask | ApiGatewayCall)

        async def submit() -> Json | TaskFailed:
            return await kind.submit(effect, progress)

        return await self._as_pattern_says(effect, progress, submit)

    async def _run_optimized(self, effect: RunTask, progress: Progress) -> TaskSucceeded | TaskFailed:
        if effect.resource.pattern != "sync":

            async def submit() -> Json | TaskFailed:
                answered = await self._optimized.submit(effect, progress)
                return answered if isinstance(answered, TaskFailed) else answered.result

            return await self._as_pattern_says(effect, progress, submit)
        submitted = await self._optimized.submit(effect, progress)
        if isinstance(submitted, TaskFailed):
            submitted.in_submission = True
            return submitted
        progress.submitted(submitted.result)
        return await self._following.to_the_end(effect, submitted)

    async def _run_nested(self, effect: RunTask, progress: Progress) -> TaskSucceeded | TaskFailed:
        async def submit() -> Json | TaskFailed:
            return await self._nested.submit(effect, progress)

        if not effect.resource.pattern.startswith("sync"):
            return await self._as_pattern_says(effect, progress, submit)
        started = await self._nested.submit(effect, progress)
        if isinstance(started, TaskFailed):
            started.in_submission = True
            return started
        progress.submitted(started)
        return await self._nested.to_the_end(effect, started["ExecutionArn"])

    async def _as_pattern_says(
        self, effect: RunTask, progress: Progress, submit: Callable[[], Awaitable[Json | TaskFailed]]
    ) -> TaskSucceeded | TaskFailed:
        """Request-response, or `.waitForTaskToken`."""
        if effect.resource.pattern == TOKEN:
            return await wait_for_token(self._tokens, effect, progress, submit)
        output = await submit()
        return output if isinstance(output, TaskFailed) else TaskSucceeded(output)

    def _is_closing(self) -> bool:
        return self._closing
