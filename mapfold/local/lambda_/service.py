"""`LambdaService`: functions, their workers and their logs, as the engine and the server use them."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson
from starlette.routing import Route

from mapfold.local.json_faults import explain_fault
from mapfold.local.lambda_ import api
from mapfold.local.lambda_.code import Code, place_code
from mapfold.local.lambda_.concurrency import Concurrency
from mapfold.local.lambda_.errors import (
    LambdaError,
    event_too_large,
    function_not_found,
    invalid_parameter,
    request_too_large,
    stale_revision,
    too_many_requests,
)
from mapfold.local.lambda_.event_sources import EventSourceMappings
from mapfold.local.lambda_.fleet import MAX_WAITING, Fleet, Pool, default_max_workers
from mapfold.local.lambda_.functions import LATEST, Function, Scope
from mapfold.local.lambda_.invocations import MAX_ASYNC_PAYLOAD_BYTES, MAX_REQUEST_BYTES, Call, Invocation
from mapfold.local.lambda_.layers import Layers
from mapfold.local.lambda_.requests import Settings
from mapfold.local.lambda_.store import LambdaStore
from mapfold.local.lambda_.times import now
from mapfold.local.lambda_.versions import Alias, Versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_EVENT_SECONDS = 6 * 3600.0
"""How long an Event invocation waits for concurrency: Lambda's MaximumEventAgeInSeconds by default."""
_EVENT_RETRY_SECONDS = 0.25
_LONGEST_EXPLAINED = 1 << 16
"""Bytes of a wrong payload in which the fault is looked for as AWS would tell it: that takes a µs a byte, on the loop."""


