"""What runs behind the service: Lambda and the engine, wired together."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from mapfold.local.endpoints import Endpoints, SharedClient
from mapfold.local.service import CheckDefinition, ChildNames, Engine
from mapfold.local.store import Store


async def _nothing_to_resume() -> int:
    return 0


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Backend:
    """What the service needs of those behind it, and the routes that they answer themselves."""

    engine: Engine
    children: ChildNames
    check_definition: CheckDefinition
    routes: Sequence[BaseRoute] = ()
    resume: Callable[[], Awaitable[int]] = _nothing_to_resume
    """Go on with the executions that had not ended when the process before us did; how many there are."""
    log_group_exists: Callable[[str], Awaitable[bool]] | None = None
    """Whether CloudWatch Logs has a log group of this name; None: nobody can say."""
    after_ready: Callable[[], None] = _nothing
    """Begin with what can wait until the server answers: nobody's start should take longer for it."""
    before_end: Callable[[], None] = _nothing
    """The server is about to end: requests that wait for something should not hold it up."""


OpenBackend = Callable[[Path, Store, Endpoints], AbstractAsyncContextManager[Backend]]
"""(data directory, store, endpoints) -> the backend; leaving it stops what runs."""


@asynccontextmanager
async def open_backend(data: Path, store: Store, endpoints: Endpoints) -> AsyncIterator[Backend]:
    """The real one: Lambda workers and the engine. Leaving it cuts executions off first, then ends workers."""
    from mapfold.local import api_gateway
    from mapfold.local.engine import Engine as RealEngine
    from mapfold.local.engine.integrations.written import refused_parameters
    from mapfold.local.execution_logs import LogDelivery
    from mapfold.local.lambda_ import LambdaService, default_max_workers
    from mapfold.local.map_run import PatientS3, identity, patience_of
    from mapfold.local.sdk.models import knows_action
    from mapfold.states import compile_machine

    clients = SharedClient(endpoints)
    s3: Callable[[], Any] = clients.s3  # each asks for a client by its own type
    once: Callable[[], Any] = SharedClient(endpoints, attempts=1).s3
    patient = PatientS3(once, patience_seconds=patience_of(os.environ))  # it tries again by itself
    workers = default_max_workers()
    # Plan shapes a run by how much can run at once: here that is what this machine's cores bear, not AWS's thousand.
    environment = {**endpoints.worker_environment(), "MAPFOLD_CONCURRENCY": str(workers)}
    lambda_service = LambdaService(
        data=data, region=endpoints.region, environment=environment, max_workers=workers, s3=s3, sqs=clients.sqs
    )
    async with (
        lambda_service,
        LogDelivery(clients.logs, clock=time.time) as logs,
        RealEngine(
            store=store,
            lambda_service=lambda_service,
            region=endpoints.region,
            s3=lambda: patient,
            clients=endpoints,
            logs=logs,
        ) as engine,
    ):
        try:
            yield Backend(
                engine=engine,
                children=identity,
                check_definition=lambda text, express: _compile(
                    compile_machine,
                    text,
                    express=express,
                    knows_action=knows_action,
                    refuses_parameters=refused_parameters,
                ),
                routes=[*lambda_service.routes(), *api_gateway.routes(lambda_service)],
                resume=engine.resume,
                log_group_exists=logs.has_group,
                after_ready=lambda_service.event_sources.start,
                before_end=engine.activities.close,
            )
        finally:
            patient.give_up()  # nobody waits for S3 while everything ends


def _compile(compile_machine: Callable[..., object], text: str, **options: Any) -> None:
    compile_machine(text, **options)
