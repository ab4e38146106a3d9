"""`mapfold local`: the whole embedded AWS, up and down.

In this order, each closed before the one above it: the data directory's lock, the port, the store, moto with what it
was asked to keep, Lambda and the engine, the HTTP server. The first SIGINT or SIGTERM stops in the opposite order: no
new requests, executions are cut off where they are, everything is committed, moto ends. A second one ends at once. The
next start goes on with what was running, as it does after a crash.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from textwrap import indent

import orjson
import uvicorn
import uvloop

from mapfold.errors import MapfoldError, ServiceError
from mapfold.local.backend import Backend, OpenBackend, open_backend
from mapfold.local.companion import accompany
from mapfold.local.endpoints import Endpoints, region_of
from mapfold.local.garbage import rare_collections
from mapfold.local.moto import HOST, MotoServer, listen, open_moto
from mapfold.local.service import Service, create_app
from mapfold.local.store import Store, lock_data_directory, naming, open_store
from mapfold.local.turns import short_turns

log = logging.getLogger(__name__)

INTERRUPTED = 130
GRACE_SECONDS = 1
"""How long requests under way (a synchronous Invoke) may go on when we stop."""

KEEP_ALIVE_SECONDS = 75
"""Longer than SDKs leave a connection unused, so that they never write to one that we are just closing."""


def serve(*, port: int, aws_port: int, data: Path, console: bool = True, companion: Sequence[str] | None = None) -> int:
    """Serve in the foreground until a signal comes: 130 after SIGINT, 0 after SIGTERM.

    `companion` is a command to run once it answers, with endpoints in its environment that lead to it. Port 0 is any
    free one. Prints `ready http://127.0.0.1:<port>` when it answers. Raises StoreError (the data
    directory is in use, or its disk is full) or ServiceError (a port is taken, moto does not start or ends).
    """
    del console  # the console has no pages yet
    settings = Settings(
        port=port, aws_port=aws_port, data=data.absolute(), environment=dict(os.environ), companion=companion
    )
    return run(settings, open_backend)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to serve, what to keep it in, and the environment that says who else serves something."""

    port: int
    aws_port: int
    data: Path
    environment: Mapping[str, str]
    companion: Sequence[str] | None = None


def run(settings: Settings, backend: OpenBackend) -> int:
    """Serve what `backend` opens; `serve` with everything handed in."""
    with lock_data_directory(settings.data), listen(settings.port, option="--port") as bound:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_Server(settings, bound).run(backend))
        except BaseExceptionGroup as group:
            reason = _first_of_ours(group)
            if reason is None:
                raise
            raise reason from group


