"""`mapfold local` as a process: up, down, killed, and up again on the same data."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from tests.integration.service.conftest import PASS, ROLE, error_of, sfn_client

ROOT = Path(__file__).parents[3]


class Local:
    """One process of it."""

    def __init__(self, data: Path, *, port: int = 0, aws_port: int = 0, environment: Mapping[str, str] = {}) -> None:
        self.data = data
        module = "tests.integration.local_server.fake_server"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, str(port), str(aws_port), str(data)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ready(self) -> dict[str, Any]:
        """What /health answers once it is ready."""
        line = self.line()
        assert line.startswith("ready http://127.0.0.1:"), line + self.errors()
        self.url = line.split()[1]
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.url}/health") as answer:
            health: dict[str, Any] = json.load(answer)
        return health

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def moto_pid(self) -> int:
        """The one child process."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (pid,) = children
        return int(pid)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Starts processes on one data directory; whatever a test leaves is killed."""
    running: list[Local] = []

    def start(**options: Any) -> Local:
        running.append(Local(tmp_path / "data", **options))
        return running[-1]

    yield start
    for local in running:
        local.close()


def s3_client(url: str) -> Any:
    return boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1").client(
        "s3", endpoint_url=url, config=Config(proxies={}, s3={"addressing_style": "path"})
    )


def is_gone(pid: int) -> bool:
    """Whether a process has ended, waiting a little for it."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)  # there is no event for the end of somebody else's child
    return False


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@linux
def test_it_comes_up_goes_down_and_leaves_nothing_behind(started: Any) -> None:
    """Health and local.json tell where everything is; Ctrl-C ends it with 130, and moto with it."""
    local = started()
    health = local.ready()
    facts = json.loads((local.data / "local.json").read_text())
    sourced = f'. "{local.data}/local.env" && echo $AWS_ENDPOINT_URL'
    told = subprocess.run(["sh", "-c", sourced], capture_output=True, text=True, check=True).stdout
    moto = local.moto_pid()

    code = local.stop()

    assert (health["status"], health["pid"], health["data"]) == ("ok", local.process.pid, str(local.data))
    assert health["aws"] == f"http://127.0.0.1:{facts['aws_port']}"
    assert local.url == f"http://127.0.0.1:{facts['port']}"
    assert told == f"{health['aws']}\n"
    assert facts["region"] == "us-east-1"
    assert code == 130
    assert local.errors() == ""
    assert is_gone(moto)
    assert not [name for name in ("local.json", "local.env") if (local.data / name).exists()]


def status_of(url: str, host: str) -> int:
    """The status of a GET with this Host header."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", "/health", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_host_that_is_not_this_machine_is_refused_on_both_ports(started: Any) -> None:
    """A web page whose name was made to point at 127.0.0.1 reaches neither Step Functions nor S3."""
    local = started()
    aws = local.ready()["aws"]

    refused = [status_of(local.url, "evil.example"), status_of(aws, "evil.example"), status_of(aws, "evil.example:80")]
    served = [status_of(local.url, "localhost"), status_of(aws, "localhost:1"), status_of(aws, "data.s3.localhost:1")]

    assert refused == [403, 403, 403]
    assert 403 not in served


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_machines_and_objects_are_there_in_the_next_session(started: Any, number: int) -> None:
    """However it ended: machines are the store's, what moto was asked to keep is in its journal."""
    local = started()
    s3 = s3_client(local.ready()["aws"])
    s3.create_bucket(Bucket="mapfold-data")
    s3.put_object(Bucket="mapfold-data", Key="one.json", Body=b"42", ContentType="application/json")
    s3.close()
    client = sfn_client(local.url)
    client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)
    client.list_state_machines()  # a read: what was written before it is committed
    client.close()
    local.stop(number)

    local = started()
    s3 = s3_client(local.ready()["aws"])
    kept = s3.get_object(Bucket="mapfold-data", Key="one.json")
    body = kept["Body"].read()
    client = sfn_client(local.url)
    machines = client.list_state_machines()["stateMachines"]
    s3.close()
    client.close()

    assert (body, kept["ContentType"]) == (b"42", "application/json")
    assert [machine["name"] for machine in machines] == ["jobs"]


@linux
def test_after_kill_9_moto_is_gone_and_the_next_start_finds_what_ran(started: Any) -> None:
    """The execution is RUNNING, for the engine to go on with (this one is a fake, which does not)."""
    local = started()
    local.ready()
    client = sfn_client(local.url)
    machine = client.create_state_machine(name="jobs", definition=PASS, roleArn=ROLE)["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine, name="one")["executionArn"]
    client.list_executions(stateMachineArn=machine)  # a read: what was written before it is committed
    client.close()
    moto = local.moto_pid()
    local.process.kill()
    assert is_gone(moto)

    local = started()
    local.ready()
    client = sfn_client(local.url)
    answer = client.describe_execution(executionArn=execution)
    client.close()

    assert answer["status"] == "RUNNING"


@pytest.mark.parametrize("option", ["port", "aws_port"])
def test_a_taken_port_is_an_error_that_names_the_option(started: Any, option: str) -> None:
    """Exit code 1, nothing left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        local = started(**{option: taken.getsockname()[1]})

        assert local.process.wait(20) == 1

    errors = local.errors()
    assert "cannot be had: Address already in use" in errors
    assert f"choose another --{option.replace('_', '-')}" in errors


def test_a_second_one_on_the_same_data_hears_who_has_it(started: Any) -> None:
    """The pid of the first is in the message."""
    first = started()
    first.ready()

    second = started()

    assert second.process.wait(20) == 1
    assert f"process {first.process.pid}" in second.errors()


@linux
def test_a_second_ctrl_c_ends_it_at_once(started: Any) -> None:
    """Though something takes a minute to stop; moto ends with it."""
    local = started(environment={"SLOW_STOP": "1"})
    local.ready()
    moto = local.moto_pid()
    local.process.send_signal(signal.SIGINT)
    assert local.line() == "stopping\n"

    assert local.stop() == 130
    assert is_gone(moto)
    assert not (local.data / "local.json").exists()


@linux
def test_when_moto_ends_so_do_we_with_a_reason(started: Any) -> None:
    """Without S3 nothing would work: the error names moto's log."""
    local = started()
    local.ready()

    os.kill(local.moto_pid(), signal.SIGKILL)

    assert local.process.wait(20) == 1
    assert "moto ended while it was needed" in local.errors()


def test_a_full_disk_ends_it_with_a_reason(started: Any) -> None:
    """The call that could not be kept fails, and the process ends: it does not go on and forget."""
    local = started(environment={"FULL_DISK": "1"})
    local.ready()
    client = sfn_client(local.url)

    error = error_of(lambda: client.create_state_machine(name="jobs", definition=PASS + " " * 100_000, roleArn=ROLE))

    client.close()
    assert error[0] == "InternalFailure"
    assert local.process.wait(20) == 1
    assert "database or disk is full" in local.errors()


def test_ctrl_c_while_it_starts_ends_it(started: Any) -> None:
    """There is nothing yet to stop in order."""
    local = started()
    while not (local.data / "moto.log").exists():
        time.sleep(0.01)  # the first sign that it hears signals

    assert local.stop() == 130