class LambdaService:
    """The embedded Lambda. `async with` it: entering reads the functions back, leaving ends all workers.

    `data` is the folder for its SQLite file and unpacked zips. `environment` goes into every worker (endpoints,
    credentials, region). `max_workers` bounds the worker processes of all functions, by default twice the cores.
    A worker that has not loaded its handler after `init_timeout_seconds` is killed; AWS gives 10 s, a laptop that
    starts several at once needs more. `s3` is asked for a client when a function's zip lies in a bucket, `sqs` when an
    event source mapping needs one.
    """

    def __init__(
        self,
        *,
        data: Path,
        region: str = "us-east-1",
        account: str = "123456789012",
        environment: Mapping[str, str] | None = None,
        max_workers: int | None = None,
        init_timeout_seconds: float = 30.0,
        s3: Callable[[], S3Client] | None = None,
        sqs: Callable[[], SQSClient] | None = None,
    ) -> None:
        self.scope = Scope(region, account)
        self.max_workers = max_workers or default_max_workers()
        self._code_folder = data / "functions"
        self._store = LambdaStore(data / "lambda.sqlite")
        self._environment = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **(environment or {})}
        self._init_timeout_seconds = init_timeout_seconds
        self._s3 = s3
        self.event_sources = EventSourceMappings(scope=self.scope, store=self._store, functions=self, sqs=sqs)
        self._functions: dict[str, Function] = {}
        self._changes = asyncio.Lock()
        self.versions = Versions(self.scope, self._store)
        self.layers = Layers(scope=self.scope, store=self._store, folder=data / "layers", s3=s3, changes=self._changes)
        self.concurrency = Concurrency(self._store)
        self._targets: dict[tuple[str, str | None], tuple[Pool, bytes]] = {}
        self._throttled_events: set[asyncio.Task[None]] = set()
        # Request ids look like random UUIDs. All but the last 12 digits are drawn once: uuid4() costs 2 µs a call.
        self._request_id_prefix = str(uuid.uuid4())[:24]
        self._request_number = uuid.uuid4().int & 0xFFFF_FFFF_FFFF

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._store)
            self._loop = asyncio.get_running_loop()
            self._functions = {function.name: function for function in await self._store.functions()}
            await self.versions.load()
            await self.layers.load()
            await self.concurrency.load()
            await asyncio.to_thread(self._remove_stale_code)
            tasks = self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            self._fleet = Fleet(
                tasks,
                environment=self._environment,
                max_workers=self.max_workers,
                init_timeout_seconds=self._init_timeout_seconds,
                keep_log=self._store.keep_log,
            )
            stack.callback(self._fleet.stop)
            stack.callback(self._drop_throttled_events)
            await stack.enter_async_context(self.event_sources)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _drop_throttled_events(self) -> None:
        for task in list(self._throttled_events):
            task.cancel()

    def routes(self) -> list[Route]:
        """Lambda's REST API, to be mounted at the root of a Starlette app."""
        return api.routes(self)

    # --- invocations ------------------------------------------------------------------------------------------

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        on_started: Callable[[], None] | None = None,
        want_log: bool = False,
        client_context: bytes | None = None,
        is_json: bool = False,
    ) -> Invocation:
        """Run `function` (a name, ARN or partial ARN, perhaps with a qualifier) on `payload`, and wait for its end.

        Calls wait first in, first out for a worker; `on_started` is called on the loop when one takes it. A cancelled
        call is not run if it still waits; if it runs, it runs on and its result is dropped. A handler that fails is
        an Invocation with a `function_error`. Pass `is_json=True` if the payload comes from a JSON encoder: it is
        then not parsed to see whether it is JSON. `client_context` is JSON without line breaks.

        Raises LambdaError: ResourceNotFoundException, RequestEntityTooLargeException, InvalidRequestContentException,
        TooManyRequestsException.
        """
        call = self._submit(
            function, payload, qualifier, on_started, want_log, client_context, is_json, MAX_REQUEST_BYTES
        )
        return await call.answer

    def submit(
        self, function: str, payload: bytes, qualifier: str | None, on_started: Callable[[], None] | None
    ) -> asyncio.Future[Invocation]:
        """`invoke` for a payload from a JSON encoder and a caller in a hurry: no coroutine, the future itself.

        Cancel it when nobody waits any more.
        """
        return self._submit(function, payload, qualifier, on_started, False, None, True, MAX_REQUEST_BYTES).answer

    def invoke_event(
        self, function: str, payload: bytes, *, qualifier: str | None = None, client_context: bytes | None = None
    ) -> str:
        """Queue an Event invocation (at most 1 MB) and give its request id; its result is dropped.

        It is run once: AWS would run a failed one up to twice more, minutes later. Over a reserved concurrency it
        waits its turn, for six hours at the most.
        """
        if self.concurrency and self.concurrency.reserved(self._to_invoke(function, qualifier)) is not None:
            return self._wait_for_concurrency(function, payload, qualifier, client_context)
        call = self._submit(function, payload, qualifier, None, False, client_context, False, MAX_ASYNC_PAYLOAD_BYTES)
        return call.request_id

    def _wait_for_concurrency(
        self, function: str, payload: bytes, qualifier: str | None, client_context: bytes | None
    ) -> str:
        if len(payload) > MAX_ASYNC_PAYLOAD_BYTES:
            raise event_too_large(len(payload), MAX_ASYNC_PAYLOAD_BYTES)
        if len(self._throttled_events) >= MAX_WAITING:
            raise too_many_requests()
        payload, request_id = _checked(payload), self.new_request_id()
        given_up = self._loop.time() + _EVENT_SECONDS

        async def submit() -> None:
            while self._loop.time() < given_up:
                try:
                    self._submit(
                        function, payload, qualifier, None, False, client_context, True, MAX_ASYNC_PAYLOAD_BYTES,
                        request_id=request_id,
                    )  # fmt: skip
                except LambdaError as error:
                    if error.code != "TooManyRequestsException":
                        return
                    await asyncio.sleep(_EVENT_RETRY_SECONDS)
                else:
                    return

        task = self._tasks.create_task(submit(), name=f"event-{request_id}")
        self._throttled_events.add(task)
        task.add_done_callback(self._throttled_events.discard)
        return request_id

    async def log(self, request_id: str) -> bytes | None:
        """What the invocation printed, between Lambda's START and REPORT lines; None if it printed nothing."""
        record = await self._store.log(request_id)
        return record.text() if record else None

    def new_request_id(self) -> str:
        """A request id, in the form of a UUID."""
        self._request_number = (self._request_number + 1) & 0xFFFF_FFFF_FFFF
        return f"{self._request_id_prefix}{self._request_number:012x}"

    # --- functions --------------------------------------------------------------------------------------------

    def functions(self) -> list[Function]:
        """All functions, by name."""
        return [self._functions[name] for name in sorted(self._functions)]

    def function(
        self, reference: str, qualifier: str | None = None, *, to_invoke: bool = False
    ) -> tuple[Function, str | None]:
        """The function, or the version, of a name or ARN, and the qualifier that it was asked with.

        Of an alias, the version that it gives most calls to. One that is not there is called by its ARN in the refusal; who
        wants `to_invoke` it is told of `$LATEST`, as by Lambda.
        """
        name, qualifier = self.scope.resolve(reference, qualifier)
        function = self._functions.get(name)
        if function is not None and qualifier not in (None, LATEST):
            alias = self.versions.find_alias(name, qualifier)
            function = self._version(function, alias.version if alias else qualifier)
        if function is None:
            raise function_not_found(self.scope.arn(name, qualifier or (LATEST if to_invoke else None)))
        return function, qualifier

    def _to_invoke(self, reference: str, qualifier: str | None) -> str:
        function, _ = self.function(reference, qualifier, to_invoke=True)
        return function.name

    def _version(self, latest: Function, version: str) -> Function | None:
        return latest if version == LATEST else self.versions.find(latest.name, version)

    def published(self, latest: Function) -> list[Function]:
        """$LATEST and every version of a function, oldest first."""
        return [latest, *self.versions.of(latest.name)]

    async def create_function(self, settings: Settings, code: Mapping[str, Any], *, publish: bool = False) -> Function:
        """Make a function; with `publish` its first version, too, which is the answer.

        ResourceConflictException if its name is taken.
        """
        name, _ = self.scope.resolve(settings.name)
        async with self._changes:
            if name in self._functions:
                raise LambdaError("ResourceConflictException", f"Function already exist: {name}", 409)
            layers = self.layers.resolve(settings.layers or ())
            placed = await self._place(name, code)
            function = settings.applied_to(
                Function(
                    name=name,
                    handler="",
                    folder=placed.folder,
                    runtime="",
                    role="",
                    code_sha256=placed.sha256,
                    code_size=placed.size,
                    in_place=placed.in_place,
                    last_modified=now(),
                    revision_id=str(uuid.uuid4()),
                ),
                layers,
            )
            await self._put(function)
            return await self.versions.publish(function) if publish else function

    async def update_code(
        self,
        reference: str,
        code: Mapping[str, Any],
        *,
        revision_id: str | None = None,
        dry_run: bool = False,
        publish: bool = False,
    ) -> Function:
        """Give the function new code. Workers are replaced, even if a folder in place is the same as before."""
        async with self._changes:
            function = self._at_revision(reference, revision_id)
            placed = await self._place(function.name, code)
            changed = replace(
                function,
                folder=placed.folder,
                code_sha256=placed.sha256,
                code_size=placed.size,
                in_place=placed.in_place,
                last_modified=now(),
                revision_id=str(uuid.uuid4()),
            )
            if dry_run:
                return changed
            await self._put(changed)
            return await self.versions.publish(changed) if publish else changed

    async def update_configuration(
        self, reference: str, settings: Settings, *, revision_id: str | None = None
    ) -> Function:
        """Change what `settings` gives; the rest stays. Workers are replaced."""
        async with self._changes:
            function = self._at_revision(reference, revision_id)
            changed = settings.applied_to(function, self.layers.resolve(settings.layers or ()))
            changed = replace(changed, last_modified=now(), revision_id=str(uuid.uuid4()))
            await self._put(changed)
        return changed

    async def publish_version(
        self,
        reference: str,
        *,
        description: str | None = None,
        code_sha256: str | None = None,
        revision_id: str | None = None,
    ) -> Function:
        """$LATEST as a version; the last one where nothing has changed since."""
        async with self._changes:
            latest = self._at_revision(reference, revision_id)
            return await self.versions.publish(latest, description=description, code_sha256=code_sha256)

    async def delete_function(self, reference: str, qualifier: str | None = None) -> None:
        """Delete the function with all of its versions, or one version; a version that is not there is no error.

        Calls that run are let finish, calls that wait fail as for an unknown function.
        """
        async with self._changes:
            name, asked_for = self.scope.resolve(reference, qualifier)
            function = self._functions.get(name)
            if function is None:
                raise function_not_found(self.scope.arn(name, asked_for))
            if asked_for == LATEST:
                raise invalid_parameter("$LATEST version cannot be deleted without deleting the function.")
            if asked_for is not None:
                if not asked_for.isdecimal():
                    raise invalid_parameter("Deletion of aliases is not currently supported.")
                version = self.versions.find(name, asked_for)
                if version is None:
                    return
                await self.versions.delete(version)
                gone = [version]
            else:
                gone = self.published(function)
                await self._store.delete_function(function.name)
                await self.versions.forget(function.name)
                self.concurrency.forget(function.name)
                del self._functions[function.name]
            self._targets.clear()
            for version in gone:
                self._fleet.remove(version, self.scope.arn(function.name, version.version))
            self.event_sources.functions_changed()

    async def reserve_concurrency(self, reference: str, calls: object) -> int:
        """PutFunctionConcurrency: how many calls of the function may be under way at once."""
        async with self._changes:
            return await self.concurrency.reserve(self._unqualified(reference).name, calls)

    async def release_concurrency(self, reference: str) -> None:
        """DeleteFunctionConcurrency."""
        async with self._changes:
            await self.concurrency.release(self._unqualified(reference).name)

    async def create_alias(self, reference: str, document: Mapping[str, Any]) -> Alias:
        """CreateAlias."""
        async with self._changes:
            return await self.versions.create_alias(self._unqualified(reference).name, document)

    async def update_alias(self, reference: str, name: str, document: Mapping[str, Any]) -> Alias:
        """UpdateAlias: the next call goes where it points to now."""
        async with self._changes:
            alias = await self.versions.update_alias(self._unqualified(reference).name, name, document)
            self._aliases_changed()
        return alias

    async def delete_alias(self, reference: str, name: str) -> None:
        """DeleteAlias."""
        async with self._changes:
            await self.versions.delete_alias(self._unqualified(reference).name, name)
            self._aliases_changed()

    def _aliases_changed(self) -> None:
        self._targets.clear()
        self.event_sources.functions_changed()

    def _unqualified(self, reference: str) -> Function:
        function, qualifier = self.function(reference)
        if qualifier is not None:
            raise invalid_parameter(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
                "operation. Please specify either a function name or an unqualified function ARN."
            )
        return function

    # --- helpers ------------------------------------------------------------------------------------------------

    def _submit(
        self,
        function: str,
        payload: bytes,
        qualifier: str | None,
        on_started: Callable[[], None] | None,
        want_log: bool,
        client_context: bytes | None,
        is_json: bool,
        limit: int,
        request_id: str | None = None,
    ) -> Call:
        target = self._targets.get((function, qualifier))
        if target is None:
            target = self._find_target(function, qualifier)
        pool, arn = target
        if len(payload) > limit:
            is_event = limit == MAX_ASYNC_PAYLOAD_BYTES
            raise event_too_large(len(payload), limit) if is_event else request_too_large(limit)
        if not is_json:
            payload = _checked(payload)
        # By position: keywords would cost 0.5 µs a call.
        call = Call(
            self._loop.create_future(),
            arn,
            payload,
            request_id or self.new_request_id(),
            on_started,
            want_log,
            client_context,
        )
        if self.concurrency:
            self.concurrency.check(pool.function.name, self._fleet.active(pool.function.name))
        self._fleet.submit(pool, call)
        return call

    def _find_target(self, reference: str, qualifier: str | None) -> tuple[Pool, bytes]:
        """Whose workers take a call, and the ARN that it was made with. Kept, but for an alias of two versions."""
        found, effective = self.function(reference, qualifier, to_invoke=True)
        alias = self.versions.find_alias(found.name, effective or "")
        if alias is not None and alias.weights:
            found = self.versions.find(found.name, alias.choose()) or found
        target = self._fleet.pool(found), self.scope.arn(found.name, effective).encode()
        if alias is None or not alias.weights:
            self._targets[(reference, qualifier)] = target
        return target

    async def _put(self, function: Function) -> None:
        await self._store.put_function(function)
        self._functions[function.name] = function
        self._targets.clear()
        self._fleet.replace(function)
        self.event_sources.functions_changed()

    async def _place(self, name: str, code: Mapping[str, Any]) -> Code:
        return await asyncio.to_thread(place_code, code, folder=self._code_folder / name, s3=self._s3)

    def _at_revision(self, reference: str, revision_id: str | None) -> Function:
        name, qualifier = self.scope.resolve(reference)
        function, _ = self.function(name)
        if qualifier not in (None, LATEST):
            raise invalid_parameter(
                "Current operation does not support versions other than $LATEST. Please set the version to $LATEST or "
                "do not set a version in your request."
            )
        if revision_id and revision_id != function.revision_id:
            raise stale_revision()
        return function

    def _remove_stale_code(self) -> None:
        """Remove unpacked zips that no function runs from any more. At start-up, when no worker is in them."""
        functions = [*self._functions.values(), *self.versions.all()]
        self.layers.remove_stale(functions)
        used = {function.folder for function in functions}
        for folder in self._code_folder.glob("*/*"):
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)


def _checked(payload: bytes) -> bytes:
    """`payload`, if it is JSON; an empty one is the event {}, as on AWS."""
    if not payload:
        return b"{}"
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        try:
            json.loads(payload)  # it allows what orjson does not, such as a lone surrogate
        except ValueError as error:
            short = len(payload) <= _LONGEST_EXPLAINED
            fault = explain_fault(payload.decode("utf-8", "replace"), "byte[]") if short else error
            message = f"Could not parse request body into json: Could not parse payload into json: {fault}"
            raise LambdaError("InvalidRequestContentException", message, 400) from error
    return payload
