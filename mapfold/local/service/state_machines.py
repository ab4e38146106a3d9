"""Create, describe, update, delete and list state machines (service-api 2)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

from mapfold.errors import DefinitionError
from mapfold.local.arns import Arn, Kind, is_valid_name, state_machine_arn
from mapfold.local.service.context import Service
from mapfold.local.service.faults import Fault, invalid_name, machine_missing
from mapfold.local.service.pages import cut_page, read_token, with_token
from mapfold.local.service.request import DEFINITION_LENGTH, Request
from mapfold.local.service.shapes import seconds
from mapfold.local.service.tags import tags_of
from mapfold.local.store import MachineRow

Answer = dict[str, Any]

TYPES = ("STANDARD", "EXPRESS")
OPTIONS = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
DEFAULTS: dict[str, Any] = {
    "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
    "tracingConfiguration": {"enabled": False},
    "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
}


async def create_state_machine(service: Service, request: Request) -> Answer:
    """CreateStateMachine: the same call again answers with what it made first; the definition is compared as text."""
    name = request.text("name", least=1)
    definition = request.text("definition", least=1, most=DEFINITION_LENGTH)
    role_arn = request.text("roleArn", least=1)
    kind = request.choice("type", TYPES, "STANDARD")
    request.done()
    if not is_valid_name(name):
        raise invalid_name(name)
    _refuse_versions(request)
    options = _options(request)
    tags = tags_of(request)
    await _check(service, definition, kind)
    arn = state_machine_arn(name, region=service.region)
    known = service.store.machine(arn)
    if known is not None:
        if (known.definition, known.type, _options_of(known)) != (definition, kind, {**DEFAULTS, **options}):
            raise Fault("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        return {"stateMachineArn": arn, "creationDate": seconds(known.created)}
    now = service.clock()
    revision = service.store.next_revision()
    row = MachineRow(arn, name, kind, definition, role_arn, now, now, revision, options=options, tags=tags)
    service.store.put_machine(row)
    await service.store.flush()
    return {"stateMachineArn": arn, "creationDate": seconds(now)}


async def update_state_machine(service: Service, request: Request) -> Answer:
    """UpdateStateMachine: a new revision; running executions keep theirs."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    definition = request.optional_text("definition", most=DEFINITION_LENGTH)
    role_arn = request.optional_text("roleArn")
    request.done()
    _refuse_map_label(arn)
    options = _options(request)
    if definition is None and role_arn is None and not options:
        raise Fault(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration "
            "must be specified",
        )
    _refuse_versions(request)
    row = find_machine(service, arn)
    if definition is not None:
        await _check(service, definition, row.type)
    updated = replace(
        row,
        definition=row.definition if definition is None else definition,
        role_arn=row.role_arn if role_arn is None else role_arn,
        options={**row.options, **options},
        updated=service.clock(),
        revision=service.store.next_revision(),
        revision_id=str(uuid4()),
    )
    service.store.put_machine(updated)
    await service.store.flush()
    return {"updateDate": seconds(updated.updated), "revisionId": updated.revision_id}


async def delete_state_machine(service: Service, request: Request) -> Answer:
    """DeleteStateMachine: gone at once; one that does not exist is no error. Its executions run on to their ends."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    _refuse_map_label(arn)
    service.store.delete_machine(str(arn))
    await service.store.flush()
    return {}


async def describe_state_machine(service: Service, request: Request) -> Answer:
    """DescribeStateMachine, of a machine or of a map run's children's (`…/<Label>`)."""
    arn = request.arn("stateMachineArn", Kind.STATE_MACHINE)
    included = request.choice("includedData", ("ALL_DATA", "METADATA_ONLY"), "ALL_DATA")
    request.done()
    row = find_machine(service, arn)
    answer = {"stateMachineArn": str(arn), **described(row), "creationDate": seconds(row.created)}
    if arn.label is not None:
        run = await service.store.last_map_run_of_label(arn.machine_arn, arn.label)
        if run is None:
            raise machine_missing(str(arn))
        answer.update(label=arn.label, definition=run.definition, type=run.child_type)
    if included == "METADATA_ONLY":
        answer["definition"] = "{}"
    return answer


async def list_state_machines(service: Service, request: Request) -> Answer:
    """ListStateMachines, newest first."""
    size = request.page_size()
    token = request.text("nextToken", needed=False)
    request.done()
    question = ["ListStateMachines"]
    start = read_token(token, question) or 0
    machines = list(enumerate(service.store.machines(), start=1))[start:]
    page, token = cut_page(machines, size, question, key=lambda numbered: numbered[0])
    items = [
        {"stateMachineArn": row.arn, "name": row.name, "type": row.type, "creationDate": seconds(row.created)}
        for _, row in page
    ]
    return with_token({"stateMachines": items}, token)


def find_machine(service: Service, arn: Arn) -> MachineRow:
    """The machine that an ARN belongs to (a label is looked through), or StateMachineDoesNotExist."""
    row = None if arn.name is not None else service.store.machine(arn.machine_arn)  # no versions, no aliases
    if row is None:
        raise machine_missing(str(arn))
    return row


def described(row: MachineRow) -> Answer:
    """What every description of a machine has."""
    answer: Answer = {
        "name": row.name,
        "status": "ACTIVE",
        "definition": row.definition,
        "roleArn": row.role_arn,
        "type": row.type,
        **_options_of(row),
    }
    if row.revision_id is not None:
        answer["revisionId"] = row.revision_id
    return answer


async def _check(service: Service, definition: str, kind: str) -> None:
    try:
        await asyncio.to_thread(service.check_definition, definition, kind == "EXPRESS")
    except DefinitionError as error:
        raise Fault("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error


def _options(request: Request) -> dict[str, Any]:
    options = {name: request.members[name] for name in OPTIONS if request.has(name)}
    for name, value in options.items():
        if not isinstance(value, dict):
            raise Fault("SerializationException", f"{name}: must be an object, not {type(value).__name__}")
    return options


def _options_of(row: MachineRow) -> dict[str, Any]:
    return {**DEFAULTS, **row.options}


def _refuse_map_label(arn: Arn) -> None:
    if arn.label is not None:
        raise Fault("ValidationException", f"This operation is not supported on a Map state's ARN: '{arn}'")


def _refuse_versions(request: Request) -> None:
    if request.flag("publish", default=False):
        raise Fault("ValidationException", "Mapfold's embedded Step Functions has no state machine versions")
    if request.has("versionDescription"):
        raise Fault("ValidationException", "Version description can only be set when publish is true")
