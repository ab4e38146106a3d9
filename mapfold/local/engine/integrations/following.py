"""`.sync`: begins a job, asks until it has ended, more and more seldom, and gives the job as the task's result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.engine.integrations.calls import Answer, Caller, ClientFault, ServiceError
from mapfold.local.engine.integrations.catalog import Catalog, Service
from mapfold.local.engine.integrations.failures import optimized_failure
from mapfold.local.engine.integrations.jobs import JOBS, Job, Path
from mapfold.local.engine.integrations.optimized import Submitted
from mapfold.local.engine.integrations.optimized_services import OPTIMIZED_SERVICES
from mapfold.local.engine.integrations.results import build_result
from mapfold.local.engine.integrations.roles import Roles
from mapfold.local.engine.integrations.styles import OPTIMIZED
from mapfold.states.effects import Json, RunTask, TaskFailed, TaskSucceeded

FIRST_SECONDS = 0.05
"""Before the job is asked about for the first time."""

GROWTH = 1.5
MOST_SECONDS = 10.0
"""Between two questions, in the end."""

MOST_FAULTS = 8
"""How many questions in a row may go without an answer."""


@dataclass(frozen=True, slots=True)
class Following:
    """Follows jobs. `is_closing`: the embedded AWS ends, and jobs are to go on."""

    catalog: Catalog
    caller: Caller
    roles: Roles
    is_closing: Callable[[], bool]

    async def to_the_end(self, effect: RunTask, submitted: Submitted) -> TaskSucceeded | TaskFailed:
        """Wait for the end of the job that `submitted` began. When the task is stopped, so is the job."""
        resource = effect.resource
        job = JOBS[(resource.service, resource.action)]
        action = OPTIMIZED_SERVICES[resource.service].actions[resource.action]
        service = self.catalog.service(action.service)
        assert service is not None  # the call that began the job has read it
        credentials = await self.roles.credentials(effect.role_arn)
        if job.describe == "describeTasks" and not submitted.answer.output.get("tasks"):
            return TaskFailed("AmazonECS.Unknown", orjson.dumps(submitted.result).decode())
        try:
            return await self._follow(effect, job, service, submitted, credentials)
        except asyncio.CancelledError:
            if job.stop is not None and not self.is_closing():
                name, ask = job.stop
                operation = service.operation(name)
                assert operation is not None
                self.caller.send(
                    service.name, operation.name, ask(submitted.params, submitted.answer.output), credentials
                )
            raise

    async def _follow(
        self, effect: RunTask, job: Job, service: Service, submitted: Submitted, credentials: Any
    ) -> TaskSucceeded | TaskFailed:
        operation = service.operation(job.describe)
        assert operation is not None
        params = job.ask(submitted.params, submitted.answer.output)
        seconds, faults = FIRST_SECONDS, 0
        while True:
            await asyncio.sleep(seconds)
            seconds = min(seconds * GROWTH, MOST_SECONDS)
            answer = await self.caller.call(service.name, operation.name, params, credentials=credentials)
            if isinstance(answer, Answer):
                faults = 0
                status = _at(answer.output, job.status)
                if status in job.good or status in job.bad:
                    beside = job.beside(submitted.params, submitted.answer.output) if job.beside is not None else {}
                    return _ended(job, answer, operation.output_shape, beside, good=status in job.good)
                continue
            if job.ends_gone and isinstance(answer, ServiceError) and answer.code == "ResourceNotFoundException":
                return TaskSucceeded(submitted.result)
            faults += 1
            if faults > MOST_FAULTS or not _passes(answer):
                errors = OPTIMIZED_SERVICES[effect.resource.service].errors
                return optimized_failure(service, operation.name, errors, answer)


def _ended(job: Job, answer: Answer, shape: Any, beside: dict[str, Any], *, good: bool) -> TaskSucceeded | TaskFailed:
    result = build_result(shape, answer.output, OPTIMIZED)
    shown: Json = _at(result, job.shown) if job.shown else result
    if job.wrap is not None:
        shown = {job.wrap: shown}
    if beside:
        shown = dict(sorted({**shown, **beside}.items()))
    if good and (job.is_well is None or job.is_well(shown)):
        return TaskSucceeded(shown)
    return TaskFailed("States.TaskFailed", orjson.dumps(shown).decode())


def _passes(error: ServiceError | ClientFault) -> bool:
    """Whether the same question may be answered later."""
    return isinstance(error, ClientFault) or error.status >= 500 or "Throttl" in error.code


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
