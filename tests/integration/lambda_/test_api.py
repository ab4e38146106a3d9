"""boto3's `lambda` client against the REST API, served by uvicorn in a process of its own."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.lambda_.conftest import CODE, ROLE

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

SERVER = """
import contextlib, pathlib, sys, uvicorn
from starlette.applications import Starlette
from mapfold.local.lambda_ import LambdaService
service = LambdaService(data=pathlib.Path(sys.argv[1]), max_workers=2)
@contextlib.asynccontextmanager
async def lifespan(app):
    async with service:
        yield
uvicorn.run(Starlette(routes=service.routes(), lifespan=lifespan), port=int(sys.argv[2]), log_level="warning")
"""


@contextmanager
def served(data: Path) -> Iterator[tuple[LambdaClient, subprocess.Popen[bytes]]]:
    """A client of a server that keeps its state in `data`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(data), str(port)])
    try:
        _wait_for(port)
        client = boto3.client(
            "lambda",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )
        yield client, process
        client.close()
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(400):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/2015-03-31/functions/").close()
            return
        except OSError:
            time.sleep(0.05)  # another process: a refused connection is all that it tells
    raise TimeoutError("the server did not come up")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaClient]:
    with served(tmp_path_factory.mktemp("data")) as (client, _):
        yield client


def zipped(source: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", source)
    return content.getvalue()


def create(client: LambdaClient, name: str, source: str | None = None, handler: str = "app.handler") -> dict[str, Any]:
    """A function of one module in a zip, or of `code/` in place."""
    code: Any = {"ZipFile": zipped(source)} if source else {"S3Bucket": "mapfold-local", "S3Key": str(CODE)}
    answer = client.create_function(FunctionName=name, Role=ROLE, Runtime="python3.11", Handler=handler, Code=code)
    return dict(answer)


RETURNS_ONE = "def handler(event, context):\n    return 1\n"


class TestFunctions:
    def test_a_zip_runs(self, client: LambdaClient) -> None:
        """CreateFunction with ZipFile says Pending, as on AWS; the waiters that deployments use end at once."""
        created = create(client, "zip", RETURNS_ONE)

        client.get_waiter("function_active_v2").wait(FunctionName="zip")
        answer = client.invoke(FunctionName=created["FunctionArn"])

        assert (created["State"], created["Timeout"], created["MemorySize"]) == ("Pending", 3, 128)
        assert (created["StateReason"], created["StateReasonCode"]) == ("The function is being created.", "Creating")
        assert "LastUpdateStatus" not in created
        assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert answer["Payload"].read() == b"1"

    def test_new_code_is_what_the_next_call_runs(self, client: LambdaClient) -> None:
        """UpdateFunctionCode replaces warm workers; the revision changes."""
        before = create(client, "code", RETURNS_ONE)
        client.invoke(FunctionName="code")

        after = client.update_function_code(FunctionName="code", ZipFile=zipped(RETURNS_ONE.replace("1", "2")))
        client.get_waiter("function_updated_v2").wait(FunctionName="code")

        assert client.invoke(FunctionName="code")["Payload"].read() == b"2"
        assert after["RevisionId"] != before["RevisionId"]
        assert after["CodeSha256"] != before["CodeSha256"]
        assert (after["State"], after["LastUpdateStatus"]) == ("Active", "InProgress")

    def test_new_configuration_is_what_the_next_call_sees(self, client: LambdaClient) -> None:
        """UpdateFunctionConfiguration changes what it names and keeps the rest."""
        create(client, "configured", handler="handlers.describe")
        client.invoke(FunctionName="configured")

        client.update_function_configuration(
            FunctionName="configured", MemorySize=512, Environment={"Variables": {"COLOUR": "red"}}
        )

        seen = json.loads(client.invoke(FunctionName="configured")["Payload"].read())
        assert (seen["memory"], seen["environment"]["COLOUR"]) == ("512", "red")
        assert client.get_function_configuration(FunctionName="configured")["Handler"] == "handlers.describe"

    def test_functions_are_listed_in_pages(self, client: LambdaClient) -> None:
        """The paginator follows the markers; names come in order."""
        names = [f"page-{n}" for n in range(5)]
        for name in names:
            create(client, name, handler="handlers.echo")

        pages = list(client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))

        listed = [function["FunctionName"] for page in pages for function in page["Functions"]]
        assert not any(
            {"State", "LastUpdateStatus"} & function.keys() for page in pages for function in page["Functions"]
        )
        assert [name for name in listed if name.startswith("page-")] == names
        assert all(len(page["Functions"]) <= 2 for page in pages)

    def test_a_deleted_function_is_not_found(self, client: LambdaClient) -> None:
        """DeleteFunction is 204; then GetFunction is ResourceNotFoundException, and deleting again too."""
        create(client, "short-lived", handler="handlers.echo")
        client.get_function(FunctionName="short-lived")

        client.delete_function(FunctionName="short-lived")

        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function(FunctionName="short-lived")
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.delete_function(FunctionName="short-lived")

    def test_a_name_is_taken_once(self, client: LambdaClient) -> None:
        """ResourceConflictException 409."""
        create(client, "taken", handler="handlers.echo")

        with pytest.raises(client.exceptions.ResourceConflictException, match="Function already exist: taken"):
            create(client, "taken", handler="handlers.echo")

    @pytest.mark.parametrize(
        ("code", "problem"),
        [
            ({"ZipFile": b"no zip"}, "Could not unzip uploaded file"),
            ({"ZipFile": b""}, "Uploaded file must be a non-empty zip"),
            ({"ZipFile": b"PK\5\6" + bytes(18)}, "Uploaded file must be a non-empty zip"),
            ({"S3Bucket": "mapfold-local", "S3Key": "relative"}, "must be the absolute path"),
            ({"S3Bucket": "a-bucket"}, "Please provide a source for function code"),
        ],
    )
    def test_code_that_is_none(self, client: LambdaClient, code: Any, problem: str) -> None:
        """InvalidParameterValueException; nothing is created."""
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=problem):
            client.create_function(FunctionName="none", Role=ROLE, Runtime="python3.11", Handler="a.b", Code=code)
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_function(FunctionName="none")


