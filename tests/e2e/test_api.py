"""The HTTP API as `mapfold local` serves it under /api, and that it answers what its handler answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mapfold.client import AwsClient, lambda_target
from tasks.api import answer
from tests.e2e.embedded import EmbeddedAws, mapfold, serving
from tests.e2e.held import write_held
from tests.integration.embedded.server import until

pytestmark = pytest.mark.timeout(180)

SOURCE = "s3://mapfold-data/api.csv"
JOBS = sorted(["held", *(path.stem.replace("_", "-") for path in Path("tests/e2e/jobs").glob("[!_]*.py"))])
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:mapfold-api"


@dataclass(frozen=True)
class Api:
    """The API of an embedded AWS, asked as curl does."""

    aws: EmbeddedAws

    def get(self, path: str) -> Any:
        return self.ask("GET", path)[1]

    def post(self, path: str, document: Any = None) -> tuple[int, Any]:
        return self.ask("POST", path, document)

    def ask(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Status and document of the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.aws.port}/api{path}",
            None if document is None else json.dumps(document).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=35) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def until_ended(self, run: str) -> Any:
        """The run's document, once it has ended."""
        return until(lambda: (found := self.get(f"/runs/{run}"))["status"] != "RUNNING" and found, within_seconds=60)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """With the jobs `sums` and `held`, and a manifest of three objects with numbers and one that is not there."""
    with serving(tmp_path_factory.mktemp("mapfold-data")) as aws:
        for jobs in ("tests/e2e/jobs", str(write_held(tmp_path_factory.mktemp("project")))):
            done = mapfold("deploy", "--jobs", jobs, environment=aws.environment)
            assert done.code == 0, done.stderr
        for n in (1, 2, 3):
            aws.s3.put_object(Bucket="mapfold-data", Key=f"sums/{n}.csv", Body=f"n\n{n}\n".encode())
        lines = "".join(f"mapfold-data,sums/{n}.csv\n" for n in (1, 2, 3))
        aws.s3.put_object(Bucket="mapfold-data", Key="held.csv", Body=lines.encode())
        aws.s3.put_object(Bucket="mapfold-data", Key="api.csv", Body=f"{lines}mapfold-data,sums/none.csv\n".encode())
        yield Api(aws)


def test_a_run_is_started_and_followed_to_its_result(api: Api) -> None:
    """Starting is idempotent by name; what failed, what happened and the answer are there."""
    request = {"job": "sums", "source": SOURCE, "name": "followed"}
    jobs = api.get("/jobs")["jobs"]
    started = api.post("/runs", request)
    ended = api.until_ended("followed")
    again = api.post("/runs", request)
    other = api.post("/runs", {**request, "params": {"x": 1}})
    failures = api.get("/runs/followed/failures")["failures"]
    events = api.get("/runs/followed/history?limit=5")
    rest = api.get(f"/runs/followed/history?limit=100&next={events['next']}")["events"]
    result = api.get("/runs/followed/result")

    assert [job["name"] for job in jobs] == JOBS
    assert (started[0], again[0], other[0]) == (201, 200, 409)
    assert (ended["status"], ended["items"]["failed"]) == ("SUCCEEDED", 1)
    assert [failure["item"]["key"] for failure in failures] == ["sums/none.csv"]
    assert events["events"][0]["type"] == "ExecutionStarted"
    assert rest[-1]["type"] == "ExecutionSucceeded"
    assert (result["result"], result["is_inline"]) == (6, True)


def test_a_run_is_stopped_and_goes_on(api: Api, tmp_path: Path) -> None:
    """What was stopped is ABORTED, and can be redriven; what has ended well cannot."""
    params = {"folder": str(tmp_path)}
    api.post("/runs", {"job": "held", "source": "s3://mapfold-data/held.csv", "params": params, "name": "stopped"})
    until((tmp_path / "called").exists, within_seconds=60)
    progress = api.get("/runs/stopped/progress")
    stopped = api.post("/runs/stopped/stop")
    (tmp_path / "open").touch()  # an EXPRESS child cannot be stopped: the run ends with it
    aborted = api.until_ended("stopped")
    stopped_again = api.post("/runs/stopped/stop")
    redriven = api.post("/runs/stopped/redrive")
    ended = api.until_ended("stopped")
    redriven_again = api.post("/runs/stopped/redrive")

    assert (progress["status"], progress["stage"]) == ("RUNNING", "Map")
    assert (stopped[0], aborted["status"], stopped_again[0]) == (200, "ABORTED", 409)
    assert (redriven[0], redriven_again[0]) == (200, 409)
    assert (ended["status"], api.get("/runs/stopped/result")["result"]) == ("SUCCEEDED", 6)


def test_the_answers_are_those_of_the_handler(api: Api) -> None:
    """The very same function answers here and on AWS: called directly with the event, it says the same."""
    api.post("/runs", {"job": "sums", "source": SOURCE, "name": "compared"})
    api.until_ended("compared")
    paths = [
        "/jobs",
        "/runs",
        "/runs/compared",
        "/runs/compared/failures",
        "/runs/compared/history",
        "/runs/compared/children",
        "/runs/nobody",
        "/nowhere",
    ]

    for path in paths:
        assert api.ask("GET", path) == directly(api.aws, "GET", path), path


def directly(aws: EmbeddedAws, method: str, path: str) -> tuple[int, Any]:
    """What the handler's function answers in this process to an event of API Gateway."""
    environment = {
        **{name: value for name, value in aws.environment.items() if not name.startswith("AWS_ACCESS_KEY")},
        "MAPFOLD_MACHINE_PREFIX": "mapfold-",
        "MAPFOLD_RUNS_BUCKET": "mapfold-runs",
        "MAPFOLD_RUNS_TABLE": "mapfold-runs",
        "MAPFOLD_DATA_BUCKET": "mapfold-data",
    }
    event = {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Accept": "application/json"},
        "multiValueHeaders": {"Accept": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            "stage": "v1",
            "path": f"/v1{path}",
            "requestId": "r",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": None,
        "isBase64Encoded": False,
    }
    context = SimpleNamespace(aws_request_id="r", invoked_function_arn=FUNCTION)
    answered = answer(event, context, AwsClient(lambda_target(environment, FUNCTION)))
    return answered["statusCode"], json.loads(answered["body"])


def test_it_describes_itself_where_it_is_served(api: Api) -> None:
    """The OpenAPI document's server is /api here, and the stage on AWS."""
    described = api.get("/openapi.json")

    assert described["servers"] == [{"url": "/api"}]
    assert {"/jobs", "/runs", "/runs/{run}/redrive"} <= described["paths"].keys()
