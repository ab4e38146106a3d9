"""What each role did in real runs is what its policy allows: nothing more is asked for, nothing more is granted."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.embedded import EmbeddedAws, serving, until_ended
from tests.e2e.permissions.calls import Recording
from tests.e2e.permissions.iam import is_allowed, like
from tests.e2e.permissions.replay import Grant, Stage, embedded_policies, load, unused_grants
from workflows.permissions import job_permissions

pytestmark = pytest.mark.timeout(300)

RECORDER = Path(__file__).with_name("recorder") / "sitecustomize.py"
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Unused:
    """What a role may do and no run here asked for, with the reason. Action and resource are patterns of IAM's."""

    sid: str
    because: str
    action: str = "*"
    resource: str = "*"

    def covers(self, grant: Grant) -> bool:
        return grant.sid == self.sid and like(self.action, grant.action) and like(self.resource, grant.resource)


NO_VPC = "The embedded Lambda puts no function into a network."
WRITER = (
    "AWS's guide asks for it of a ResultWriter, which uploads in parts; the embedded one never has to go on with them."
)
GROUPS = "As of the children of Map, which a run here stops and redrives."
UNUSED = (
    Unused("WriteOwnLogs", "Lambda itself writes logs, on AWS in the function's name; the embedded one, into a file."),
    Unused("SendTraces", "There is no X-Ray locally: POWERTOOLS_TRACE_DISABLED is set."),
    Unused("JoinNetwork", NO_VPC),
    Unused("KeepNetworkInterfaces", NO_VPC),
    Unused("LookAtNetwork", NO_VPC),
    Unused("GiveUpUpload", "Only where an upload in parts fails in its middle, and moto's S3 does not fail."),
    Unused("DeliverLogs", "The embedded Step Functions keeps histories itself and delivers no logs."),
    Unused("WriteResults", WRITER, action="s3:ListMultipartUploadParts"),
    Unused("WriteResults", WRITER, action="s3:AbortMultipartUpload"),
    Unused("WriteResults", WRITER, action="s3:GetObject", resource="*/map/*"),
    Unused("FollowAndStopChildren", "AWS's guide names children so; their ARNs are the next.", resource="*JOB:*"),
    Unused("FollowAndStopChildren", GROUPS, action="states:StopExecution", resource="*/FoldGroups:*"),
    Unused("RedriveChildren", GROUPS, resource="*/FoldGroups:*"),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A recorded embedded AWS on which every job has run, in every way that it can end."""
    data, recorder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("recorder")
    shutil.copy(RECORDER, recorder)
    with serving(data, python_path=str(recorder)) as aws:
        yield played(aws, recorder)


def played(aws: EmbeddedAws, recorder: Path) -> Stage:
    for bucket in ("mapfold-data", "elsewhere"):
        aws.s3.create_bucket(Bucket=bucket)
    secrets = aws.client("secretsmanager")
    secret = secrets.create_secret(Name="orders/database", SecretString="open sesame")
    aws.client("sns").create_topic(Name="everything")
    stage = Stage(aws, Recording(recorder), {"orders/database": secret["ARN"]})
    put_input(aws)
    assert stage.run("everything", "s3://mapfold-data/everything.csv")["status"] == "SUCCEEDED"
    assert stage.run("everything", "s3://elsewhere/in/manifest.csv")["status"] == "SUCCEEDED"
    assert stage.run("everything", "s3://mapfold-data/nothing.csv")["status"] == "FAILED"
    assert stage.run("large", "s3://mapfold-data/180.jsonl")["result"] > 200_000
    assert stage.run("failing", "s3://mapfold-data/2000.jsonl")["status"] == "FAILED"
    assert stage.run("flight-delays", "s3://mapfold-data/flights.csv", jobs=ROOT / "jobs")["status"] == "SUCCEEDED"
    assert stage.run("listing", "s3://mapfold-data/listing/")["result"] == 6
    stop_and_redrive(stage)
    return stage


def put_input(aws: EmbeddedAws) -> None:
    """Objects and manifests for every job."""
    texts = {
        "ok": "one",
        "bad": "fail",
        "crash": "crash",
        "fine": "two",
        "big": "x" * 250_000,
        "bad2": "fail",
        "bad3": "fail",
    }
    for name, text in texts.items():
        aws.s3.put_object(Bucket="mapfold-data", Key=f"texts/{name}", Body=text.encode())
    aws.s3.put_object(Bucket="elsewhere", Key="in/elsewhere.txt", Body=b"three")
    order = ["ok", "bad", "crash", "fine", "big", "elsewhere", "bad2", "bad3"]
    lines = (f"mapfold-data,texts/{name}" if name in texts else f"elsewhere,in/{name}.txt" for name in order)
    aws.s3.put_object(Bucket="mapfold-data", Key="everything.csv", Body="\n".join(lines).encode())
    aws.s3.put_object(Bucket="elsewhere", Key="in/manifest.csv", Body=b"mapfold-data,texts/ok")
    for count in (180, 2000):
        numbers = "\n".join(map(str, range(count)))
        aws.s3.put_object(Bucket="mapfold-data", Key=f"{count}.jsonl", Body=numbers.encode())
    for number in (1, 2, 3):
        aws.s3.put_object(Bucket="mapfold-data", Key=f"listing/{number}", Body=b"x" * number)
    day = "carrier,dep_time,arr_delay,distance\nUA,517,11,1400\n"
    aws.s3.put_object(Bucket="mapfold-data", Key="flights/2013-01-01.csv", Body=day.encode())
    aws.s3.put_object(Bucket="mapfold-data", Key="flights.csv", Body=b"mapfold-data,flights/2013-01-01.csv\n")


def stop_and_redrive(stage: Stage) -> None:
    """A run over another bucket whose children wait; it is stopped, and let go on."""
    aws, stepfunctions = stage.aws, stage.aws.stepfunctions
    aws.s3.put_object(Bucket="mapfold-data", Key="gate", Body=b"shut")
    (machine,) = (m for m in stepfunctions.list_state_machines()["stateMachines"] if m["name"] == "mapfold-listing")
    given = {"source": "s3://elsewhere/in/", "params": {"gate": "gate"}}
    run = stepfunctions.start_execution(
        stateMachineArn=machine["stateMachineArn"], name="redriven", input=json.dumps(given)
    )["executionArn"]
    wait_for_children(aws, run)
    stepfunctions.stop_execution(executionArn=run)
    stage.note("listing", run)
    aws.s3.put_object(Bucket="mapfold-data", Key="gate", Body=b"open")
    stepfunctions.redrive_execution(executionArn=run)
    assert until_ended(stepfunctions, run) == "SUCCEEDED"
    stage.note("listing", run)


def wait_for_children(aws: EmbeddedAws, run: str) -> None:
    """Until a child of the run is running."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for map_run in aws.stepfunctions.list_map_runs(executionArn=run)["mapRuns"]:
            counts = aws.stepfunctions.describe_map_run(mapRunArn=map_run["mapRunArn"])["executionCounts"]
            if counts["running"]:
                return
        time.sleep(0.1)  # AWS gives no way to wait for it but to ask again
    raise AssertionError(f"no child of {run} ran within a minute")


class TestReplay:
    def test_every_call_of_the_runs_is_allowed(self, stage: Stage) -> None:
        """By the statements of the role that made it, with the names of the embedded AWS."""
        policies = {job: embedded_policies(load(job)) for job in stage.jobs()}

        refused = {
            f"{asked.job} {asked.role} may not {asked.request}: {asked.seen[:300]}"
            for asked in stage.asked
            if not is_allowed(policies[asked.job][asked.role], asked.request)
        }

        assert not refused, "\n".join(sorted(refused))

    def test_nothing_is_allowed_that_no_run_needs(self, stage: Stage) -> None:
        """Every action of every statement was asked for on every resource that it names, or there is a reason."""
        unused = unused_grants(stage)

        unexplained = [grant for grant in unused if not any(each.covers(grant) for each in UNUSED)]

        assert not unexplained, "\n".join(map(str, unexplained))

    def test_no_reason_is_for_something_that_is_used(self, stage: Stage) -> None:
        """A reason that no longer holds goes."""
        unused = unused_grants(stage)

        stale = [each for each in UNUSED if not any(each.covers(grant) for grant in unused)]

        assert stale == []

    def test_every_role_was_seen_at_work(self, stage: Stage) -> None:
        """Otherwise the recorder would see nothing, and nothing would be refused."""
        roles = {asked.role for asked in stage.asked if asked.job == "everything"}

        assert roles == set(job_permissions(load("everything")))

    def test_a_call_that_no_statement_covers_is_refused(self, stage: Stage) -> None:
        """The same calls, of a role without one of its statements."""
        statements = [each for each in embedded_policies(load("everything"))["work"] if each["Sid"] != "SpillPartial"]

        refused = {
            asked.request.resource
            for asked in stage.asked
            if (asked.job, asked.role) == ("everything", "work") and not is_allowed(statements, asked.request)
        }

        assert [re.sub(r"everything-\d+", "RUN", key) for key in refused] == [
            "arn:aws:s3:::mapfold-runs/runs/RUN/partials/map/000000000004.json"
        ]