class TestInvoke:
    def test_headers_of_a_function_error(self, client: LambdaClient) -> None:
        """HTTP 200 with FunctionError, the log's tail in base64, version and request id."""
        create(client, "fails", handler="handlers.fail")

        answer = client.invoke(FunctionName="fails", LogType="Tail", Payload=b"{}")

        log = base64.b64decode(answer["LogResult"]).decode()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert (answer["StatusCode"], answer["FunctionError"], answer["ExecutedVersion"]) == (
            200,
            "Unhandled",
            "$LATEST",
        )
        assert json.loads(answer["Payload"].read())["requestId"] == headers["x-amzn-requestid"]
        assert f"START RequestId: {headers['x-amzn-requestid']}" in log
        assert "[ERROR] ValueError" in log

    def test_the_files_of_a_zip_lie_in_var_task(self, client: LambdaClient) -> None:
        """In stack traces, as on Lambda."""
        create(client, "traced", "def handler(event, context):\n    raise KeyError(event['k'])\n")

        trace = json.loads(client.invoke(FunctionName="traced", Payload=b'{"k": 1}')["Payload"].read())["stackTrace"]

        assert trace == ["  File \"/var/task/app.py\", line 2, in handler\n    raise KeyError(event['k'])\n"]

    def test_the_log_of_an_invocation_can_be_asked_for_later(self, client: LambdaClient) -> None:
        """`GET /mapfold/logs/<request id>`: all that it printed; 404 for an invocation that there never was."""
        create(client, "told", "def handler(event, context):\n    print('once upon a time')\n")
        answer = client.invoke(FunctionName="told", Payload=b"{}")
        answer["Payload"].close()
        logs = f"{client.meta.endpoint_url}/mapfold/logs/"

        with urllib.request.urlopen(logs + answer["ResponseMetadata"]["RequestId"], timeout=10) as response:
            log = response.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404") as missing:
            urllib.request.urlopen(logs + "none", timeout=10)
        missing.value.close()

        assert "\nonce upon a time\n" in log

    def test_an_event_is_accepted_and_run(self, client: LambdaClient, tmp_path: Path) -> None:
        """202 at once, no payload; it runs afterwards."""
        mark = tmp_path / "mark"
        create(client, "event", "def handler(event, context):\n    open(event, 'w').close()\n")

        answer = client.invoke(FunctionName="event", InvocationType="Event", Payload=json.dumps(str(mark)).encode())

        assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
        assert "ExecutedVersion" not in answer
        for _ in range(500):
            if mark.exists():
                return
            time.sleep(0.01)
        pytest.fail("the event was not run")

    def test_a_dry_run_runs_nothing(self, client: LambdaClient) -> None:
        """204 if the function exists, ResourceNotFoundException if not."""
        create(client, "dry", handler="handlers.fail")

        answer = client.invoke(FunctionName="dry", InvocationType="DryRun")

        assert answer["StatusCode"] == 204
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.invoke(FunctionName="nobody", InvocationType="DryRun")

    def test_refusals_are_lambdas_exceptions(self, client: LambdaClient) -> None:
        """Bad JSON, too large, no such version: each as the exception of its name."""
        create(client, "refuses", handler="handlers.echo")

        with pytest.raises(client.exceptions.InvalidRequestContentException):
            client.invoke(FunctionName="refuses", Payload=b"{")
        with pytest.raises(ClientError, match=r"\(RequestEntityTooLargeException\) .* smaller than 6291456 bytes"):
            client.invoke(FunctionName="refuses", Payload=b'"' + b"x" * 6_291_455 + b'"')
        with pytest.raises(ClientError, match=r"Value 'All' at 'logType' failed .* enum value set: \[Tail, None\]"):
            client.invoke(FunctionName="refuses", LogType="All")  # type: ignore[arg-type]
        with pytest.raises(ClientError, match=r"Function not found: .*:function:refuses:7"):
            client.invoke(FunctionName="refuses", Qualifier="7")

    def test_the_client_context_arrives(self, client: LambdaClient) -> None:
        """Base64 in the request, an object in the handler."""
        create(client, "context", handler="handlers.describe")
        context = base64.b64encode(json.dumps({"custom": {"é": 1}}).encode()).decode()

        answer = client.invoke(FunctionName="context", ClientContext=context, Payload=b"{}")

        assert json.loads(answer["Payload"].read())["custom"] == {"é": 1}


class TestRestart:
    def test_functions_and_logs_survive_a_kill_and_workers_do_not(self, tmp_path: Path) -> None:
        """After SIGKILL of the server its workers die by themselves, and the next server knows the function."""
        with served(tmp_path) as (client, process):
            create(client, "kept", handler="handlers.count")
            create(client, "zipped", RETURNS_ONE)
            worker = json.loads(client.invoke(FunctionName="kept")["Payload"].read())["pid"]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        for _ in range(500):
            if not Path(f"/proc/{worker}").exists():
                break
            time.sleep(0.01)

        with served(tmp_path) as (client, _):
            names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
            answer = client.invoke(FunctionName="zipped")["Payload"].read()

        assert not Path(f"/proc/{worker}").exists()
        assert names == ["kept", "zipped"]
        assert answer == b"1"
