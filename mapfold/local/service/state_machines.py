"""Create, describe, update, delete and list state machines (service-api 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from mapfold.errors import DefinitionError
from mapfold.local.arns import Arn, Kind, is_role_arn, is_valid_name, state_machine_arn
from mapfold.local.service.configurations import check_configurations, configurations_of, filled_in
from mapfold.local.service.context import Service
from mapfold.local.service.deleting import begin_deletion, is_deleting, settle
from mapfold.local.service.faults import (
    Fault,
    invalid_name,
    invalid_role,
    labelled_arn_refused,
    machine_deleting,
    machine_missing,
)
from mapfold.local.service.labels import child_type_of, labelled_processor
from mapfold.local.service.pages import page_of, with_token
from mapfold.local.service.qualified import find_alias, find_changeable, find_machine, find_version, machine_of_version
from mapfold.local.service.request import DEFINITION_LENGTH, Request
from mapfold.local.service.shapes import seconds
from mapfold.local.service.tags import tags_of
from mapfold.local.service.versions import publish
from mapfold.local.store import CreationRow, MachineRow
from mapfold.states import variable_references

Answer = dict[str, Any]

TYPES = ("STANDARD", "EXPRESS")


async def create_state_machine(service: Service, request: Request) -> Answer:
    """CreateStateMachine: the same call again answers with what it made first; the definition is compared as text.

    Compared are type, configurations, `publish` and `versionDescription` too, but neither role nor tags.
    """
    name = request.text("name", least=1)
    definition = request.text("definition", least=1, most=DEFINITION_LENGTH)
    role_arn = request.text("roleArn", least=1)
    kind = request.choice("type", TYPES, "STANDARD")
    published, description = _publishing(request)
    request.done()
    if not is_valid_name(name):
        raise invalid_name(name)
    _check_role(role_arn)
    configurations = configurations_of(request)
    tags = tags_of(request)
    await check_configurations(service, configurations)
    await _check(service, definition, kind)
    arn = state_machine_arn(name, region=service.region)
    creation = CreationRow(arn, published, description)
    settle(service)
    known = service.store.machine(arn)
    if known is not None:
        return _created_before(service, known, creation, (definition, kind, filled_in(configurations)))
    now = service.clock()
    revision = service.store.next_revision()
    row = MachineRow(arn, name, kind, definition, role_arn, now, now, revision, options=configurations, tags=tags)
    service.store.put_machine(row)
    service.store.publishing.put_creation(creation)
    answer = {"stateMachineArn": arn, "creationDate": seconds(now)}
    if published:
        answer["stateMachineVersionArn"] = publish(service, row, description).arn
    await service.store.flush()
    return answer


def _created_before(
    service: Service, row: MachineRow, creation: CreationRow, asked: tuple[str, str, Mapping[str, Any]]
) -> Answer:
    """The answer to a creation of what there is already, if it asks for just that."""
    publishing = service.store.publishing
    if is_deleting(service, row.arn):
        raise machine_deleting(row.arn)
    before = publishing.creation(row.arn)
    same_publishing = (before.publish, before.description) == (creation.publish, creation.description)
    if not same_publishing or (row.definition, row.type, filled_in(row.options)) != asked:
        raise Fault("StateMachineAlreadyExists", f"State Machine Already Exists: '{row.arn}'")
    answer = {"stateMachineArn": row.arn, "creationDate": seconds(row.created)}
    if creation.publish:
        answer["stateMachineVersionArn"] = publish(service, row, creation.description).arn
    return answer


async def update_state_machine(service: Service, request: Request) -> Answer:
    """UpdateStateMachine: a new revision, unless all is as it was; running executions keep theirs."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    definition = request.optional_text("definition", most=DEFINITION_LENGTH)
    role_arn = request.optional_text("roleArn")
    request.done()
    if arn.label is not None:
        raise labelled_arn_refused(str(arn))
    configurations = configurations_of(request)
    if definition is None and role_arn is None and not configurations:
        raise Fault(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration "
            "must be specified",
        )
    published, description = _publishing(request)
    if role_arn is not None:
        _check_role(role_arn)
    row = find_changeable(service, arn)
    await check_configurations(service, configurations)
    if definition is not None:
        await _check(service, definition, row.type)
    updated = replace(
        row,
        definition=row.definition if definition is None else definition,
        role_arn=row.role_arn if role_arn is None else role_arn,
        options={**row.options, **configurations},
        updated=service.clock(),
    )
    if _is_another(row, updated):
        updated = replace(updated, revision=service.store.next_revision(), revision_id=str(uuid4()))
    service.store.put_machine(updated)
    answer: Answer = {"updateDate": seconds(updated.updated)}
    if updated.revision_id is not None:
        answer["revisionId"] = updated.revision_id
    if published:
        answer["stateMachineVersionArn"] = publish(service, updated, description).arn
    await service.store.flush()
    return answer


