"""What each role did in real runs is what its policy allows: nothing more is asked for, nothing more is granted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.embedded import serving
from tests.e2e.permissions.calls import Recording
from tests.e2e.permissions.iam import is_allowed, like
from tests.e2e.permissions.replay import SHARED, Grant, Stage, permissions_of, policies_of, unused_grants
from tests.e2e.permissions.scenes import DEPLOYED, play, recorded

pytestmark = pytest.mark.timeout(300)

RECORDER = Path(__file__).with_name("recorder") / "sitecustomize.py"


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
    Unused("TakeRequests", "The embedded Lambda polls queues itself."),
    Unused(
        "LookAtChildren",
        "On the embedded AWS an EXPRESS child's ARN has a STANDARD one's form.",
        resource="*:express:*",
    ),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A recorded embedded AWS on which every job has run, in every way that it can end."""
    data, recorder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("recorder")
    shutil.copy(RECORDER, recorder)
    with serving(data, python_path=str(recorder)) as aws:
        stage = recorded(aws, Recording(recorder))
        play(stage)
        yield stage


class TestReplay:
    def test_every_call_of_the_runs_is_allowed(self, stage: Stage) -> None:
        """By the statements of the role that made it, with the names of the embedded AWS."""
        policies = {owner: policies_of(owner, DEPLOYED) for owner in stage.owners()}

        refused = {
            f"{asked.owner} {asked.role} may not {asked.request}: {asked.seen[:300]}"
            for asked in stage.asked
            if not is_allowed(policies[asked.owner][asked.role], asked.request)
        }

        assert not refused, "\n".join(sorted(refused))

    def test_nothing_is_allowed_that_no_run_needs(self, stage: Stage) -> None:
        """Every action of every statement was asked for on every resource that it names, or there is a reason."""
        unused = unused_grants(stage, DEPLOYED)

        unexplained = [grant for grant in unused if not any(each.covers(grant) for each in UNUSED)]

        assert not unexplained, "\n".join(map(str, unexplained))

    def test_no_reason_is_for_something_that_is_used(self, stage: Stage) -> None:
        """A reason that no longer holds goes."""
        unused = unused_grants(stage, DEPLOYED)

        stale = [each for each in UNUSED if not any(each.covers(grant) for grant in unused)]

        assert stale == []

    @pytest.mark.parametrize("owner", ["everything", SHARED])
    def test_every_role_was_seen_at_work(self, stage: Stage, owner: str) -> None:
        """Otherwise the recorder would see nothing, and nothing would be refused."""
        seen = {asked.role for asked in stage.asked if asked.owner == owner}

        assert seen == set(permissions_of(owner, DEPLOYED))

    def test_a_call_that_no_statement_covers_is_refused(self, stage: Stage) -> None:
        """The same calls, of a role without one of its statements."""
        statements = [each for each in policies_of("everything", DEPLOYED)["work"] if each["Sid"] != "SpillPartial"]

        refused = [each for each in stage.requests("everything", "work") if not is_allowed(statements, each)]

        (request,) = refused
        assert request.resource.endswith("/partials/map/000000000004.json")
