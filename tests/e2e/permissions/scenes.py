"""What is played on the embedded AWS for the replay: every job in every way that it can end, and every route of the API."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.e2e.permissions.calls import Recording
from tests.e2e.permissions.replay import ROOT, SHARED_FUNCTION, Stage
from tests.unit.tasks.shared_events import rest_request, sqs_batch

DEPLOYED = ("listing",)
"""The jobs that the shared functions know of."""

TEXTS = {
    "ok": "one",
    "bad": "fail",
    "crash": "crash",
    "fine": "two",
    "big": "x" * 250_000,
    "elsewhere": "three",
    "bad2": "fail",
    "bad3": "fail",
}
"""In batches of two: one item fails; the worker crashes once; the partial is large; all fail."""

DAY = """carrier,dep_time,arr_delay,distance
UA,517,11,1400
"""


def play(stage: Stage) -> None:
    """All of it."""
    put_input(stage.aws)
    everything = stage.run("everything", "s3://mapfold-data/everything.csv")
    assert everything["status"] == "SUCCEEDED"
    retry(stage, everything["run_id"])
    assert stage.run("everything", "s3://elsewhere/in/manifest.csv")["status"] == "SUCCEEDED"
    assert stage.run("everything", "s3://mapfold-data/nothing.csv")["status"] == "FAILED"
    assert stage.run("large", "s3://mapfold-data/180.jsonl")["result"] > 200_000
    assert stage.run("by-key", "s3://mapfold-data/180.jsonl")["result"]["records"] == 100
    assert stage.run("in-order", "s3://mapfold-data/180.jsonl")["result"]["lines"] == 180
    assert stage.run("failing", "s3://mapfold-data/2000.jsonl")["status"] == "FAILED"
    assert stage.run("flight-delays", "s3://mapfold-data/flights.csv", jobs=ROOT / "jobs")["status"] == "SUCCEEDED"
    assert stage.run("listing", "s3://mapfold-data/listing/")["result"] == 6
    assert stage.run("listing", "s3://elsewhere/in/")["status"] == "SUCCEEDED"
    use_the_api(stage)
    use_the_queue(stage)
    assert invoke(stage.aws, "watch", {}) == {"listing": 0.0}
    stage.note("listing", api_run(stage.aws))


def retry(stage: Stage, run_id: str) -> None:
    """A mended item of a run with a large partial, a list from elsewhere, and a run that there is not."""
    s3 = stage.aws.s3
    s3.put_object(Bucket="mapfold-data", Key="texts/bad", Body=b"mended")
    newest = stage.retry(run_id, "everything", "--where", "key=*/bad", "--where", "key=*/bad2")
    assert newest["retried"] == {"items": 2, "succeeded": 1, "failed": 1}
    s3.put_object(Bucket="mapfold-data", Key="texts/bad2", Body=b"mended")
    assert stage.retry(newest["run_id"], "everything", "--where", "key=*/bad2")["lineage"] == [run_id, newest["run_id"]]
    failed = {"item": {"bucket": "mapfold-data", "key": "texts/ok"}, "index": 0, "error": "E", "message": ""}
    for bucket, key in (("mapfold-data", "lists/failures.jsonl"), ("elsewhere", "in/failures.jsonl")):
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(failed).encode())
        listed = stage.retry(f"s3://{bucket}/{key}", "everything", "--job", "everything")
        assert listed["items"] == {"total": 1, "succeeded": 1, "failed": 0}
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:mapfold-everything"
    given = json.dumps({"retry": {"of": "there-is-none"}})
    arn = stage.aws.stepfunctions.start_execution(stateMachineArn=machine, input=given)["executionArn"]
    assert until_ended(stage.aws.stepfunctions, arn) == "FAILED"
    stage.note("everything", arn)


def recorded(aws: EmbeddedAws, recording: Recording) -> Stage:
    """An embedded AWS with what jobs need that declare it, and the shared functions."""
    for bucket in ("mapfold-data", "elsewhere"):
        aws.s3.create_bucket(Bucket=bucket)
    secret = aws.client("secretsmanager").create_secret(Name="orders/database", SecretString="open sesame")
    aws.client("sns").create_topic(Name="everything")
    for role in ("api", "start", "watch"):
        create_shared_function(aws, role)
    return Stage(aws, recording, {"orders/database": secret["ARN"]})


def create_shared_function(aws: EmbeddedAws, role: str) -> None:
    """As it is on AWS: it is told which jobs are deployed."""
    variables = {
        "MAPFOLD_MACHINE_PREFIX": "mapfold-",
        "MAPFOLD_DEPLOYED_JOBS": ",".join(DEPLOYED),
        "MAPFOLD_RUNS_BUCKET": "mapfold-runs",
        "MAPFOLD_RUNS_TABLE": "mapfold-runs",
        "MAPFOLD_DATA_BUCKET": "mapfold-data",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    aws.functions.create_function(
        FunctionName=f"{SHARED_FUNCTION}{role}",
        Runtime="python3.13",
        Role="arn:aws:iam::123456789012:role/any",
        Handler=f"tasks.{role}.handler",
        Code={"S3Bucket": "mapfold-local", "S3Key": str(ROOT)},
        Timeout=60,
        MemorySize=512,
        Environment={"Variables": variables},
    )


def invoke(aws: EmbeddedAws, role: str, event: Any) -> Any:
    """What a shared function answers."""
    answer = aws.functions.invoke(FunctionName=f"{SHARED_FUNCTION}{role}", Payload=json.dumps(event).encode())
    document = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, document
    return document


def put_input(aws: EmbeddedAws) -> None:
    """Objects and manifests for every job."""
    for name, text in TEXTS.items():
        aws.s3.put_object(Bucket="mapfold-data", Key=f"texts/{name}", Body=text.encode())
    aws.s3.put_object(Bucket="elsewhere", Key="in/elsewhere.txt", Body=b"three")
    lines = (f"mapfold-data,texts/{name}" if name != "elsewhere" else "elsewhere,in/elsewhere.txt" for name in TEXTS)
    aws.s3.put_object(Bucket="mapfold-data", Key="everything.csv", Body="\n".join(lines).encode())
    aws.s3.put_object(Bucket="elsewhere", Key="in/manifest.csv", Body=b"mapfold-data,texts/ok")
    for count in (180, 2000):
        numbers = "\n".join(map(str, range(count)))
        aws.s3.put_object(Bucket="mapfold-data", Key=f"{count}.jsonl", Body=numbers.encode())
    for number in (1, 2, 3):
        aws.s3.put_object(Bucket="mapfold-data", Key=f"listing/{number}", Body=b"x" * number)
    for name in ("bad", "good"):
        aws.s3.put_object(Bucket="mapfold-data", Key=f"waiting/{name}", Body=b"x")
    aws.s3.put_object(Bucket="mapfold-data", Key="flights/2013-01-01.csv", Body=DAY.encode())
    aws.s3.put_object(Bucket="mapfold-data", Key="flights.csv", Body=b"mapfold-data,flights/2013-01-01.csv\n")


def api_run(aws: EmbeddedAws) -> str:
    """The ARN of the run that the API starts."""
    return f"arn:aws:states:us-east-1:123456789012:execution:mapfold-{DEPLOYED[0]}:by-api"


def use_the_api(stage: Stage) -> None:
    """A run one of whose items fails while another waits: looked at, stopped, redriven, and looked at again."""
    aws = stage.aws
    aws.s3.put_object(Bucket="mapfold-data", Key="gate", Body=b"shut")
    asked = {"job": "listing", "source": "s3://mapfold-data/waiting/", "name": "by-api", "params": {"gate": "gate"}}
    assert call_api(aws, "POST", "/runs", 201, body=asked)["run_id"] == "by-api"
    assert call_api(aws, "POST", "/runs", 200, body=asked)["run_id"] == "by-api"
    wait_until_one_waits_and_one_has_failed(aws)
    for path in ("/jobs", "/runs", "/runs/by-api", "/runs/by-api/progress", "/runs/by-api/history"):
        call_api(aws, "GET", path, 200)
    assert call_api(aws, "POST", "/runs/by-api/stop", 200)["status"] == "ABORTED"
    stage.note("listing", api_run(aws))
    (failure,) = call_api(aws, "GET", "/runs/by-api/failures", 200)["failures"]
    assert failure["message"] == "it is bad"
    children = call_api(aws, "GET", "/runs/by-api/children", 200)["children"]
    assert sorted(child["status"] for child in children) == ["ABORTED", "FAILED"]
    assert call_api(aws, "POST", "/runs/by-api/retry", 409, body={})["error"] == "NotRetryable"
    aws.s3.put_object(Bucket="mapfold-data", Key="gate", Body=b"open")
    call_api(aws, "POST", "/runs/by-api/redrive", 200)
    assert until_ended(aws.stepfunctions, api_run(aws)) == "FAILED"
    assert call_api(aws, "GET", "/runs/by-api/result", 200)["result"] == 1
    call_api(aws, "GET", "/runs/by-api/failures", 200)
    assert call_api(aws, "POST", "/runs/by-api/retry", 201, body={"name": "by-api-again"})["run_id"] == "by-api-again"
    again = api_run(aws).replace("by-api", "by-api-again")
    assert until_ended(aws.stepfunctions, again) == "FAILED"
    stage.note("listing", again)


def call_api(aws: EmbeddedAws, method: str, path: str, status: int, *, body: Any = None) -> Any:
    """The document that the API answers with this status."""
    answer = invoke(aws, "api", rest_request(method, path, body=body))
    assert answer["statusCode"] == status, answer["body"]
    return json.loads(answer["body"])


def wait_until_one_waits_and_one_has_failed(aws: EmbeddedAws) -> None:
    """Both items of the run have come to where they stay."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for map_run in aws.stepfunctions.list_map_runs(executionArn=api_run(aws))["mapRuns"]:
            counts = aws.stepfunctions.describe_map_run(mapRunArn=map_run["mapRunArn"])["executionCounts"]
            if counts["running"] == counts["failed"] == 1:
                return
        time.sleep(0.1)  # AWS gives no way to wait for it but to ask again
    raise AssertionError("no child of the run waits after a minute")


def use_the_queue(stage: Stage) -> None:
    """A message that comes twice starts one run."""
    batch = sqs_batch({"job": "listing", "source": "s3://mapfold-data/listing/", "name": "by-queue"})
    for _ in range(2):
        assert invoke(stage.aws, "start", batch) == {"batchItemFailures": []}
    assert until_ended(stage.aws.stepfunctions, api_run(stage.aws).replace("by-api", "by-queue")) == "SUCCEEDED"