class _Server:
    """One time of being up."""

    def __init__(self, settings: Settings, bound: socket.socket) -> None:
        self._settings = settings
        self._bound = bound
        self._port: int = bound.getsockname()[1]
        self._stop = asyncio.Event()
        self._signals: list[int] = []
        self._moto: MotoServer | None = None
        self._serving = False
        self._deploying = settings.companion is not None  # from before we are ready: nobody has to catch it

    async def run(self, backend: OpenBackend) -> int:
        main = asyncio.current_task()
        assert main is not None
        with self._hearing_signals(main):
            try:
                await self._run(backend)
            except asyncio.CancelledError:
                if not self._signals:  # it was not ours
                    raise
        return INTERRUPTED if signal.SIGINT in self._signals else 0

    async def _run(self, backend: OpenBackend) -> None:
        data = self._settings.data
        async with open_store(data) as store, _moto(self._settings) as moto:
            self._moto = moto
            endpoints = Endpoints.of(
                service=f"http://{HOST}:{self._port}", aws=moto.endpoint, environment=self._settings.environment
            )
            async with backend(data, store, endpoints) as behind:
                service = Service(
                    store=store,
                    engine=behind.engine,
                    children=behind.children,
                    check_definition=behind.check_definition,
                    clock=time.time,
                    region=endpoints.region,
                    log_group_exists=behind.log_group_exists,
                )
                health = {"aws": moto.endpoint, "version": version(), "pid": os.getpid(), "data": str(data)}
                app = create_app(
                    service, more_routes=behind.routes, health=lambda: {**health, "deploying": self._deploying}
                )
                server = _HttpServer(
                    uvicorn.Config(
                        app,
                        http="httptools",
                        lifespan="off",
                        log_config=None,
                        access_log=False,
                        server_header=False,
                        timeout_keep_alive=KEEP_ALIVE_SECONDS,
                        timeout_graceful_shutdown=GRACE_SECONDS,
                    )
                )
                with self._announced(moto.port), rare_collections(), short_turns():
                    self._bound.listen()  # functions that now go on may call us before we answer
                    going_on = await behind.resume()
                    if going_on:
                        log.warning("going on with %d execution(s) that had not ended", going_on)
                    await self._answer(server, store, moto, behind, endpoints)
            left = len((await store.unfinished()).executions)
            if left:
                log.warning("%d execution(s) had not ended; the next start on %s goes on with them", left, data)

    async def _answer(
        self,
        server: _HttpServer,
        store: Store,
        moto: MotoServer,
        behind: Backend,
        endpoints: Endpoints,
    ) -> None:
        """Answer requests until we are told to stop, or something that we cannot do without has failed."""
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(server.serve([self._bound]), name="http")
            ready = tasks.create_task(self._be_ready(server, behind.after_ready, endpoints), name="ready")
            told = tasks.create_task(self._stop.wait(), name="stop")
            failed = tasks.create_task(store.failed.wait(), name="store-failure")
            ended = tasks.create_task(moto.ended(), name="moto-end")
            await asyncio.wait({answering, told, failed, ended}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            behind.before_end()
            await asyncio.wait({answering})
            for task in (ready, told, failed, ended):
                task.cancel()
        if store.failure is not None:
            raise store.failure
        if not self._stop.is_set():
            raise ServiceError(f"moto ended while it was needed; its log is {moto.log}")

    async def _be_ready(self, server: _HttpServer, after_ready: Callable[[], None], endpoints: Endpoints) -> None:
        await server.ready.wait()
        self._say_ready()
        after_ready()
        if self._settings.companion is not None:
            deployed = await accompany(self._settings.companion, endpoints.worker_environment())
            self._deploying = False
            if deployed:
                sys.stderr.write("deployed: runs can be started by upload, queue and API too\n")
                sys.stderr.flush()

    def _say_ready(self) -> None:
        self._serving = True
        sys.stdout.write(f"ready http://{HOST}:{self._port}\n")
        sys.stdout.flush()
        if self._moto is not None and sys.stderr.isatty():
            sys.stderr.write(for_people(self._port, self._moto.port, self._settings.data))
            sys.stderr.flush()

    @contextmanager
    def _announced(self, aws_port: int) -> Iterator[None]:
        """`<data>/local.json` tells clients where we are, and `local.env` shells, for as long as we are there."""
        facts = {
            "port": self._port,
            "aws_port": aws_port,
            "pid": os.getpid(),
            "version": version(),
            "region": region_of(self._settings.environment),
        }
        try:
            self._announce("local.env", f"{exports(self._port, aws_port)}\n".encode())
            self._announce("local.json", orjson.dumps(facts) + b"\n")
            yield
        finally:
            self._unannounce()

    def _announce(self, name: str, content: bytes) -> None:
        path = self._settings.data / name
        partial = path.with_name(f"{name}.partial")
        with naming(path, "written"):
            partial.write_bytes(content)
            partial.replace(path)

    def _unannounce(self) -> None:
        for name in ("local.json", "local.env"):
            (self._settings.data / name).unlink(missing_ok=True)

    # --- signals ------------------------------------------------------------------------------------------

    @contextmanager
    def _hearing_signals(self, main: asyncio.Task[object]) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in heard:
            loop.add_signal_handler(number, self._on_signal, number, main)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: int, main: asyncio.Task[object]) -> None:
        self._signals.append(number)
        if len(self._signals) > 1:
            self._end_at_once()
        self._stop.set()
        if not self._serving:  # still starting: there is nobody yet who looks at the event
            main.cancel()

    def _end_at_once(self) -> None:
        """The second signal. The store is consistent at any moment; workers and moto die with us."""
        self._unannounce()
        if self._moto is not None:
            self._moto.kill()
        os._exit(INTERRUPTED)


class _HttpServer(uvicorn.Server):
    """uvicorn, which leaves signals to us and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _moto(settings: Settings) -> AbstractAsyncContextManager[MotoServer]:
    return open_moto(port=settings.aws_port, data=settings.data, report=_say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def for_people(port: int, aws_port: int, data: Path) -> str:
    """What a person who started us in a terminal does next."""
    return f"""\
`mapfold run` finds it by its data directory, {data}. Any SDK does in a terminal where you paste:
{indent(exports(port, aws_port), "  ")}
Ctrl-C stops it. All is kept in that directory and there again the next time; what was running then goes on.
"""


def exports(port: int, aws_port: int) -> str:
    """What a shell has to be told so that SDKs in it find us."""
    service = f"http://{HOST}:{port}"
    return f"""\
export AWS_ENDPOINT_URL=http://{HOST}:{aws_port} AWS_ENDPOINT_URL_SFN={service} AWS_ENDPOINT_URL_LAMBDA={service}
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1
export AWS_DISABLE_HOST_PREFIX_INJECTION=true"""


def version() -> str:
    """Mapfold's version; "0" where it runs from a folder without having been installed."""
    try:
        return installed_version("mapfold")
    except PackageNotFoundError:
        return "0"


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> MapfoldError | None:
    for error in group.exceptions:
        found = _first_of_ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, MapfoldError):
            return found
    return None
