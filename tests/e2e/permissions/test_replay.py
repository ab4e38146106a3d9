"""What each role did in real runs is what its policy allows: nothing more is asked for, nothing more is granted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.e2e.permissions.iam import like
from tests.e2e.permissions.recording import replay_once
from tests.e2e.permissions.replay import SHARED, Grant, Replay, permissions_of, policies_of, unused_grants

pytestmark = pytest.mark.timeout(600)


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


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """What the roles asked of IAM in real runs."""
    return replay_once(tmp_path_factory)


class TestReplay:
    def test_every_call_of_the_runs_is_allowed(self, replay: Replay) -> None:
        """By the statements of the role that made it, with the names of the embedded AWS."""
        policies = {owner: policies_of(owner) for owner in replay.owners()}

        refused = replay.refused(policies)

        assert not refused, "\n".join(refused)

    def test_nothing_is_allowed_that_no_run_needs(self, replay: Replay) -> None:
        """Every action of every statement was asked for on every resource that it names, or there is a reason."""
        unused = unused_grants(replay)

        unexplained = [grant for grant in unused if not any(each.covers(grant) for each in UNUSED)]

        assert not unexplained, "\n".join(map(str, unexplained))

    def test_no_reason_is_for_something_that_is_used(self, replay: Replay) -> None:
        """A reason that no longer holds goes."""
        unused = unused_grants(replay)

        stale = [each for each in UNUSED if not any(each.covers(grant) for grant in unused)]

        assert stale == []

    @pytest.mark.parametrize("owner", ["everything", SHARED])
    def test_every_role_was_seen_at_work(self, replay: Replay, owner: str) -> None:
        """Otherwise the recorder would see nothing, and nothing would be refused."""
        seen = {asked.role for asked in replay.asked if asked.owner == owner}

        assert seen == set(permissions_of(owner))

    def test_a_call_that_no_statement_covers_is_refused(self, replay: Replay) -> None:
        """The same calls, of a role without one of its statements."""
        policies = {owner: policies_of(owner) for owner in replay.owners()}
        policies["everything"]["work"] = [
            statement for statement in policies["everything"]["work"] if statement["Sid"] != "SpillPartial"
        ]

        (line,) = replay.refused(policies)

        assert line.startswith("everything work may not Request(action='s3:PutObject'")
        assert "/partials/map/000000000004.json" in line
