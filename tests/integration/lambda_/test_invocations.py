"""Calls of functions in real worker processes: what comes back when all goes well, and when it does not."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from pathlib import Path

import pytest

from mapfold.local.lambda_ import LambdaError, LambdaService
from mapfold.local.lambda_.memory import can_watch
from tests.integration.lambda_.conftest import CODE, Functions


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


async def ended(*pids: int) -> bool:
    """Whether the processes end within five seconds."""
    for _ in range(250):
        if not any(is_alive(pid) for pid in pids):
            return True
        await asyncio.sleep(0.02)
    return False


class TestResults:
    async def test_a_handlers_value_comes_back(self, functions: Functions) -> None:
        """The payload is the JSON of what the handler returned."""
        name = await functions.create("handlers.echo")

        outcome = await functions.call(name, {"text": "déjà vu", "n": [1, None]})

        assert json.loads(outcome.payload) == {"text": "déjà vu", "n": [1, None]}
        assert (outcome.function_error, outcome.executed_version) == (None, "$LATEST")

    async def test_a_worker_is_warm_after_its_first_call(self, functions: Functions) -> None:
        """Calls one after the other use one process, and its globals."""
        name = await functions.create("handlers.count")

        answers = [json.loads((await functions.call(name, {})).payload) for _ in range(3)]

        assert [answer["calls"] for answer in answers] == [1, 2, 3]
        assert len({answer["pid"] for answer in answers}) == 1

    @pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="the system has no batch scheduling")
    async def test_a_worker_that_wakes_leaves_the_server_its_processor(self, functions: Functions) -> None:
        """Workers are batch processes: each write to one would else interrupt the server (a fifth of the rate)."""
        name = await functions.create("handlers.count")

        pid = json.loads((await functions.call(name, {})).payload)["pid"]

        assert os.sched_getscheduler(pid) == os.SCHED_BATCH

    async def test_the_worker_sees_what_lambda_shows(self, functions: Functions) -> None:
        """Environment, folder, sys.path and context are those of Lambda; shared and own variables come through."""
        name = await functions.create(
            "handlers.describe", MemorySize=256, Environment={"Variables": {"COLOUR": "green"}}
        )

        outcome = await functions.call(name, {}, client_context=b'{"custom":{"a":1}}')

        seen = json.loads(outcome.payload)
        environment = seen["environment"]
        assert (seen["folder"], seen["path"], environment["LAMBDA_TASK_ROOT"]) == (str(CODE),) * 3
        assert (environment["AWS_LAMBDA_FUNCTION_NAME"], environment["_HANDLER"]) == (name, "handlers.describe")
        assert (environment["COLOUR"], environment["AWS_ENDPOINT_URL"]) == ("green", "http://127.0.0.1:9")
        assert "_MAPFOLD_PARENT" not in environment
        assert "PYTEST_CURRENT_TEST" not in environment
        assert seen["request_id"] == outcome.request_id
        assert seen["arn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        assert (seen["memory"], seen["custom"]) == ("256", {"a": 1})
        assert 25_000 < seen["remaining_ms"] <= 30_000

    async def test_more_callers_than_workers_wait_their_turn(self, functions: Functions) -> None:
        """With two workers, forty calls all come back, each to its caller, and only two processes served them."""
        name = await functions.create("handlers.count")

        outcomes = await asyncio.gather(*(functions.call(name, {}) for _ in range(40)))

        answers = [json.loads(outcome.payload) for outcome in outcomes]
        assert len({outcome.request_id for outcome in outcomes}) == 40
        assert len({answer["pid"] for answer in answers}) <= 2
        assert answers[0]["calls"] == 1

    async def test_on_started_is_called_when_a_worker_takes_the_call(self, functions: Functions) -> None:
        """Once, before the call ends."""
        name = await functions.create("handlers.echo")
        started: list[str] = []

        await functions.call(name, {}, on_started=lambda: started.append("now"))

        assert started == ["now"]

    async def test_an_empty_payload_is_an_empty_object(self, functions: Functions) -> None:
        """As on AWS when Invoke has no body."""
        name = await functions.create("handlers.echo")

        outcome = await functions.service.invoke(name, b"")

        assert outcome.payload == b"{}"


class TestFunctionErrors:
    async def test_an_exception_is_lambdas_document(self, functions: Functions) -> None:
        """errorMessage, errorType, requestId, stackTrace, in this order, and the worker stays. Code in place keeps its paths."""
        name = await functions.create("handlers.fail")

        outcome = await functions.call(name, {})

        document = json.loads(outcome.payload)
        assert outcome.function_error == "Unhandled"
        assert list(document) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert (document["errorMessage"], document["errorType"]) == ("no such luck", "ValueError")
        assert document["stackTrace"][0].startswith(f'  File "{CODE}/handlers.py", line ')

    @pytest.mark.parametrize(
        ("handler", "source", "error_type"),
        [
            ("handlers.missing", None, "Runtime.HandlerNotFound"),
            ("absent.handler", None, "Runtime.ImportModuleError"),
            ("broken.handler", "def handler(event, context)\n    pass\n", "Runtime.UserCodeSyntaxError"),
            ("nodots", None, "Runtime.MalformedHandlerName"),
            ("raises.handler", "raise KeyError('at import')\n", "KeyError"),
            ("leaves.handler", "import os\nos._exit(4)\n", "Runtime.ExitError"),
        ],
    )
    async def test_a_handler_that_cannot_be_loaded(
        self, functions: Functions, tmp_path: Path, handler: str, source: str | None, error_type: str
    ) -> None:
        """Each call that would start a worker gets the reason; the service goes on."""
        if source is not None:
            (tmp_path / (handler.split(".")[0] + ".py")).write_text(source)
        name = await functions.create(handler, folder=CODE if source is None else tmp_path)

        outcomes = await asyncio.gather(functions.call(name, {}), functions.call(name, {}))

        assert [json.loads(outcome.payload)["errorType"] for outcome in outcomes] == [error_type] * 2
        assert [outcome.function_error for outcome in outcomes] == ["Unhandled"] * 2

    async def test_a_result_that_is_not_json(self, functions: Functions) -> None:
        """Runtime.MarshalError."""
        name = await functions.create("handlers.unserialisable")

        outcome = await functions.call(name, {})

        assert json.loads(outcome.payload)["errorType"] == "Runtime.MarshalError"

    async def test_a_result_over_six_megabytes(self, functions: Functions) -> None:
        """6,291,556 bytes pass (two of them are the quotes), one more does not, and the worker stays."""
        name = await functions.create("handlers.large")

        fits = await functions.call(name, 6_291_554)
        too_large = await functions.call(name, 6_291_555)

        assert len(fits.payload) == 6_291_556
        assert json.loads(too_large.payload)["errorType"] == "Function.ResponseSizeTooLarge"

    async def test_a_timeout_kills_the_worker_and_its_children(self, functions: Functions, tmp_path: Path) -> None:
        """Sandbox.Timedout after the function's Timeout; what the handler spawned goes with it."""
        name = await functions.create("handlers.spawn", Timeout=1)
        began = time.monotonic()

        outcome = await functions.call(name, {"hang": True, "pids": str(tmp_path / "pids")}, want_log=True)

        assert 0.9 < time.monotonic() - began < 5
        assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"
        line = rb"\d\d\.\d\d\dZ %b Task timed out after 1\.00 seconds\n\nEND" % outcome.request_id.encode()
        assert re.search(line, outcome.log_tail)
        assert await ended(*map(int, (tmp_path / "pids").read_text().split()))
        assert (await functions.call(name, {})).function_error is None

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            ({"status": 3}, "Runtime exited with error: exit status 3"),
            ({"status": 0}, "Runtime exited without providing a reason"),
            ({"signal": True}, "Runtime exited with error: signal: killed"),
        ],
    )
    async def test_a_crash_ends_one_call_only(
        self, functions: Functions, event: dict[str, object], reason: str
    ) -> None:
        """Of calls that run and wait together, only the one whose worker crashed fails."""
        name = await functions.create("handlers.crash")

        crashed, *others = await asyncio.gather(
            functions.call(name, event, want_log=True), *(functions.call(name, {"n": n}) for n in range(6))
        )

        document = json.loads(crashed.payload)
        assert document["errorType"] == "Runtime.ExitError"
        assert document["errorMessage"] == f"RequestId: {crashed.request_id} Error: {reason}"
        told = f"last words\n{document['errorMessage']}\nRuntime.ExitError\nEND RequestId: "
        assert told.encode() in crashed.log_tail
        assert crashed.log_tail.endswith(b"\tStatus: error\tError Type: Runtime.ExitError\t\n")
        assert [json.loads(other.payload) for other in others] == [{"n": n} for n in range(6)]

    async def test_a_worker_that_never_gets_ready(self, tmp_path: Path) -> None:
        """A module that does not end importing is killed at the init timeout."""
        (tmp_path / "stuck.py").write_text("import time\ntime.sleep(60)\n")
        async with LambdaService(data=tmp_path / "data", init_timeout_seconds=0.5) as service:
            functions = Functions(service)
            name = await functions.create("stuck.handler", folder=tmp_path)

            outcome = await functions.call(name, {})

        assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"

    async def test_a_folder_that_is_gone(self, functions: Functions, tmp_path: Path) -> None:
        """A worker that cannot be started is that call's error, not the service's."""
        folder = tmp_path / "gone"
        folder.mkdir()
        name = await functions.create("handlers.echo", folder=folder)
        folder.rmdir()

        outcome = await functions.call(name, {})

        assert json.loads(outcome.payload)["errorType"] == "Runtime.InvalidEntrypoint"


