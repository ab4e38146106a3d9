"""Runs that are started by an upload, by a message, and by `mapfold local` having deployed the jobs by itself."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.embedded import ROOT, EmbeddedAws, mapfold, outside_environment, ready, serving
from tests.integration.embedded.queues import arn
from tests.integration.embedded.server import session, until

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

pytestmark = pytest.mark.timeout(180)

JOBS = "tests/e2e/jobs"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:mapfold-sums"
QUEUE, DEAD = "mapfold-start", "mapfold-start-dead"


@lru_cache
def sqs(aws: EmbeddedAws) -> SQSClient:
    """One client for all that is asked again and again: to make one takes longer than most calls."""
    return aws.sqs


@lru_cache
def stepfunctions(aws: EmbeddedAws) -> SFNClient:
    return aws.stepfunctions


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An embedded AWS that has the job `sums`, and three objects with the numbers 1, 2 and 3."""
    with serving(tmp_path_factory.mktemp("mapfold-data")) as aws:
        done = mapfold("deploy", "sums", "--jobs", JOBS, environment=aws.environment)
        assert done.code == 0, done.stderr
        for n in (1, 2, 3):
            put(aws, f"sums/{n}.csv", f"n\n{n}\n")
        yield aws


def put(aws: EmbeddedAws, key: str, text: str) -> None:
    aws.s3.put_object(Bucket="mapfold-data", Key=key, Body=text.encode())


def manifest(*numbers: int) -> str:
    return "".join(f"mapfold-data,sums/{n}.csv\n" for n in numbers)


def runs(aws: EmbeddedAws, *, of: str) -> list[dict[str, Any]]:
    """The runs over the source `of`, each with its status and its result."""
    sfn = stepfunctions(aws)
    found = []
    for line in sfn.list_executions(stateMachineArn=MACHINE)["executions"]:
        execution = sfn.describe_execution(executionArn=line["executionArn"])
        if json.loads(execution["input"])["source"]["uri"] == of:
            result = json.loads(execution["output"])["result"] if execution["status"] == "SUCCEEDED" else None
            found.append({"name": line["name"], "status": execution["status"], "result": result})
    return found


def ended(aws: EmbeddedAws, *, of: str) -> list[dict[str, Any]]:
    """The runs over the source, once there is one and all have ended."""
    until(lambda: (found := runs(aws, of=of)) and all(run["status"] != "RUNNING" for run in found), within_seconds=60)
    return runs(aws, of=of)


def url(aws: EmbeddedAws, queue: str) -> str:
    return sqs(aws).get_queue_url(QueueName=queue)["QueueUrl"]


def waiting(aws: EmbeddedAws, queue: str) -> int:
    """The messages of a queue, received or not."""
    names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs(aws).get_queue_attributes(QueueUrl=url(aws, queue), AttributeNames=names)["Attributes"]
    return sum(int(number) for number in found.values())


def test_an_upload_starts_one_run_however_often_its_event_comes(deployed: EmbeddedAws) -> None:
    """
    What EventBridge sends once more names the same version of the object; what is put anew, though it is the same, is
    another version. Objects that lie elsewhere start nothing.
    """
    source = "s3://mapfold-data/manifests/sums/daily.csv"
    copies = sqs(deployed).create_queue(QueueName="copies")["QueueUrl"]
    deployed.events.put_rule(
        Name="copies", EventPattern=deployed.events.describe_rule(Name="mapfold-upload-sums")["EventPattern"]
    )
    deployed.events.put_targets(Rule="copies", Targets=[{"Id": "copies", "Arn": arn("copies")}])

    put(deployed, "manifests/others/daily.csv", manifest(1))
    put(deployed, "manifests/sums/daily.csv", manifest(1, 2, 3))
    (first,) = ended(deployed, of=source)
    (event,) = sqs(deployed).receive_message(QueueUrl=copies, WaitTimeSeconds=1)["Messages"]
    for _ in range(3):
        sqs(deployed).send_message(QueueUrl=url(deployed, QUEUE), MessageBody=event["Body"])
    until(lambda: waiting(deployed, QUEUE) == 0)
    again = runs(deployed, of=source)
    put(deployed, "manifests/sums/daily.csv", manifest(1, 2, 3))
    until(lambda: len(runs(deployed, of=source)) == 2)

    assert (first["status"], first["result"]) == ("SUCCEEDED", 6)
    assert again == [first]


def test_a_message_starts_a_run(deployed: EmbeddedAws) -> None:
    """With the name that it gives: the second one of the same starts nothing, and is no failure."""
    source = "s3://mapfold-data/asked.csv"
    put(deployed, "asked.csv", manifest(2, 3))
    message = json.dumps({"job": "sums", "source": source, "name": "asked-for"})

    for _ in range(2):
        sqs(deployed).send_message(QueueUrl=url(deployed, QUEUE), MessageBody=message)
    found = ended(deployed, of=source)
    until(lambda: waiting(deployed, QUEUE) == 0)

    assert found == [{"name": "asked-for", "status": "SUCCEEDED", "result": 5}]
    assert runs(deployed, of=source) == found


