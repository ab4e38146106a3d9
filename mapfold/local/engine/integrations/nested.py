"""`states:startExecution`: an execution that starts another one, and may wait for its end.

The call goes through the Step Functions endpoint as anybody's does. An execution that gets no Name is given one that is
the attempt's own: should the embedded AWS be restarted meanwhile, the attempt finds what it had started.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.engine.integrations.calls import Answer, Caller, ClientFault, ServiceError
from mapfold.local.engine.integrations.catalog import Catalog, Service
from mapfold.local.engine.integrations.failures import OptimizedErrors, optimized_failure
from mapfold.local.engine.integrations.metadata import with_metadata
from mapfold.local.engine.integrations.progress import Progress
from mapfold.local.engine.integrations.requests import build_request, could_not_start, not_supported
from mapfold.local.engine.integrations.results import build_result
from mapfold.local.engine.integrations.roles import Roles
from mapfold.local.engine.integrations.styles import OPTIMIZED
from mapfold.states.effects import Json, Resource, RunTask, TaskFailed, TaskSucceeded

ERRORS = OptimizedErrors("StepFunctions", "AWSStepFunctions", "AWSStepFunctionsException")
FIELDS = frozenset(("Input", "Name", "StateMachineArn"))

FIRST_SECONDS = 0.05
MOST_SECONDS = 2.0
"""Between two looks at an execution of which nobody tells when it ends."""

MOST_FAULTS = 8
"""How many looks in a row may fail."""

_NAMED = re.compile(r"'(arn:\S+)'")

WaitForEnd = Callable[[str], Awaitable[None]]
"""Returns when the execution of this ARN does not run here (any more)."""


@dataclass(frozen=True, slots=True)
class Nested:
    """Starts and follows nested executions. `is_closing`: the embedded AWS ends, and executions are to go on."""

    catalog: Catalog
    caller: Caller
    roles: Roles
    wait_for_end: WaitForEnd
    is_closing: Callable[[], bool]

    def refusal(self, resource: Resource, arguments: Json) -> str | None:
        """Why a task with these arguments cannot be scheduled, or None."""
        request = build_request(self._operation("startExecution").input_shape, arguments, OPTIMIZED)
        problems = request.problems
        if isinstance(arguments, dict):
            problems = [not_supported("TraceHeader")] * ("TraceHeader" in arguments) + problems
        return could_not_start(arguments, problems) if problems else None

    def is_ready(self, resource: Resource) -> bool:
        """Whether the service's model has been read."""
        return self.catalog.known("sfn") is not None

    async def submit(self, effect: RunTask, progress: Progress) -> dict[str, Json] | TaskFailed:
        """Start the execution: the answer of StartExecution with its metadata, or the task's failure."""
        operation = self._operation("startExecution")
        params = build_request(operation.input_shape, effect.arguments, OPTIMIZED).params
        own = "name" not in params
        if own:
            params = {**params, "name": name_of(progress.attempt)}
        credentials = await self.roles.credentials(effect.role_arn)
        answer = await self.caller.call(
            "stepfunctions", "StartExecution", params, started=progress, credentials=credentials
        )
        if own and isinstance(answer, ServiceError) and answer.code == "ExecutionAlreadyExists":
            answer = await self._found_again(answer)
        if not isinstance(answer, Answer):
            return optimized_failure(self._service(), "StartExecution", ERRORS, answer)
        return with_metadata(build_result(operation.output_shape, answer.output, OPTIMIZED), answer, "stepfunctions")

    async def to_the_end(self, effect: RunTask, arn: str) -> TaskSucceeded | TaskFailed:
        """Wait for the end of an execution; when the task is stopped, so is the execution."""
        try:
            return await self._follow(arn, parsed=effect.resource.pattern == "sync:2")
        except asyncio.CancelledError:
            if not self.is_closing():
                self.caller.send("stepfunctions", "StopExecution", {"executionArn": arn})
            raise

    async def _follow(self, arn: str, *, parsed: bool) -> TaskSucceeded | TaskFailed:
        shape = self._operation("describeExecution").output_shape
        seconds, faults = FIRST_SECONDS, 0
        while True:
            await self.wait_for_end(arn)
            answer = await self.caller.call("stepfunctions", "DescribeExecution", {"executionArn": arn})
            if isinstance(answer, Answer):
                faults = 0
                if answer.output["status"] not in ("RUNNING", "PENDING_REDRIVE"):
                    return _ended(build_result(shape, answer.output, OPTIMIZED), parsed=parsed)
            else:
                faults += 1
                if faults > MOST_FAULTS or not isinstance(answer, ClientFault):
                    return optimized_failure(self._service(), "DescribeExecution", ERRORS, answer)
            await asyncio.sleep(seconds)
            seconds = min(seconds * 2, MOST_SECONDS)

    async def _found_again(self, error: ServiceError) -> Answer | ServiceError | ClientFault:
        """What an attempt before a restart had started, in place of StartExecution's answer."""
        named = _NAMED.search(error.message or "")
        if named is None:
            return error
        answer = await self.caller.call("stepfunctions", "DescribeExecution", {"executionArn": named[1]})
        if isinstance(answer, Answer):
            started = {name: answer.output[name] for name in ("executionArn", "startDate")}
            return Answer(started, answer.status, answer.request_id, answer.headers)
        return answer

    def _service(self) -> Service:
        service = self.catalog.service("sfn")
        assert service is not None
        return service

    def _operation(self, action: str) -> Any:
        operation = self._service().operation(action)
        assert operation is not None
        return operation


def name_of(attempt: str) -> str:
    """The name of the execution that an attempt starts: a UUID, the same for the same attempt."""
    return str(uuid.UUID(bytes=hashlib.sha256(attempt.encode()).digest()[:16], version=4))


def _ended(described: dict[str, Json], *, parsed: bool) -> TaskSucceeded | TaskFailed:
    if described["Status"] != "SUCCEEDED":
        return TaskFailed("States.TaskFailed", orjson.dumps(described).decode())
    if parsed:
        for name in ("Input", "Output"):
            if isinstance(described.get(name), str):
                described[name] = orjson.loads(described[name])
    return TaskSucceeded(described)
