"""What a deployed stack says about itself in its outputs: which jobs it has, and where their runs keep things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from mapfold.client.target import Target
from mapfold.errors import UsageError

DEFAULT_STACK = "mapfold-dev"

_NEEDED = ("MachinePrefix", "Jobs", "DataBucket", "RunsBucket", "RunsTable")
_UNFINISHED = ("CREATE_", "ROLLBACK_", "DELETE_", "REVIEW_")
"""A stack that has never been complete, or is going away. One that is updated, or whose update failed, has its jobs."""


@dataclass(frozen=True, slots=True)
class StackFacts:
    """What DescribeStacks says of a stack. `id` is its ARN."""

    id: str
    status: str
    reason: str
    outputs: Mapping[str, str]


class DescribesStacks(Protocol):
    """What looking up a stack takes of `AwsClient`."""

    target: Target

    @property
    def region(self) -> str: ...
    def find_stack(self, name: str) -> StackFacts | None: ...


def stack_target(aws: DescribesStacks, name: str) -> Target:
    """The target of `aws`, with the jobs, buckets and table of the stack `name`.

    UsageError if there is no such stack in the region, if it is not complete, or lacks an output that is needed.
    """
    facts = aws.find_stack(name)
    if facts is None:
        raise UsageError(
            f"there is no stack {name!r} in {aws.region}. `make deploy` makes mapfold-dev; --stack (or MAPFOLD_STACK) "
            "names another one, --region and --profile say where it is."
        )
    if facts.status != "CREATE_COMPLETE" and facts.status.startswith(_UNFINISHED):
        why = f" ({facts.reason})" if facts.reason else ""
        raise UsageError(
            f"stack {name!r} in {aws.region} is not complete: it is {facts.status}{why}. Wait for its deployment, or "
            "mend it and deploy it again."
        )
    if missing := [key for key in _NEEDED if not facts.outputs.get(key)]:
        raise UsageError(
            f"stack {name!r} in {aws.region} has no output {', '.join(missing)}: it is not Mapfold's, or an older "
            "version deployed it. Deploy it again with `make deploy`."
        )
    _, partition, _, _, account, _ = facts.id.split(":", 5)
    return replace(
        aws.target,
        account=account,
        partition=partition,
        stack=name,
        machine_prefix=facts.outputs["MachinePrefix"],
        jobs=tuple(job for job in facts.outputs["Jobs"].split(",") if job),
        data_bucket=facts.outputs["DataBucket"],
        runs_bucket=facts.outputs["RunsBucket"],
        runs_table=facts.outputs["RunsTable"],
    )
