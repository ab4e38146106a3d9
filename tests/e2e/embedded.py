"""Mapfold from outside: its command line and its embedded AWS as processes of their own, boto3 as any user has it.

The benchmarks look at it from here too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class EmbeddedAws:
    """A running `mapfold local`, and plain boto3 clients for it: nothing here knows Mapfold but the command's name."""

    port: int
    aws_port: int
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        """What any SDK needs to talk to it, as the contract in the design names it."""
        own = f"http://127.0.0.1:{self.port}"
        return {
            **outside_environment(),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.aws_port}",
            "AWS_ENDPOINT_URL_SFN": own,
            "AWS_ENDPOINT_URL_LAMBDA": own,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def stepfunctions(self) -> SFNClient:
        client: SFNClient = _client("stepfunctions", self.port)
        return client

    @property
    def functions(self) -> LambdaClient:
        client: LambdaClient = _client("lambda", self.port)
        return client

    @property
    def s3(self) -> S3Client:
        client: S3Client = _client("s3", self.aws_port)
        return client

    @property
    def dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = _client("dynamodb", self.aws_port)
        return client

    @property
    def sqs(self) -> SQSClient:
        client: SQSClient = _client("sqs", self.aws_port)
        return client

    @property
    def events(self) -> EventBridgeClient:
        client: EventBridgeClient = _client("events", self.aws_port)
        return client

    def client(self, service: str) -> Any:
        """Of any other service that moto has."""
        return _client(service, self.aws_port)


@cache
def session() -> boto3.Session:
    """Any credentials do. Made once: a new one reads each service's model again, which takes a tenth of a second."""
    return boto3.Session(aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1")


@lru_cache(maxsize=64)
def _client(service: str, port: int) -> Any:
    any_service: Any = session()  # its stubs want each service's name written out
    return any_service.client(service, endpoint_url=f"http://127.0.0.1:{port}")


@contextmanager
def serving(data: Path, *, python_path: str = "", jobs: Path | None = None) -> Iterator[EmbeddedAws]:
    """`mapfold local` on free ports over the folder `data`; its stderr goes to a file there.

    It and its workers import from `python_path` before all else. `jobs` is the folder whose jobs it deploys by itself.
    """
    command = [sys.executable, "-m", "mapfold", "local", "--no-console"]
    deployed = ["--no-deploy"] if jobs is None else ["--jobs", str(jobs)]
    options = ["--port", "0", "--aws-port", "0", "--data", str(data), *deployed]
    environment = outside_environment()
    if python_path:
        environment["PYTHONPATH"] = os.pathsep.join((python_path, environment["PYTHONPATH"]))
    with (
        (data / "stderr.txt").open("w") as stderr,
        subprocess.Popen(
            [*command, *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as server,
    ):
        try:
            assert server.stdout is not None
            yield ready(server.stdout, data)
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                raise


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def mapfold(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run the command line from the repository's root to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "mapfold", *arguments],
        check=False,  # how it ends is what the tests look at
        cwd=ROOT,
        env=environment or outside_environment(),
        capture_output=True,
        text=True,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def ready(stdout: IO[str], data: Path) -> EmbeddedAws:
    """The embedded AWS over the folder `data`, once it has said on its stdout that it is ready, and where."""
    line = wait_for_ready_line(stdout)
    assert line, (data / "stderr.txt").read_text()
    ports = json.loads((data / "local.json").read_text())
    assert line == f"ready http://127.0.0.1:{ports['port']}"
    return EmbeddedAws(port=ports["port"], aws_port=ports["aws_port"], data=data)


def wait_for_ready_line(stdout: IO[str]) -> str:
    """The line that begins with "ready"; "" when the process ended without one (pytest's timeout bounds the wait)."""
    return next((line.strip() for line in stdout if line.startswith("ready")), "")


def outside_environment() -> dict[str, str]:
    """This process's environment without what would lead an SDK anywhere but to where the test says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAPFOLD_"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


def until_ended(
    stepfunctions: SFNClient, execution_arn: str, *, within_seconds: float = 50.0, ask_every_seconds: float = 0.05
) -> str:
    """The status that the execution ended with. An execution that takes longer fails the test."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        status = stepfunctions.describe_execution(executionArn=execution_arn)["status"]
        if status != "RUNNING":
            return status
        time.sleep(ask_every_seconds)  # AWS gives no way to wait for an execution but to ask again
    raise AssertionError(f"{execution_arn} still runs after {within_seconds:.0f} s")
