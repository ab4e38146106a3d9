"""Versions of state machines: numbered revisions that never change (guide: State machine versions; API Reference)."""

from __future__ import annotations

from typing import Any

from mapfold.local.arns import Arn, Kind
from mapfold.local.service.context import Service
from mapfold.local.service.faults import Fault, invalid_arn
from mapfold.local.service.pages import page_of, with_token
from mapfold.local.service.qualified import find_changeable, find_version
from mapfold.local.service.request import Request
from mapfold.local.service.shapes import seconds
from mapfold.local.store import MachineRow, VersionRow

Answer = dict[str, Any]

MOST_VERSIONS = 1_000
"""Versions that a machine may have (Step Functions service quotas)."""

INITIAL = "INITIAL"
"""The revision id of a machine that was never updated (API Reference: PublishStateMachineVersion)."""


async def publish_state_machine_version(service: Service, request: Request) -> Answer:
    """PublishStateMachineVersion: the current revision, once: a second time answers with the version that it has."""
    revision_id = request.optional_text("revisionId")
    description = request.optional_text("description")
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    row = find_changeable(service, arn)
    current = row.revision_id or INITIAL
    if revision_id is not None and revision_id != current:
        raise Fault(
            "ConflictException",
            f"Failed to publish the State Machine version for revision {revision_id}. "
            f"The current State Machine revision is {current}.",
        )
    version = publish(service, row, description)
    await service.store.flush()
    return {"creationDate": seconds(version.created), "stateMachineVersionArn": version.arn}


def publish(service: Service, row: MachineRow, description: str | None) -> VersionRow:
    """The version of a machine's current revision, made if there is none. ServiceQuotaExceededException."""
    versions = service.store.publishing.versions(row.arn)
    for version in versions:
        if version.revision == row.revision:
            return version
    if len(versions) >= MOST_VERSIONS:
        raise Fault(
            "ServiceQuotaExceededException",
            f"The maximum number of versions of a state machine has been reached: {MOST_VERSIONS}",
            status=402,
        )
    return service.store.publishing.publish(row.arn, row.revision, description, service.clock())


async def list_state_machine_versions(service: Service, request: Request) -> Answer:
    """ListStateMachineVersions, newest first. A machine that is not there is an InvalidArn (its documented errors)."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    size = request.page_size()
    token = request.text("nextToken", needed=False)
    if arn.name is not None or arn.label is not None or service.store.machine(arn.machine_arn) is None:
        raise invalid_arn(str(arn))
    versions = service.store.publishing.versions(arn.machine_arn)
    question = ["ListStateMachineVersions", str(arn)]
    page, token = page_of(versions, size, token, question, key=lambda row: -row.number)
    items = [{"stateMachineVersionArn": row.arn, "creationDate": seconds(row.created)} for row in page]
    return with_token({"stateMachineVersions": items}, token)


async def delete_state_machine_version(service: Service, request: Request) -> Answer:
    """DeleteStateMachineVersion: not while an alias leads to it; one that is not there is no error."""
    arn = request.arn("stateMachineVersionArn", Kind.STATE_MACHINE)
    _expect_version(arn)
    version = find_version(service, arn)
    if version is None:
        return {}
    aliases = service.store.publishing.aliases(version.machine_arn, version.arn)
    if aliases:
        names = ", ".join(sorted(alias.name for alias in aliases))
        raise Fault(
            "ConflictException",
            "Version to be deleted must not be referenced by an alias. "
            f"Current list of aliases referencing this version: [{names}]",
        )
    service.store.publishing.delete_version(version)
    await service.store.flush()
    return {}


def _expect_version(arn: Arn) -> None:
    if arn.label is not None or arn.name is None or not arn.name.isdecimal():
        raise invalid_arn(f"Invalid ARN: {arn}")