def _is_another(row: MachineRow, updated: MachineRow) -> bool:
    """Whether an update made another revision of a machine: not if it set what was there already."""
    before = row.definition, row.role_arn, filled_in(row.options)
    return before != (updated.definition, updated.role_arn, filled_in(updated.options))


async def delete_state_machine(service: Service, request: Request) -> Answer:
    """DeleteStateMachine, with its versions and aliases; one that does not exist is no error.

    While executions of a STANDARD one run it is DELETING.
    """
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    if arn.label is not None:
        raise labelled_arn_refused(str(arn))
    settle(service)
    row = service.store.machine(str(arn))
    if row is not None and not is_deleting(service, row.arn):
        begin_deletion(service, row)
    await service.store.flush()
    return {}


async def describe_state_machine(service: Service, request: Request) -> Answer:
    """DescribeStateMachine, of a machine, a version, what an alias leads to, or a map run's children's (`…/<Label>`)."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    included = request.choice("includedData", ("ALL_DATA", "METADATA_ONLY"), "ALL_DATA")
    request.done()
    answer = await _described_version(service, arn) if arn.name is not None else _described_machine(service, arn)
    if arn.label is not None:
        answer = await _described_map(service, arn, answer)
    if included == "METADATA_ONLY":
        answer["definition"] = "{}"
        answer.pop("variableReferences", None)
    return answer


def _described_machine(service: Service, arn: Arn) -> Answer:
    row = find_machine(service, arn)
    answer = {"stateMachineArn": str(arn), **described(row), "creationDate": seconds(row.created)}
    if is_deleting(service, row.arn):
        answer["status"] = "DELETING"
    return answer


async def _described_version(service: Service, arn: Arn) -> Answer:
    """A version; of an alias the version that it leads to most, under the alias's ARN (unconfirmed)."""
    version, alias = find_version(service, arn), find_alias(service, arn)
    if alias is not None:
        most, _ = max(alias.routes, key=lambda route: route[1])
        version = service.store.publishing.version(alias.machine_arn, most)
    if version is None:
        raise machine_missing(str(arn))
    row = await machine_of_version(service, version)
    answer = {"stateMachineArn": str(arn), **described(row), "creationDate": seconds(version.created)}
    if version.description is not None:
        answer["description"] = version.description
    return answer


async def _described_map(service: Service, arn: Arn, machine: Answer) -> Answer:
    """The Map state that a label stands for: in the machine's definition, or in one that it had and ran."""
    assert arn.label is not None
    answer = {key: value for key, value in machine.items() if key != "variableReferences"}
    processor = labelled_processor(machine["definition"], arn.machine, arn.label)
    if processor is not None:
        definition, kind = orjson.dumps(processor).decode(), child_type_of(processor)
    else:
        run = await service.store.last_map_run_of_label(arn.machine_arn, arn.label)
        if run is None:
            raise machine_missing(str(arn))
        definition, kind = run.definition, run.child_type
    answer.update(label=arn.label, definition=definition, type=kind, **_references(definition))
    return answer


async def list_state_machines(service: Service, request: Request) -> Answer:
    """ListStateMachines, by name (the API Reference names no order)."""
    size = request.page_size()
    token = request.text("nextToken", needed=False)
    request.done()
    settle(service)
    rows = sorted(service.store.machines(), key=lambda row: row.name)
    page, token = page_of(rows, size, token, ["ListStateMachines"], key=lambda row: row.name)
    items = [
        {"stateMachineArn": row.arn, "name": row.name, "type": row.type, "creationDate": seconds(row.created)}
        for row in page
    ]
    return with_token({"stateMachines": items}, token)


def described(row: MachineRow) -> Answer:
    """What every description of a machine has."""
    answer: Answer = {
        "name": row.name,
        "status": "ACTIVE",
        "definition": row.definition,
        "roleArn": row.role_arn,
        "type": row.type,
        **filled_in(row.options),
    }
    if row.revision_id is not None:
        answer["revisionId"] = row.revision_id
    answer.update(_references(row.definition))
    return answer


def _references(definition: str) -> Answer:
    """`variableReferences`: state name -> the variables that the state refers to. Nothing where no state does."""
    references = variable_references(definition)
    return {"variableReferences": references} if references else {}


async def _check(service: Service, definition: str, kind: str) -> None:
    try:
        await asyncio.to_thread(service.check_definition, definition, kind == "EXPRESS")
    except DefinitionError as error:
        raise Fault("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error


def _check_role(arn: str) -> None:
    if not is_role_arn(arn):
        raise invalid_role(arn)


def _publishing(request: Request) -> tuple[bool, str | None]:
    """Whether a version is to be published, and its description."""
    published = request.flag("publish", default=False)
    description = request.optional_text("versionDescription")
    if description is not None and not published:
        raise Fault(
            "ValidationException",
            "Version description can only be set when publish is true",
            reason="MISSING_REQUIRED_PARAMETER",
        )
    return published, description
