"""What roles may do and no recorded run asks for: the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.e2e.permissions.iam import like
from tests.e2e.permissions.replay import Grant


@dataclass(frozen=True, slots=True)
class Unused:
    """What a role may do and no run here asked for, with the reason. Action and resource are patterns of IAM's."""

    sid: str
    because: str
    action: str = "*"
    resource: str = "*"

    def covers(self, grant: Grant) -> bool:
        """Whether this is the reason for the grant."""
        return grant.sid == self.sid and like(self.action, grant.action) and like(self.resource, grant.resource)


NO_VPC = "The embedded Lambda puts no function into a network."
NO_KMS = "moto encrypts nothing, and asks no key: whoever may use an object or a queue may use it."
WRITER = (
    "AWS's guide asks for it of a ResultWriter, which uploads in parts; the embedded one never has to go on with them."
)
LATER = "As of the children of Map, which a run here stops and redrives."
UNUSED = (
    Unused("WriteOwnLogs", "Lambda itself writes logs, on AWS in the function's name; the embedded one, into a file."),
    Unused("SendTraces", "There is no X-Ray locally: POWERTOOLS_TRACE_DISABLED is set."),
    Unused("JoinNetwork", NO_VPC),
    Unused("KeepNetworkInterfaces", NO_VPC),
    Unused("RemoveNetworkInterfaces", NO_VPC),
    Unused("LookAtNetwork", NO_VPC),
    Unused("GiveUpUpload", "Only where an upload in parts fails in its middle, and moto's S3 does not fail."),
    Unused("UseKeyThroughS3", NO_KMS),
    Unused("UseKeyThroughSQS", NO_KMS),
    Unused("DeliverLogs", "The embedded Step Functions keeps histories itself and delivers no logs."),
    Unused("WriteResults", WRITER, action="s3:ListMultipartUploadParts"),
    Unused("WriteResults", WRITER, action="s3:AbortMultipartUpload"),
    Unused("WriteResults", WRITER, action="s3:GetObject", resource="*/map/*"),
    Unused("FollowAndStopChildren", "AWS's guide names children so; their ARNs are the next.", resource="*JOB:*"),
    Unused("FollowAndStopChildren", LATER, action="states:StopExecution", resource="*/FoldGroups:*"),
    Unused("RedriveChildren", LATER, resource="*/FoldGroups:*"),
    Unused("FollowAndStopChildren", LATER, action="states:StopExecution", resource="*/Isolate:*"),
    Unused("RedriveChildren", LATER, resource="*/Isolate:*"),
    Unused("FollowAndStopChildren", LATER, action="states:StopExecution", resource="*/Listed:*"),
    Unused("RedriveChildren", LATER, resource="*/Listed:*"),
    Unused("WritePartials", "Only a fold that runs low on Lambda's 15 minutes.", resource="*/fold/so-far-*"),
    Unused("WritePartials", "Only where there are more than 256 batches by key.", resource="*/groups/level-*"),
    Unused(
        "ReadPartials",
        "Only a retry of a result in parts or shards reads one; here a value is retried.",
        resource="*/result/*",
    ),
    Unused("TakeRequests", "The embedded Lambda polls queues itself."),
    Unused(
        "LookAtChildren",
        "On the embedded AWS an EXPRESS child's ARN has a STANDARD one's form.",
        resource="*:express:*",
    ),
)


def unexplained(grants: Iterable[Grant]) -> list[str]:
    """Those that no reason covers, a line each."""
    return [str(grant) for grant in grants if not any(each.covers(grant) for each in UNUSED)]