def test_a_message_that_cannot_be_carried_out_is_a_dead_letter(deployed: EmbeddedAws) -> None:
    """After five tries, whatever else came with it in a batch; the others are carried out."""
    source = "s3://mapfold-data/beside.csv"
    put(deployed, "beside.csv", manifest(1))
    queue = url(deployed, QUEUE)
    sqs(deployed).set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    bad = ["no JSON", json.dumps({"job": "nobody", "source": source})]
    good = json.dumps({"job": "sums", "source": source})

    for body in (*bad, good):
        sqs(deployed).send_message(QueueUrl=queue, MessageBody=body)
    until(lambda: waiting(deployed, DEAD) == 2 and waiting(deployed, QUEUE) == 0, within_seconds=60)
    dead = sqs(deployed).receive_message(QueueUrl=url(deployed, DEAD), MaxNumberOfMessages=10)["Messages"]
    found = ended(deployed, of=source)

    assert sorted(message["Body"] for message in dead) == sorted(bad)
    assert [run["result"] for run in found] == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="where the parent's end ends workers and moto")
def test_each_message_starts_one_run_though_all_is_killed_in_between(tmp_path: Path) -> None:
    """
    What was received at the kill is received again, and finds the run that it had started: its name is made of the
    message's id.
    """
    source = "s3://mapfold-data/killed.csv"
    with session(tmp_path / "data") as first:
        assert mapfold("deploy", "sums", "--jobs", JOBS, environment=first.aws.environment).code == 0
        put(first.aws, "sums/1.csv", "n\n1\n")
        put(first.aws, "killed.csv", manifest(1))
        queue = url(first.aws, QUEUE)
        sqs(first.aws).set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "2"})
        message = json.dumps({"job": "sums", "source": source})
        sent = [sqs(first.aws).send_message(QueueUrl=queue, MessageBody=message)["MessageId"] for _ in range(12)]
        until(lambda: runs(first.aws, of=source))
        first.end(signal.SIGKILL)

    with session(tmp_path / "data") as second:
        until(lambda: waiting(second.aws, QUEUE) == 0, within_seconds=60)
        found = ended(second.aws, of=source)
        dead = waiting(second.aws, DEAD)

    assert sorted(run["name"] for run in found) == sorted(f"sums-{message_id}" for message_id in sent)
    assert ({run["result"] for run in found}, dead) == ({1}, 0)


def test_mapfold_local_deploys_the_jobs_and_says_which_are_broken(tmp_path: Path) -> None:
    """The one that is broken hides no other, and is one line; after an edit `mapfold deploy` brings the new code."""
    jobs = tmp_path / "project" / "jobs"
    shutil.copytree(ROOT / JOBS, jobs)
    (jobs / "broken.py").write_text("job = undefined\n")
    (tmp_path / "data").mkdir()
    with serving(tmp_path / "data", jobs=jobs) as aws:
        deploying = health(aws)["deploying"]
        until(lambda: not health(aws)["deploying"], within_seconds=60)
        put(aws, "sums/1.csv", "n\n1\n")
        put(aws, "manifests/sums/one.csv", manifest(1))
        before = ended(aws, of="s3://mapfold-data/manifests/sums/one.csv")
        said = until(lambda: "exit code 2" in (text := (tmp_path / "data" / "stderr.txt").read_text()) and text)
        edited = (jobs / "sums.py").read_text().replace("return one + other", "return 100 + one + other")
        (jobs / "sums.py").write_text(edited.replace("return sum(", "return 1000 + sum("))
        again = mapfold("deploy", "sums", "--jobs", str(jobs), "--json", environment=aws.environment)
        put(aws, "manifests/sums/two.csv", manifest(1))
        after = ended(aws, of="s3://mapfold-data/manifests/sums/two.csv")
        third = mapfold("deploy", "sums", "--jobs", str(jobs), "--json", environment=aws.environment)

    assert deploying
    assert [line for line in said.splitlines() if "broken.py" in line] == [
        "mapfold: jobs/broken.py:1: it cannot be imported: NameError: name 'undefined' is not defined. Mend the module."
    ]
    assert ([run["result"] for run in before], [run["result"] for run in after]) == ([1], [1001])
    assert {change["name"] for change in json.loads(again.stdout)["changes"]} == {
        f"mapfold-sums-{role}" for role in ("plan", "work", "isolate", "fold", "finish", "close")
    }
    assert json.loads(third.stdout)["changes"] == []


def health(aws: EmbeddedAws) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{aws.port}/health", timeout=10) as answer:
        return json.load(answer)


def test_mapfold_local_is_ready_before_it_deploys(tmp_path: Path) -> None:
    """And Ctrl-C does not wait for what is being deployed."""
    command = [sys.executable, "-m", "mapfold", "local", "--port", "0", "--aws-port", "0", "--jobs", JOBS]
    with subprocess.Popen(
        [*command, "--data", str(tmp_path)],
        cwd=ROOT,
        env=outside_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        aws = ready(server.stdout, tmp_path)
        machines = state_machines(aws)
        server.terminate()
        server.wait(5)
        rest = server.stdout.read()

    assert (machines, rest) == ([], "")


def state_machines(aws: EmbeddedAws) -> Any:
    """Asked at once: to make an SDK's client takes as long as to deploy something."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{aws.port}/",
        b"{}",
        {"X-Amz-Target": "AWSStepFunctions.ListStateMachines", "Content-Type": "application/x-amz-json-1.0"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)["stateMachines"]


def test_on_aws_deploying_is_infras(tmp_path: Path) -> None:
    """The error says with what."""
    said = mapfold("deploy", "--on", "aws")

    assert (said.code, "make deploy" in said.stderr) == (2, True)