class TestCancelledCalls:
    async def test_a_running_call_runs_on_and_its_worker_serves_the_next(self, functions: Functions) -> None:
        """Its result is dropped; the next caller gets its own, not that one."""
        name = await functions.create("handlers.slow")
        running = asyncio.Event()
        task = asyncio.create_task(functions.call(name, {"seconds": 0.3}, on_started=running.set))
        await running.wait()

        task.cancel()
        outcome = await functions.call(name, {"seconds": 0})

        assert json.loads(outcome.payload) == {"seconds": 0}
        assert task.cancelled()

    async def test_a_waiting_call_is_never_started(self, functions: Functions) -> None:
        """Cancelled before a worker took it, it is skipped."""
        name = await functions.create("handlers.slow")
        started: list[int] = []
        tasks = [
            asyncio.create_task(functions.call(name, {"seconds": 0.2}, on_started=lambda n=n: started.append(n)))
            for n in range(6)
        ]
        await asyncio.sleep(0)

        tasks[5].cancel()
        await asyncio.gather(*tasks[:5])

        assert 5 not in started
        assert sorted(started) == [0, 1, 2, 3, 4]


class TestRefusals:
    async def test_an_unknown_function(self, functions: Functions) -> None:
        """ResourceNotFoundException with the ARN that was meant, `$LATEST` where nothing else was."""
        with pytest.raises(LambdaError) as caught:
            await functions.call("nobody", {})

        arn = "arn:aws:lambda:us-east-1:123456789012:function:nobody"
        assert (caught.value.code, caught.value.status) == ("ResourceNotFoundException", 404)
        assert caught.value.message == f"Function not found: {arn}:$LATEST"

    async def test_a_payload_that_is_not_json(self, functions: Functions) -> None:
        """InvalidRequestContentException, before a worker is asked."""
        name = await functions.create("handlers.echo")

        with pytest.raises(LambdaError) as caught:
            await functions.service.invoke(name, b"{nope")
        with pytest.raises(LambdaError) as long:
            await functions.service.invoke(name, b"[" + b"1," * 3_000_000 + b"x]")

        assert (caught.value.code, caught.value.status) == ("InvalidRequestContentException", 400)
        assert caught.value.message == (
            "Could not parse request body into json: Could not parse payload into json: Unexpected character ('n' (code "
            "110)): was expecting double-quote to start field name\n"
            ' at [Source: (byte[])"{nope"; line: 1, column: 3]'
        )
        assert long.value.message.endswith("json: Expecting value: line 1 column 6000002 (char 6000001)")

    async def test_a_payload_over_six_megabytes(self, functions: Functions) -> None:
        """RequestEntityTooLargeException 413 from 6,291,457 bytes on."""
        name = await functions.create("handlers.echo")

        with pytest.raises(LambdaError) as caught:
            await functions.service.invoke(name, b'"' + b"x" * 6_291_455 + b'"')

        assert (caught.value.code, caught.value.status) == ("RequestEntityTooLargeException", 413)
        assert caught.value.message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"

    async def test_an_event_over_one_megabyte(self, functions: Functions) -> None:
        """An Event invocation takes 1 MB."""
        name = await functions.create("handlers.echo")

        with pytest.raises(LambdaError) as caught:
            functions.service.invoke_event(name, b'"' + b"x" * 1_048_576 + b'"')

        assert caught.value.code == "RequestEntityTooLargeException"
        assert caught.value.message == (
            "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        )


class TestLogs:
    async def test_each_invocation_has_its_own_lines(self, functions: Functions) -> None:
        """stdout, stderr and logging in their order, and nothing of another call."""
        name = await functions.create("handlers.talk")

        outcomes = await asyncio.gather(*(functions.call(name, f"call {n}", want_log=True) for n in range(8)))

        for n, outcome in enumerate(outcomes):
            lines = outcome.log_tail.decode().splitlines()
            printed = lines[1:-2]
            assert lines[0] == f"START RequestId: {outcome.request_id} Version: $LATEST"
            assert printed[:2] == [f"call {n}", "to stderr: é"]
            assert printed[2].startswith("[WARNING]")
            assert printed[2].endswith(f"{outcome.request_id}\tby logging")
            assert lines[-1].startswith(f"REPORT RequestId: {outcome.request_id}\tDuration: ")

    async def test_a_log_can_be_read_later(self, functions: Functions) -> None:
        """By request id, whether the tail was asked for or not; silence is not kept."""
        talk = await functions.create("handlers.talk")
        echo = await functions.create("handlers.echo")

        told = await functions.call(talk, "hello")
        silent = await functions.call(echo, {})

        assert b"\nhello\n" in (await functions.service.log(told.request_id) or b"")
        assert await functions.service.log(silent.request_id) is None

    async def test_an_exceptions_traceback_is_in_the_log(self, functions: Functions) -> None:
        """As awslambdaric reports it, on lines of its own."""
        name = await functions.create("handlers.fail")

        outcome = await functions.call(name, {}, want_log=True)

        assert b"[ERROR] ValueError: no such luck\nTraceback (most recent call last):\n" in outcome.log_tail


class TestWorkers:
    async def test_nothing_is_left_when_the_service_stops(self, tmp_path: Path) -> None:
        """Workers, what they spawned and their pipes are gone; whoever waits for a call is cancelled."""
        descriptors = len(os.listdir("/proc/self/fd"))
        async with LambdaService(data=tmp_path / "data", max_workers=2) as service:
            functions = Functions(service)
            spawn, slow = await functions.create("handlers.spawn"), await functions.create("handlers.slow")
            pids = json.loads((await functions.call(spawn, {})).payload)
            running = asyncio.Event()
            task = asyncio.create_task(functions.call(slow, {"seconds": 60}, on_started=running.set))
            await running.wait()

        assert await ended(*pids)
        assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        assert len(os.listdir("/proc/self/fd")) == descriptors

    async def test_functions_that_are_called_in_turn_keep_their_workers(self, functions: Functions) -> None:
        """A few more than the bound, which is two: a second round starts none."""
        names = [f"turn-{number}" for number in range(4)]
        for name in names:
            await functions.create("handlers.count", FunctionName=name)

        rounds = [[json.loads((await functions.call(name, {})).payload)["calls"] for name in names] for _ in range(2)]

        assert rounds == [[1] * 4, [2] * 4]

    async def test_a_function_without_a_worker_gets_one_though_others_are_busy(self, functions: Functions) -> None:
        """Both workers run the slow function; the quick one is over long before they are."""
        slow, echo = await functions.create("handlers.slow"), await functions.create("handlers.echo")
        running = [asyncio.Event(), asyncio.Event()]
        tasks = [asyncio.create_task(functions.call(slow, {"seconds": 3}, on_started=event.set)) for event in running]
        await asyncio.gather(*(event.wait() for event in running))

        await functions.call(echo, {})

        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()

    async def test_an_idle_worker_that_is_killed_is_replaced(self, functions: Functions) -> None:
        """Nobody notices: the next call gets a new worker."""
        name = await functions.create("handlers.count")
        first = json.loads((await functions.call(name, {})).payload)
        os.kill(first["pid"], 9)
        assert await ended(first["pid"])
        await asyncio.sleep(0.05)  # the loop hears of it

        second = json.loads((await functions.call(name, {})).payload)

        assert second["calls"] == 1
        assert second["pid"] != first["pid"]


@pytest.mark.skipif(not can_watch(), reason="the system does not tell what a process holds")
class TestMemory:
    @pytest.mark.parametrize("in_child", [False, True])
    async def test_a_worker_over_its_memory_is_killed(self, functions: Functions, in_child: bool) -> None:
        """Whether it or a process that it started holds it: the call ends as on Lambda, long before the handler would."""
        name = await functions.create("handlers.hoard", MemorySize=128)

        outcome = await functions.call(name, {"mb": 160, "seconds": 20, "in_child": in_child}, want_log=True)

        document = json.loads(outcome.payload)
        message = f"RequestId: {outcome.request_id} Error: Runtime exited with error: signal: killed"
        assert document == {"errorType": "Runtime.OutOfMemory", "errorMessage": message}
        assert outcome.function_error == "Unhandled"
        assert b"Max Memory Used: 128 MB\t" in outcome.log_tail
        assert outcome.log_tail.endswith(b"\tStatus: error\tError Type: Runtime.OutOfMemory\t\n")

    async def test_the_next_call_has_a_new_worker(self, functions: Functions) -> None:
        """What was killed takes nothing with it."""
        name = await functions.create("handlers.hoard", MemorySize=128)
        await functions.call(name, {"mb": 160, "seconds": 20})

        outcome = await functions.call(name, {"mb": 8, "seconds": 0.3})

        assert (outcome.function_error, outcome.payload) == (None, b"8")

    async def test_a_worker_within_its_memory_is_let_be(self, functions: Functions) -> None:
        """The same bytes, of a function that may have them, held for several looks."""
        name = await functions.create("handlers.hoard", MemorySize=256)

        outcome = await functions.call(name, {"mb": 160, "seconds": 0.5})

        assert (outcome.function_error, outcome.payload) == (None, b"160")

    async def test_one_that_loads_too_much_is_killed_too(self, functions: Functions) -> None:
        """What a module holds when it is imported counts before the first call has begun."""
        name = await functions.create("greedy.handler", MemorySize=128)

        outcome = await functions.call(name, {})

        assert json.loads(outcome.payload)["errorType"] == "Runtime.OutOfMemory"
