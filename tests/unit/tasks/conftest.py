"""A run in moto's S3 and DynamoDB, driven through the handlers as Step Functions would drive them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from mapfold.runs.folder import RunFolder
from tasks import _worker, close, finish, fold, isolate, plan, work

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

JOBS = Path(__file__).parents[2] / "fixtures" / "jobs"
RUN = "words-1"
MACHINE = "arn:aws:states:us-east-1:123456789012"


@dataclass
class FakeLambdaContext:
    """What Lambda hands a handler. `left` counts down by `step` milliseconds at every look."""

    left: int = 60_000
    step: int = 0
    function_name: str = "mapfold-words-work"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:mapfold-words-work"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        self.left -= self.step
        return self.left


@dataclass
class World:
    """The buckets, the tables, and a run by hand."""

    s3: S3Client
    dynamodb: DynamoDBClient
    run_id: str = RUN
    machine: str = "mapfold-words"

    @property
    def execution(self) -> str:
        """The ARN of the execution, of which the run's id is the name."""
        return f"{MACHINE}:execution:{self.machine}:{self.run_id}"

    @property
    def folder(self) -> RunFolder:
        return RunFolder("mapfold-runs", self.run_id)

    def put_texts(self, texts: Mapping[str, str]) -> str:
        """Objects under `texts/` and a manifest of them; gives the manifest's URI."""
        for name, text in texts.items():
            self.s3.put_object(Bucket="mapfold-data", Key=f"texts/{name}", Body=text.encode())
        lines = "".join(f"mapfold-data,texts/{name}\n" for name in texts)
        self.s3.put_object(Bucket="mapfold-data", Key="manifests/texts.csv", Body=lines.encode())
        return "s3://mapfold-data/manifests/texts.csv"

    def plan(self, source: Any = "s3://mapfold-data/manifests/texts.csv") -> dict[str, Any]:
        given = {"source": source, "params": {"year": "2013"}}
        event = {"run_id": self.run_id, "execution": self.execution, "input": given}
        return plan.handler(event, FakeLambdaContext())

    def batch(self, names: Sequence[str], *, first: int = 0) -> dict[str, Any]:
        """The child's input for these texts."""
        source = {"uri": "s3://mapfold-data/m.csv", "bucket": "mapfold-data", "key": "m.csv"}
        items = [{"i": first + i, "v": {"bucket": "mapfold-data", "key": f"texts/{n}"}} for i, n in enumerate(names)]
        run = {"run_id": self.run_id, "params": {}, "source": source, "listed": False}
        return {"BatchInput": run, "Items": items}

    def work(self, child: Mapping[str, Any], context: FakeLambdaContext | None = None) -> dict[str, Any]:
        event = {"run": child["BatchInput"], "items": child["Items"], "execution": "child-1"}
        return work.handler(event, context or FakeLambdaContext())

    def write_outcome(
        self, outputs: Sequence[Any], *, failed: Sequence[Any] = (), pending: Sequence[Any] = (), prefix: str = ""
    ) -> dict[str, str]:
        """The files of a ResultWriter (JSONL, COMPACT); gives {"bucket", "key"} of the manifest. prefix: the map's."""
        folder = f"{prefix or self.folder.map_prefix}/uuid"
        files: dict[str, list[Any]] = {}
        for status, lines in (("SUCCEEDED", outputs), ("FAILED", failed), ("PENDING", pending)):
            body = "".join(json.dumps(line) + "\n" for line in lines).encode()
            key = f"{folder}/{status}_0.jsonl"
            files[status] = [{"Key": key, "Size": len(body)}] if lines else []
            if lines:
                self.s3.put_object(Bucket="mapfold-runs", Key=key, Body=body)
        manifest = {"DestinationBucket": "mapfold-runs", "MapRunArn": "arn", "ResultFiles": files}
        key = f"{folder}/manifest.json"
        self.s3.put_object(Bucket="mapfold-runs", Key=key, Body=json.dumps(manifest).encode())
        return {"bucket": "mapfold-runs", "key": key}

    def isolate(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return isolate.handler(dict(state), FakeLambdaContext())

    def mapped(self, plan: Mapping[str, Any], outputs: Sequence[Any], **others: Any) -> dict[str, Any]:
        """The state behind a Map of which nothing is to be isolated. `others` as of `write_outcome`."""
        state = {"plan": plan, "map": self.write_outcome(outputs, **others)}
        return {**state, "isolate": self.isolate(state)}

    def fold(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return fold.handler(dict(state), FakeLambdaContext())

    def finish(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return finish.handler(dict(state), FakeLambdaContext())

    def close(self, error: str, cause: str) -> dict[str, Any]:
        event = {"run_id": self.run_id, "execution": self.execution, "failure": {"Error": error, "Cause": cause}}
        return close.handler(event, FakeLambdaContext())

    def record(self) -> dict[str, Any]:
        """The run's record, numbers as text."""
        item = self.dynamodb.get_item(TableName="mapfold-runs", Key={"run_id": {"S": self.run_id}}).get("Item", {})
        return {name: _plain(value) for name, value in item.items()}

    def lines(self, key: str) -> list[Any]:
        text = self.s3.get_object(Bucket="mapfold-runs", Key=key)["Body"].read()
        return [json.loads(line) for line in text.splitlines()]

    def run_keys(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket="mapfold-runs").get("Contents", ())]


def _plain(value: Any) -> Any:
    (kind, inner), *_ = value.items()
    return {name: _plain(member) for name, member in inner.items()} if kind == "M" else inner


@cache
def _session() -> boto3.Session:
    """Made once: a new one reads each service's model again, which takes longer than most tests."""
    return boto3.Session()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty account with the project's buckets and tables, and a cold worker of the job `words`."""
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MAPFOLD_JOB": "words",
        "MAPFOLD_JOBS": str(JOBS),
        "MAPFOLD_RUNS_BUCKET": "mapfold-runs",
        "MAPFOLD_RUNS_TABLE": "mapfold-runs",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", _session())
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        for bucket in ("mapfold-data", "mapfold-runs"):
            s3.create_bucket(Bucket=bucket)
        for table, key in (("mapfold-runs", "run_id"), ("words-seen", "key")):
            dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        _worker.forget()
        yield World(s3, dynamodb)
    _worker.forget()
